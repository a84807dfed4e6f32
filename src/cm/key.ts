/** Key objects: one open of a registry key, and how a path leads to it. */
import { STANDARD_RIGHTS_REQUIRED } from "../abi/ob.ts";
import {
  failure,
  NT_SUCCESS,
  type NtResult,
  STATUS_ACCESS_DENIED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_NAME_INVALID,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OBJECT_TYPE_MISMATCH,
  success,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { ObCreateObject } from "../ob/create.ts";
import type { ObjectType, ParseRequest } from "../ob/type.ts";
import { assert } from "../rtl/assert.ts";
import { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import { newObjectId } from "../sim/identity.ts";
import { addKey, type RegistryKey } from "./node.ts";
import { populateRegistry } from "./presets.ts";
import { STATUS_CHILD_MUST_BE_VOLATILE, STATUS_KEY_DELETED } from "./status.ts";

export const KEY_QUERY_VALUE = 0x01;
export const KEY_SET_VALUE = 0x02;
export const KEY_CREATE_SUB_KEY = 0x04;
export const KEY_ENUMERATE_SUB_KEYS = 0x08;
export const KEY_NOTIFY = 0x10;
export const KEY_CREATE_LINK = 0x20;
export const KEY_ALL_ACCESS: number = STANDARD_RIGHTS_REQUIRED | 0x3f;

/** Characters of one component of a key's path. */
const MAXIMUM_KEY_NAME_LENGTH = 255;
/** Keys can be nested this deep. */
const MAXIMUM_DEPTH = 512;

export class KeyObject extends ObjectBody {
  readonly key: RegistryKey;

  constructor(id: number, key: RegistryKey) {
    super(id);
    this.key = key;
  }
}

/** What an open of a key asks for, carried past the object manager, and what came of it. */
export class KeyOpenPacket {
  /** Null only opens what exists. */
  readonly create: { readonly isVolatile: boolean; readonly className: string } | null;
  created = false;

  constructor(create: KeyOpenPacket["create"]) {
    this.create = create;
  }
}

/** The Key object type. */
export function CmKeyObjectType(k: Kernel): ObjectType {
  assert(k.cm.keyType !== null, "CmInitSystem runs before the first key is opened");
  return k.cm.keyType;
}

/** Parse procedure of keys: the path behind an open key, or behind `\Registry`. */
// eslint-disable-next-line require-yield
export function* CmpParseKey(k: Kernel, request: ParseRequest<KeyObject>): Blocking<NtResult<KeyObject>> {
  const { body, context, remaining } = request;
  if (!(context instanceof KeyOpenPacket)) return failure(STATUS_OBJECT_TYPE_MISMATCH);
  populateRegistry(k);
  const found = walk(k, body.key, remaining, context);
  if (!found.ok) return found;
  const object = new KeyObject(newObjectId(k), found.value);
  const status = ObCreateObject(k, CmKeyObjectType(k), object);
  return NT_SUCCESS(status) ? success(object) : failure(status);
}

function walk(k: Kernel, start: RegistryKey, path: string, packet: KeyOpenPacket): NtResult<RegistryKey> {
  if (start.deleted) return failure(STATUS_KEY_DELETED);
  const trimmed = path.endsWith("\\") ? path.slice(0, -1) : path;
  const components = trimmed === "" ? [] : trimmed.slice(1).split("\\");
  let key = start;
  for (const [index, name] of components.entries()) {
    if (name === "") return failure(STATUS_OBJECT_NAME_INVALID);
    if (name.length > MAXIMUM_KEY_NAME_LENGTH) return failure(STATUS_INVALID_PARAMETER);
    const child = key.child(name);
    if (child !== null) {
      key = child;
      continue;
    }
    const last = index === components.length - 1;
    return last && packet.create !== null ? create(k, key, name, packet) : failure(STATUS_OBJECT_NAME_NOT_FOUND);
  }
  return success(key);
}

function create(k: Kernel, parent: RegistryKey, name: string, packet: KeyOpenPacket): NtResult<RegistryKey> {
  const options = packet.create;
  if (options === null || parent.parent === null) return failure(STATUS_ACCESS_DENIED);
  if (parent.isVolatile && !options.isVolatile) return failure(STATUS_CHILD_MUST_BE_VOLATILE);
  let depth = 0;
  for (let key: RegistryKey | null = parent; key !== null; key = key.parent) depth++;
  if (depth >= MAXIMUM_DEPTH) return failure(STATUS_INVALID_PARAMETER);
  const key = addKey(k, parent, name, options);
  if (key === null) return failure(STATUS_INSUFFICIENT_RESOURCES);
  packet.created = true;
  return success(key);
}
