/** The registry's services. Structures are returned as bytes, cut to the caller's buffer as the registry does it. */
import { DELETE, OBJ_CASE_INSENSITIVE } from "../abi/ob.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_BUFFER_OVERFLOW,
  STATUS_BUFFER_TOO_SMALL,
  STATUS_CANNOT_DELETE,
  STATUS_INVALID_PARAMETER,
  STATUS_NO_MORE_ENTRIES,
  STATUS_NOT_IMPLEMENTED,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { ObOpenObjectByName } from "../ob/insert.ts";
import type { ObjectAttributes } from "../ob/lookup.ts";
import { actOnObject } from "../ob/service.ts";
import type { Blocking } from "../sim/blocking.ts";
import { type KeyInformation, keyInformation, valueInformation } from "./information.ts";
import {
  CmKeyObjectType,
  KEY_ENUMERATE_SUB_KEYS,
  KEY_NOTIFY,
  KEY_QUERY_VALUE,
  KEY_SET_VALUE,
  type KeyObject,
  KeyOpenPacket,
} from "./key.ts";
import { deleteValue, type RegistryKey, removeKey, setValue } from "./node.ts";
import { STATUS_KEY_DELETED } from "./status.ts";

const REG_OPTION_VOLATILE = 1;
const REG_OPTION_CREATE_LINK = 2;
/** `Disposition` of {@link NtCreateKey}. */
const REG_CREATED_NEW_KEY = 1;
const REG_OPENED_EXISTING_KEY = 2;

/** Characters of a value's name, and bytes of its data. */
const MAXIMUM_VALUE_NAME_LENGTH = 16_383;
const MAXIMUM_VALUE_BYTES = 1 << 20;

/** A structure, cut to the caller's buffer, and how long it would be in full. */
export interface RegistryQueryResult {
  /** SUCCESS, BUFFER_OVERFLOW with what fits, or BUFFER_TOO_SMALL with nothing. */
  readonly status: NtStatus;
  readonly bytes: Uint8Array;
  readonly resultLength: number;
}

/** Opens a key, or creates the last component of its path. */
export function* NtCreateKey(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes,
  options: { readonly className: string; readonly createOptions: number },
): Blocking<NtResult<{ readonly handle: number; readonly disposition: number }>> {
  if ((options.createOptions & REG_OPTION_CREATE_LINK) !== 0) return failure(STATUS_NOT_IMPLEMENTED);
  const isVolatile = (options.createOptions & REG_OPTION_VOLATILE) !== 0;
  const packet = new KeyOpenPacket({ isVolatile, className: options.className });
  const opened = yield* open(k, desiredAccess, attributes, packet);
  if (!opened.ok) return opened;
  return success({ handle: opened.value, disposition: packet.created ? REG_CREATED_NEW_KEY : REG_OPENED_EXISTING_KEY });
}

/** Opens a key that exists. */
export function NtOpenKeyEx(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes,
): Blocking<NtResult<number>> {
  return open(k, desiredAccess, attributes, new KeyOpenPacket(null));
}

/** Names of keys ignore case, whatever the caller says. */
function open(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes,
  packet: KeyOpenPacket,
): Blocking<NtResult<number>> {
  const name = { ...attributes, attributes: attributes.attributes | OBJ_CASE_INSENSITIVE };
  const type = CmKeyObjectType(k);
  return ObOpenObjectByName(k, name, { desiredAccess, mode: KeGetPreviousMode(k), type, context: packet });
}

/** Deletes a key that has no subkeys; handles to it answer KEY_DELETED from then on. */
export function NtDeleteKey(k: Kernel, handle: number): Blocking<NtStatus> {
  return change(k, handle, DELETE, (key) => {
    if (key.parent?.parent === null || key.parent === null) return STATUS_CANNOT_DELETE;
    if (key.children.size > 0) return STATUS_CANNOT_DELETE;
    removeKey(k, key);
    return STATUS_SUCCESS;
  });
}

/** Sets a value. */
export function NtSetValueKey(
  k: Kernel,
  handle: number,
  value: { readonly name: string; readonly type: number; readonly data: Uint8Array },
): Blocking<NtStatus> {
  return change(k, handle, KEY_SET_VALUE, (key) => {
    const { name, type, data } = value;
    if (name.length > MAXIMUM_VALUE_NAME_LENGTH || data.length > MAXIMUM_VALUE_BYTES) return STATUS_INVALID_PARAMETER;
    return key.parent === null ? STATUS_ACCESS_DENIED : setValue(k, key, { name, type, data: data.slice() });
  });
}

export function NtDeleteValueKey(k: Kernel, handle: number, name: string): Blocking<NtStatus> {
  return change(k, handle, KEY_SET_VALUE, (key) =>
    deleteValue(k, key, name) ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND,
  );
}

/** Nothing is ever written out, so there is nothing to wait for. */
export function NtFlushKey(k: Kernel, handle: number): Blocking<NtStatus> {
  return change(k, handle, 0, () => STATUS_SUCCESS);
}

/** Change notification is not there. */
export function NtNotifyChangeKey(k: Kernel, handle: number): Blocking<NtStatus> {
  return change(k, handle, KEY_NOTIFY, () => STATUS_NOT_IMPLEMENTED);
}

/** What a query asks for. */
export interface RegistryQuery {
  readonly informationClass: number;
  readonly length: number;
}

/** @returns OBJECT_NAME_NOT_FOUND if there is no such value */
export function NtQueryValueKey(
  k: Kernel,
  handle: number,
  name: string,
  query: RegistryQuery,
): Blocking<NtResult<RegistryQueryResult>> {
  return onKey(k, handle, KEY_QUERY_VALUE, (key) => {
    const value = key.value(name);
    return value === null ? failure(STATUS_OBJECT_NAME_NOT_FOUND) : answer(valueInformation(value, query), query);
  });
}

/** Values come in the order in which they were created. @returns NO_MORE_ENTRIES behind the last */
export function NtEnumerateValueKey(
  k: Kernel,
  handle: number,
  index: number,
  query: RegistryQuery,
): Blocking<NtResult<RegistryQueryResult>> {
  return onKey(k, handle, KEY_QUERY_VALUE, (key) => {
    const value = key.valueAt(index);
    return value === null ? failure(STATUS_NO_MORE_ENTRIES) : answer(valueInformation(value, query), query);
  });
}

/** Subkeys come in the order of their names. @returns NO_MORE_ENTRIES behind the last */
export function NtEnumerateKey(
  k: Kernel,
  handle: number,
  index: number,
  query: RegistryQuery,
): Blocking<NtResult<RegistryQueryResult>> {
  return onKey(k, handle, KEY_ENUMERATE_SUB_KEYS, (key) => {
    const child = key.children.at(index);
    return child === null ? failure(STATUS_NO_MORE_ENTRIES) : answer(keyInformation(child, query), query);
  });
}

export function NtQueryKey(k: Kernel, handle: number, query: RegistryQuery): Blocking<NtResult<RegistryQueryResult>> {
  return onKey(k, handle, 0, (key) => answer(keyInformation(key, query), query));
}

/** Cuts the structure: its fixed part must fit, its variable part may not. */
function answer(information: NtResult<KeyInformation>, query: RegistryQuery): NtResult<RegistryQueryResult> {
  if (!information.ok) return information;
  const { bytes, fixedLength } = information.value;
  const resultLength = bytes.length;
  if (query.length >= resultLength) return success({ status: STATUS_SUCCESS, bytes, resultLength });
  if (query.length < fixedLength) {
    return success({ status: STATUS_BUFFER_TOO_SMALL, bytes: new Uint8Array(0), resultLength });
  }
  return success({ status: STATUS_BUFFER_OVERFLOW, bytes: bytes.slice(0, query.length), resultLength });
}

function onKey<R>(
  k: Kernel,
  handle: number,
  access: number,
  act: (key: RegistryKey) => NtResult<R>,
): Blocking<NtResult<R>> {
  return actOnObject<KeyObject, R>(k, CmKeyObjectType(k), handle, access, ({ key }) =>
    key.deleted ? failure(STATUS_KEY_DELETED) : act(key),
  );
}

function* change(k: Kernel, handle: number, access: number, act: (key: RegistryKey) => NtStatus): Blocking<NtStatus> {
  const result = yield* onKey(k, handle, access, (key) => success(act(key)));
  return result.ok ? result.value : result.status;
}
