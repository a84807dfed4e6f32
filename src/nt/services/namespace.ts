/** System services on object directories, symbolic links, and what is known of an object by its handle. */
import {
  type NtStatus,
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_INFO_CLASS,
  STATUS_SUCCESS,
  success,
} from "../../abi/status.ts";
import type { Kernel } from "../../kernel.ts";
import {
  NtCreateDirectoryObject,
  NtCreateSymbolicLinkObject,
  NtMakeTemporaryObject,
  NtOpenDirectoryObject,
  NtOpenSymbolicLinkObject,
  NtQuerySymbolicLinkObject,
} from "../../ob/namespace.ts";
import {
  queryHandleFlags,
  queryObjectBasic,
  queryObjectName,
  queryObjectType,
  setHandleFlags,
} from "../../ob/query.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { answerQuery, capture, Encoder, probeOut, type QueryResult } from "../capture.ts";
import { createByAttributes, openByAttributes } from "../create.ts";
import { notImplemented } from "../state.ts";
import type { NtService, ServiceArguments } from "../table.ts";

const MAXIMUM_NAME_BYTES = 0xfffe;

function createLink(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const user = capture(k);
  const target = user.readUnicodeString(a[3] ?? 0, MAXIMUM_NAME_BYTES);
  if (user.faulted) return user.status;
  return createByAttributes(k, a, (attributes, [, access = 0]) =>
    NtCreateSymbolicLinkObject(k, access, attributes, target),
  );
}

/** Fills the caller's UNICODE_STRING. */
function* queryLink(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, stringPointer = 0, returnLength = 0] = a;
  const user = capture(k);
  const room = user.readU16(stringPointer + 2);
  const buffer = user.readU32(stringPointer + 4);
  probeOut(user, returnLength);
  if (user.faulted) return user.status;
  const target = yield* NtQuerySymbolicLinkObject(k, handle);
  if (!target.ok) return target.status;
  const bytes = 2 * target.value.length;
  const out = capture(k);
  if (returnLength !== 0) out.writeU32(returnLength, bytes);
  if (bytes <= room) {
    out.writeUtf16(buffer, target.value);
    out.writeU16(stringPointer, bytes);
  }
  if (out.faulted) return out.status;
  return bytes <= room ? STATUS_SUCCESS : STATUS_BUFFER_TOO_SMALL;
}

/** `OBJECT_INFORMATION_CLASS`. */
const ObjectClass = { Basic: 0, Name: 1, Type: 2, HandleFlag: 4 } as const;

/** Text behind a UNICODE_STRING at the start of the answer, which lies at `address`. */
function unicodeAnswer(address: number, text: string, headBytes: number): Encoder {
  const bytes = 2 * text.length;
  const out = new Encoder(headBytes + bytes + (bytes === 0 ? 0 : 2));
  if (bytes > 0)
    out
      .u16(0, bytes)
      .u16(2, bytes + 2)
      .u32(4, address + headBytes);
  return out.utf16(headBytes, text);
}

function* informationOf(k: Kernel, handle: number, informationClass: number, address: number): Blocking<QueryResult> {
  switch (informationClass) {
    case ObjectClass.Basic: {
      const basic = yield* queryObjectBasic(k, handle);
      if (!basic.ok) return basic;
      const { attributes, grantedAccess, handleCount, pointerCount, nameLength } = basic.value;
      const out = new Encoder(56).u32(0, attributes).u32(4, grantedAccess).u32(8, handleCount).u32(12, pointerCount);
      return success(out.u32(36, 2 * nameLength).bytes);
    }
    case ObjectClass.Name: {
      const name = yield* queryObjectName(k, handle);
      return name.ok ? success(unicodeAnswer(address, name.value ?? "", 8).bytes) : name;
    }
    case ObjectClass.Type: {
      const type = yield* queryObjectType(k, handle);
      if (!type.ok) return type;
      const out = unicodeAnswer(address, type.value.name, 96);
      return success(out.u32(8, type.value.totalObjects).u32(12, type.value.totalHandles).bytes);
    }
    default: {
      const flags = yield* queryHandleFlags(k, handle);
      if (!flags.ok) return flags;
      return success(Uint8Array.of(flags.value.inherit ? 1 : 0, flags.value.protectFromClose ? 1 : 0));
    }
  }
}

function* queryObject(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, informationClass = 0, address = 0, length = 0, returnLength = 0] = a;
  if (informationClass > ObjectClass.HandleFlag || informationClass === 3) {
    notImplemented(k, `NtQueryObject class ${String(informationClass)}`);
    return STATUS_INVALID_INFO_CLASS;
  }
  const result = yield* informationOf(k, handle, informationClass, address);
  return answerQuery(k, { address, length, returnLength }, result, STATUS_INFO_LENGTH_MISMATCH);
}

function setObject(k: Kernel, a: ServiceArguments): NtStatus {
  const [handle = 0, informationClass = 0, address = 0, length = 0] = a;
  if (informationClass !== ObjectClass.HandleFlag) return STATUS_INVALID_INFO_CLASS;
  if (length !== 2) return STATUS_INFO_LENGTH_MISMATCH;
  const user = capture(k);
  const flags = { inherit: user.readU8(address) !== 0, protectFromClose: user.readU8(address + 1) !== 0 };
  return user.faulted ? user.status : setHandleFlags(k, handle, flags);
}

export const namespaceServices: readonly NtService[] = [
  {
    name: "NtCreateDirectoryObject",
    arguments: 3,
    handler: (k, a) =>
      createByAttributes(k, a, (attributes, [, access = 0]) => NtCreateDirectoryObject(k, access, attributes)),
  },
  { name: "NtOpenDirectoryObject", arguments: 3, handler: (k, a) => openByAttributes(k, a, NtOpenDirectoryObject) },
  { name: "NtCreateSymbolicLinkObject", arguments: 4, handler: createLink },
  {
    name: "NtOpenSymbolicLinkObject",
    arguments: 3,
    handler: (k, a) => openByAttributes(k, a, NtOpenSymbolicLinkObject),
  },
  { name: "NtQuerySymbolicLinkObject", arguments: 3, handler: queryLink },
  { name: "NtMakeTemporaryObject", arguments: 1, handler: (k, [handle = 0]) => NtMakeTemporaryObject(k, handle) },
  { name: "NtQueryObject", arguments: 5, handler: queryObject },
  { name: "NtSetInformationObject", arguments: 4, handler: setObject },
];
