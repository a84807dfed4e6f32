/**
 * System services on the registry: capture names and data, call the typed routine, write back what it answers. Every
 * length is bounded here, so that no program makes the kernel hold more than a megabyte for one call.
 */
import { type NtResult, type NtStatus, STATUS_SUCCESS } from "../../abi/status.ts";
import {
  NtCreateKey,
  NtDeleteKey,
  NtDeleteValueKey,
  NtEnumerateKey,
  NtEnumerateValueKey,
  NtFlushKey,
  NtNotifyChangeKey,
  NtOpenKeyEx,
  NtQueryKey,
  NtQueryValueKey,
  NtSetValueKey,
  type RegistryQuery,
  type RegistryQueryResult,
} from "../../cm/service.ts";
import type { Kernel } from "../../kernel.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { answer, capture, probeOut, readObjectAttributes } from "../capture.ts";
import type { NtService, ServiceArguments } from "../table.ts";

const MAXIMUM_NAME_BYTES = 0xfffe;
const MAXIMUM_DATA_BYTES = 1 << 20;
const MAXIMUM_ANSWER_BYTES = 1 << 20;

function* createKey(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [out = 0, desiredAccess = 0, attributesPointer = 0, , classPointer = 0, createOptions = 0, disposition = 0] = a;
  const user = capture(k);
  probeOut(user, out);
  probeOut(user, disposition);
  const attributes = readObjectAttributes(user, attributesPointer);
  const className = classPointer === 0 ? "" : user.readUnicodeString(classPointer, MAXIMUM_NAME_BYTES);
  if (user.faulted) return user.status;
  if (!attributes.ok) return attributes.status;
  const created = yield* NtCreateKey(k, desiredAccess, attributes.value, { className, createOptions });
  if (!created.ok) return created.status;
  const results = capture(k);
  results.writeU32(out, created.value.handle);
  if (disposition !== 0) results.writeU32(disposition, created.value.disposition);
  return results.faulted ? results.status : STATUS_SUCCESS;
}

function* openKey(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [out = 0, desiredAccess = 0, attributesPointer = 0] = a;
  const user = capture(k);
  probeOut(user, out);
  const attributes = readObjectAttributes(user, attributesPointer);
  if (user.faulted) return user.status;
  if (!attributes.ok) return attributes.status;
  return answer(k, out, yield* NtOpenKeyEx(k, desiredAccess, attributes.value));
}

function setValue(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [handle = 0, namePointer = 0, , type = 0, data = 0, length = 0] = a;
  const user = capture(k);
  const name = user.readUnicodeString(namePointer, MAXIMUM_NAME_BYTES);
  const bytes = length === 0 ? new Uint8Array(0) : user.readBytes(data, Math.min(length, MAXIMUM_DATA_BYTES + 1));
  if (user.faulted) return user.status;
  return NtSetValueKey(k, handle, { name, type, data: bytes });
}

function deleteValue(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [handle = 0, namePointer = 0] = a;
  const user = capture(k);
  const name = user.readUnicodeString(namePointer, MAXIMUM_NAME_BYTES);
  return user.faulted ? user.status : NtDeleteValueKey(k, handle, name);
}

/** Where a query's answer goes: class, buffer, length and result length follow one another in every one of them. */
interface AnswerPlace {
  readonly buffer: number;
  readonly resultLength: number;
}

function answerRegistry(k: Kernel, place: AnswerPlace, result: NtResult<RegistryQueryResult>): NtStatus {
  if (!result.ok) return result.status;
  const user = capture(k);
  user.writeU32(place.resultLength, result.value.resultLength);
  user.writeBytes(place.buffer, result.value.bytes);
  return user.faulted ? user.status : result.value.status;
}

function query(informationClass: number, length: number): RegistryQuery {
  return { informationClass, length: Math.min(length, MAXIMUM_ANSWER_BYTES) };
}

function* queryValue(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, namePointer = 0, informationClass = 0, buffer = 0, length = 0, resultLength = 0] = a;
  const user = capture(k);
  const name = user.readUnicodeString(namePointer, MAXIMUM_NAME_BYTES);
  probeOut(user, resultLength);
  if (user.faulted) return user.status;
  const result = yield* NtQueryValueKey(k, handle, name, query(informationClass, length));
  return answerRegistry(k, { buffer, resultLength }, result);
}

type Enumerate = (
  k: Kernel,
  handle: number,
  index: number,
  query: RegistryQuery,
) => Blocking<NtResult<RegistryQueryResult>>;

function* enumerate(k: Kernel, a: ServiceArguments, routine: Enumerate): Blocking<NtStatus> {
  const [handle = 0, index = 0, informationClass = 0, buffer = 0, length = 0, resultLength = 0] = a;
  const user = capture(k);
  probeOut(user, resultLength);
  if (user.faulted) return user.status;
  const result = yield* routine(k, handle, index, query(informationClass, length));
  return answerRegistry(k, { buffer, resultLength }, result);
}

function* queryKey(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, informationClass = 0, buffer = 0, length = 0, resultLength = 0] = a;
  const user = capture(k);
  probeOut(user, resultLength);
  if (user.faulted) return user.status;
  const result = yield* NtQueryKey(k, handle, query(informationClass, length));
  return answerRegistry(k, { buffer, resultLength }, result);
}

export const registryServices: readonly NtService[] = [
  { name: "NtCreateKey", arguments: 7, handler: createKey },
  { name: "NtOpenKey", arguments: 3, handler: openKey },
  { name: "NtOpenKeyEx", arguments: 4, handler: openKey },
  { name: "NtDeleteKey", arguments: 1, handler: (k, [handle = 0]) => NtDeleteKey(k, handle) },
  { name: "NtFlushKey", arguments: 1, handler: (k, [handle = 0]) => NtFlushKey(k, handle) },
  { name: "NtNotifyChangeKey", arguments: 10, handler: (k, [handle = 0]) => NtNotifyChangeKey(k, handle) },
  { name: "NtSetValueKey", arguments: 6, handler: setValue },
  { name: "NtDeleteValueKey", arguments: 2, handler: deleteValue },
  { name: "NtQueryValueKey", arguments: 6, handler: queryValue },
  { name: "NtEnumerateKey", arguments: 6, handler: (k, a) => enumerate(k, a, NtEnumerateKey) },
  { name: "NtEnumerateValueKey", arguments: 6, handler: (k, a) => enumerate(k, a, NtEnumerateValueKey) },
  { name: "NtQueryKey", arguments: 5, handler: queryKey },
];
