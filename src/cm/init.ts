/** The registry's part of booting: the Key type and the root of the tree. */
import { READ_CONTROL } from "../abi/ob.ts";
import type { Kernel } from "../kernel.ts";
import { KeQuerySystemTime } from "../ke/time.ts";
import { makePermanent, ObCreateObjectType } from "../ob/create.ts";
import { insertEntry } from "../ob/directory.ts";
import { newObjectId } from "../sim/identity.ts";
import {
  CmpParseKey,
  KEY_ALL_ACCESS,
  KEY_CREATE_LINK,
  KEY_CREATE_SUB_KEY,
  KEY_ENUMERATE_SUB_KEYS,
  KEY_NOTIFY,
  KEY_QUERY_VALUE,
  KEY_SET_VALUE,
  KeyObject,
} from "./key.ts";
import { RegistryKey } from "./node.ts";

/** Runs once, while the machine boots. */
export function CmInitSystem(k: Kernel): void {
  const read = READ_CONTROL | KEY_QUERY_VALUE | KEY_ENUMERATE_SUB_KEYS | KEY_NOTIFY;
  k.cm.keyType = ObCreateObjectType<KeyObject>(k, {
    name: "Key",
    validAccess: KEY_ALL_ACCESS,
    genericMapping: {
      read,
      write: READ_CONTROL | KEY_SET_VALUE | KEY_CREATE_SUB_KEY,
      execute: read | KEY_CREATE_LINK,
      all: KEY_ALL_ACCESS,
    },
    poolBytes: 0x50,
    parseProcedure: CmpParseKey,
  });
  const time = KeQuerySystemTime(k);
  const root = new RegistryKey({ name: "REGISTRY", parent: null, isVolatile: false, className: "", time });
  k.cm.root = root;
  const object = new KeyObject(newObjectId(k), root);
  makePermanent(k, object, k.cm.keyType);
  insertEntry(k.ob.rootDirectory, "REGISTRY", object);
}
