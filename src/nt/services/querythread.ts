/**
 * `NtQueryInformationThread` and `NtSetInformationThread`, a table with one row for each class. A class that is not in
 * the table is refused, and named in the report of the run.
 */
import {
  CT_BREAK_ON_TERMINATION,
  CT_HIDE_FROM_DEBUGGER,
  CT_TERMINATED,
  CURRENT_THREAD_HANDLE,
  THREAD_QUERY_LIMITED_INFORMATION,
  THREAD_SET_INFORMATION,
  THREAD_SET_THREAD_TOKEN,
} from "../../abi/ps.ts";
import {
  type NtStatus,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_PRIVILEGE_NOT_HELD,
  STATUS_SUCCESS,
  success,
  NT_SUCCESS,
} from "../../abi/status.ts";
import { KeGetPreviousMode } from "../../ke/current.ts";
import { BOOT_SYSTEM_TIME } from "../../ke/time.ts";
import type { Kernel } from "../../kernel.ts";
import { ObDereferenceObject } from "../../ob/reference.ts";
import { PsGetCurrentThread } from "../../ps/current.ts";
import { hasCrossThreadFlag, PspClearCrossThreadFlag, PspSetCrossThreadFlag } from "../../ps/flags.ts";
import { PsAssignImpersonationToken } from "../../ps/impersonation.ts";
import { isLastThread } from "../../ps/lastthread.ts";
import type { EThread } from "../../ps/objects.ts";
import { PspSetThreadName } from "../../ps/threadname.ts";
import { referenceThread } from "../../ps/threadservices.ts";
import { Privilege, SeSinglePrivilegeCheck } from "../../se/privilege.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { answerQuery, capture, Encoder, probeAnswer, type QueryResult, word } from "../capture.ts";
import { notImplemented } from "../state.ts";
import type { NtService, ServiceArguments } from "../table.ts";

interface ThreadQuery {
  readonly bytes: number;
  readonly answer: (thread: EThread, k: Kernel) => QueryResult;
}

function flag(value: boolean): QueryResult {
  return success(Uint8Array.of(value ? 1 : 0));
}

const LARGEST_NAME_BYTES = 0xfffe;
const LARGEST_PRIORITY = 15;

/** `THREADINFOCLASS`, as far as it is answered. */
const QUERIES: ReadonlyMap<number, ThreadQuery> = new Map<number, ThreadQuery>([
  [0, { bytes: 28, answer: basic }],
  [1, { bytes: 32, answer: times }],
  [9, { bytes: 4, answer: (thread) => word(thread.win32StartAddress) }],
  [11, { bytes: 8, answer: () => success(new Encoder(8).u64(0, 10_000_000n).bytes) }],
  [12, { bytes: 4, answer: (thread, k) => word(isLastThread(k, thread) ? 1 : 0) }],
  [14, { bytes: 4, answer: () => word(0) }],
  [16, { bytes: 4, answer: () => word(0) }],
  [17, { bytes: 1, answer: (thread) => flag(hasCrossThreadFlag(thread, CT_HIDE_FROM_DEBUGGER)) }],
  [18, { bytes: 4, answer: (thread) => word(hasCrossThreadFlag(thread, CT_BREAK_ON_TERMINATION) ? 1 : 0) }],
  [20, { bytes: 4, answer: (thread) => word(hasCrossThreadFlag(thread, CT_TERMINATED) ? 1 : 0) }],
  [30, { bytes: 12, answer: (thread) => success(new Encoder(12).u32(0, thread.affinity).bytes) }],
  [35, { bytes: 4, answer: (thread) => word(thread.suspendCount) }],
]);

function basic(thread: EThread): QueryResult {
  const out = new Encoder(28).u32(0, thread.exitStatus).u32(4, thread.teb);
  out.u32(8, thread.threadsProcess.pid).u32(12, thread.tid).u32(16, thread.affinity);
  return success(out.u32(20, thread.priority).u32(24, thread.basePriority - thread.process.basePriority).bytes);
}

function times(thread: EThread): QueryResult {
  const exited = thread.signalState !== 0 ? BOOT_SYSTEM_TIME + BigInt(Math.floor(thread.exitTime)) : 0n;
  const out = new Encoder(32).u64(0, BOOT_SYSTEM_TIME + BigInt(Math.floor(thread.createTime))).u64(8, exited);
  out.u64(16, BigInt(Math.floor(thread.kernelTime))).u64(24, BigInt(Math.floor(thread.userTime)));
  return success(out.bytes);
}

function NtQueryInformationThread(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [handle = 0, informationClass = 0, address = 0, length = 0, returnLength = 0] = a;
  const query = QUERIES.get(informationClass);
  if (query === undefined) {
    notImplemented(k, `NtQueryInformationThread class ${informationClass}`);
    return STATUS_INVALID_INFO_CLASS;
  }
  if (query.bytes !== length) return STATUS_INFO_LENGTH_MISMATCH;
  const buffer = { address, length, returnLength };
  const probed = probeAnswer(k, buffer);
  if (!NT_SUCCESS(probed)) return probed;
  if (handle === CURRENT_THREAD_HANDLE) {
    return answerQuery(k, buffer, query.answer(PsGetCurrentThread(k), k), STATUS_INFO_LENGTH_MISMATCH);
  }
  return queryOther(k, handle, query, buffer);
}

function* queryOther(
  k: Kernel,
  handle: number,
  query: ThreadQuery,
  buffer: { readonly address: number; readonly length: number; readonly returnLength: number },
): Blocking<NtStatus> {
  const thread = referenceThread(k, handle, THREAD_QUERY_LIMITED_INFORMATION);
  if (!thread.ok) return thread.status;
  const status = answerQuery(k, buffer, query.answer(thread.value, k), STATUS_INFO_LENGTH_MISMATCH);
  yield* ObDereferenceObject(k, thread.value);
  return status;
}

interface ThreadSetting {
  readonly bytes: number;
  readonly set: (k: Kernel, thread: EThread, value: number) => NtStatus;
}

const SETTINGS: ReadonlyMap<number, ThreadSetting> = new Map<number, ThreadSetting>([
  [2, { bytes: 4, set: setPriority }],
  [3, { bytes: 4, set: setBasePriority }],
  [4, { bytes: 4, set: setAffinity }],
  [9, { bytes: 4, set: (_k, thread, value) => accept(() => (thread.win32StartAddress = value)) }],
  [14, { bytes: 4, set: () => STATUS_SUCCESS }],
  [17, { bytes: 0, set: (_k, thread) => accept(() => PspSetCrossThreadFlag(thread, CT_HIDE_FROM_DEBUGGER)) }],
  [18, { bytes: 4, set: setBreakOnTermination }],
]);

function accept(change: () => unknown): NtStatus {
  change();
  return STATUS_SUCCESS;
}

function setPriority(_k: Kernel, thread: EThread, value: number): NtStatus {
  if (value < 1 || value > LARGEST_PRIORITY) return STATUS_INVALID_PARAMETER;
  return changeBasePriority(thread, value);
}

/** The value is relative to the process; 15 and more mean the ends of the range. */
function setBasePriority(_k: Kernel, thread: EThread, value: number): NtStatus {
  const relative = value | 0;
  const absolute = thread.process.basePriority + relative;
  return changeBasePriority(thread, Math.max(1, Math.min(LARGEST_PRIORITY, absolute)));
}

/** A ready thread keeps its place until it has run: its new priority counts from then on. */
function changeBasePriority(thread: EThread, priority: number): NtStatus {
  thread.basePriority = priority;
  if (!thread.readyListEntry.flink) thread.priority = priority;
  return STATUS_SUCCESS;
}

function setAffinity(k: Kernel, thread: EThread, value: number): NtStatus {
  const processors = k.ke.prcbs.length >= 32 ? 0xffffffff : (1 << k.ke.prcbs.length) - 1;
  if ((value & processors) === 0) return STATUS_INVALID_PARAMETER;
  thread.affinity = value & processors;
  return STATUS_SUCCESS;
}

/** A critical thread stops the machine when it ends, so its maker must be trusted with debugging. */
function setBreakOnTermination(k: Kernel, thread: EThread, value: number): NtStatus {
  if (!SeSinglePrivilegeCheck(k, Privilege.Debug, KeGetPreviousMode(k))) return STATUS_PRIVILEGE_NOT_HELD;
  thread.deathAccepted = false;
  if (value !== 0) PspSetCrossThreadFlag(thread, CT_BREAK_ON_TERMINATION);
  else PspClearCrossThreadFlag(thread, CT_BREAK_ON_TERMINATION);
  return STATUS_SUCCESS;
}

const ThreadImpersonationToken = 5;
const ThreadNameInformation = 38;
const WINE_THREAD_NAME = 1000;

function* NtSetInformationThread(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, informationClass = 0, address = 0, length = 0] = a;
  if (informationClass === ThreadNameInformation || informationClass === WINE_THREAD_NAME) {
    return yield* setName(k, handle, address, length, informationClass);
  }
  if (informationClass === ThreadImpersonationToken) return yield* setImpersonationToken(k, handle, address, length);
  const setting = SETTINGS.get(informationClass);
  if (setting === undefined) {
    notImplemented(k, `NtSetInformationThread class ${informationClass}`);
    return STATUS_INVALID_INFO_CLASS;
  }
  if (length !== setting.bytes) return STATUS_INFO_LENGTH_MISMATCH;
  const user = capture(k);
  const value = length === 0 ? 0 : user.readU32(address);
  if (user.faulted) return user.status;
  const thread = referenceThread(k, handle, THREAD_SET_INFORMATION);
  if (!thread.ok) return thread.status;
  const status = setting.set(k, thread.value, value);
  yield* ObDereferenceObject(k, thread.value);
  return status;
}

/** The token of a handle to act as from now on; 0 to act as the process again. */
function* setImpersonationToken(k: Kernel, handle: number, address: number, length: number): Blocking<NtStatus> {
  if (length !== 4) return STATUS_INFO_LENGTH_MISMATCH;
  const user = capture(k);
  const tokenHandle = user.readU32(address);
  if (user.faulted) return user.status;
  const thread = referenceThread(k, handle, THREAD_SET_THREAD_TOKEN);
  if (!thread.ok) return thread.status;
  const status = yield* PsAssignImpersonationToken(k, thread.value, tokenHandle);
  yield* ObDereferenceObject(k, thread.value);
  return status;
}

/** Windows gives a UNICODE_STRING; Wine's own class gives the bytes of a multibyte string. */
function* setName(
  k: Kernel,
  handle: number,
  address: number,
  length: number,
  informationClass: number,
): Blocking<NtStatus> {
  const user = capture(k);
  const windows = informationClass === ThreadNameInformation;
  const name = windows
    ? user.readUnicodeString(address, LARGEST_NAME_BYTES)
    : latin1(user.readBytes(address, Math.min(length, 64)));
  if (user.faulted) return user.status;
  const thread = referenceThread(k, handle, THREAD_SET_INFORMATION);
  if (!thread.ok) return thread.status;
  const status = PspSetThreadName(k, thread.value, name);
  yield* ObDereferenceObject(k, thread.value);
  return status;
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes).replace(/\0.*$/s, "");
}

export const threadQueryServices: readonly NtService[] = [
  { name: "NtQueryInformationThread", arguments: 5, handler: NtQueryInformationThread },
  { name: "NtSetInformationThread", arguments: 4, handler: NtSetInformationThread },
];
