/**
 * `NtQueryInformationProcess` and `NtSetInformationProcess`, a table with one row for each class. A class that is not
 * in the table is refused, and named in the report of the run.
 */
import {
  PROCESS_QUERY_INFORMATION,
  PROCESS_QUERY_LIMITED_INFORMATION,
  PROCESS_SET_INFORMATION,
  PSF_BREAK_ON_TERMINATION,
  PSF_NO_DEBUG_INHERIT,
} from "../../abi/ps.ts";
import {
  failure,
  type NtStatus,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_PRIVILEGE_NOT_HELD,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  success,
  NT_SUCCESS,
} from "../../abi/status.ts";
import { DbgkOpenProcessDebugPort } from "../../dbgk/services.ts";
import { KeGetPreviousMode } from "../../ke/current.ts";
import { BOOT_SYSTEM_TIME } from "../../ke/time.ts";
import type { Kernel } from "../../kernel.ts";
import { listOwners } from "../../rtl/list.ts";
import { hasProcessFlag, PspClearProcessFlag, PspSetProcessFlag } from "../../ps/flags.ts";
import { jobAffinity, jobPriorityClass } from "../../ps/joblimits.ts";
import type { EProcess } from "../../ps/objects.ts";
import { Privilege, SeSinglePrivilegeCheck } from "../../se/privilege.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { answerQuery, capture, Encoder, probeAnswer, type QueryResult, word } from "../capture.ts";
import { notImplemented } from "../state.ts";
import type { NtService, ServiceArguments } from "../table.ts";
import { onProcess } from "./memory.ts";
import { encodeIoCounters } from "./iocounters.ts";
import { encodeImageInformation } from "./section.ts";

/** `PROCESSINFOCLASS`, as far as it is answered. */
interface ProcessQuery {
  readonly name: string;
  /** Bytes that the buffer must have exactly; null for a variable answer. */
  readonly bytes: number | null;
  /** The right that the handle must grant; PROCESS_QUERY_LIMITED_INFORMATION by default. */
  readonly access?: number;
  readonly answer: (k: Kernel, process: EProcess) => QueryResult;
}

const QUERIES: ReadonlyMap<number, ProcessQuery> = new Map<number, ProcessQuery>([
  [0, { name: "ProcessBasicInformation", bytes: 24, answer: basic }],
  [2, { name: "ProcessIoCounters", bytes: 48, answer: ioCounters }],
  [3, { name: "ProcessVmCounters", bytes: 44, answer: vmCounters }],
  [4, { name: "ProcessTimes", bytes: 32, answer: times }],
  [7, { name: "ProcessDebugPort", bytes: 4, access: PROCESS_QUERY_INFORMATION, answer: debugPort }],
  [12, { name: "ProcessDefaultHardErrorMode", bytes: 4, answer: (_k, p) => word(p.defaultHardErrorMode) }],
  [18, { name: "ProcessPriorityClass", bytes: 2, answer: (_k, p) => success(Uint8Array.of(0, p.priorityClass)) }],
  [20, { name: "ProcessHandleCount", bytes: 4, answer: (_k, p) => word(p.objectTable?.count ?? 0) }],
  [21, { name: "ProcessAffinityMask", bytes: 4, answer: (_k, p) => word(p.affinity) }],
  [22, { name: "ProcessPriorityBoost", bytes: 4, answer: () => word(0) }],
  [24, { name: "ProcessSessionInformation", bytes: 4, answer: (_k, p) => word(p.sessionId) }],
  [26, { name: "ProcessWow64Information", bytes: 4, answer: () => word(0) }],
  [27, { name: "ProcessImageFileName", bytes: null, answer: (_k, p) => success(unicodeString(p.imagePath)) }],
  [29, { name: "ProcessBreakOnTermination", bytes: 4, answer: breakOnTermination }],
  [30, { name: "ProcessDebugObjectHandle", bytes: 4, access: PROCESS_QUERY_INFORMATION, answer: debugObjectHandle }],
  [31, { name: "ProcessDebugFlags", bytes: 4, access: PROCESS_QUERY_INFORMATION, answer: debugFlags }],
  [34, { name: "ProcessExecuteFlags", bytes: 4, answer: () => word(2) }],
  [36, { name: "ProcessCookie", bytes: 4, answer: (_k, p) => word(Math.imul(p.pid + 1, 0x9e3779b1)) }],
  [37, { name: "ProcessImageInformation", bytes: 48, answer: imageInformation }],
]);

function basic(_k: Kernel, p: EProcess): QueryResult {
  const out = new Encoder(24).u32(0, p.exitStatus).u32(4, p.peb).u32(8, p.affinity).u32(12, p.basePriority);
  return success(out.u32(16, p.pid).u32(20, p.parentPid).bytes);
}

function ioCounters(_k: Kernel, p: EProcess): QueryResult {
  const out = new Encoder(48);
  encodeIoCounters(out, 0, p.ioCounters);
  return success(out.bytes);
}

function vmCounters(_k: Kernel, p: EProcess): QueryResult {
  const space = p.addressSpace;
  const out = new Encoder(44);
  if (space === null) return success(out.bytes);
  const committed = space.committedPages * 0x1000;
  out.u32(0, space.peakVirtualBytes).u32(4, space.virtualBytes).u32(8, space.faults);
  return success(out.u32(12, committed).u32(16, committed).u32(36, committed).u32(40, committed).bytes);
}

function times(_k: Kernel, p: EProcess): QueryResult {
  let user = p.userTime;
  let kernel = p.kernelTime;
  for (const thread of listOwners(p.threadListHead)) {
    user += thread.userTime;
    kernel += thread.kernelTime;
  }
  const exit = p.exitTime === 0 ? 0n : BOOT_SYSTEM_TIME + BigInt(Math.floor(p.exitTime));
  const out = new Encoder(32).u64(0, BOOT_SYSTEM_TIME + BigInt(Math.floor(p.createTime))).u64(8, exit);
  out.u64(16, BigInt(Math.floor(kernel))).u64(24, BigInt(Math.floor(user)));
  return success(out.bytes);
}

function debugPort(_k: Kernel, p: EProcess): QueryResult {
  return word(p.debugPort === null ? 0 : 0xffffffff);
}

function debugObjectHandle(k: Kernel, p: EProcess): QueryResult {
  const handle = DbgkOpenProcessDebugPort(k, p);
  return handle.ok ? word(handle.value) : handle;
}

/** `PROCESS_DEBUG_INHERIT`: whether the children of a debuggee are debugged. */
const DEBUG_INHERIT = 1;

function debugFlags(_k: Kernel, p: EProcess): QueryResult {
  return word(hasProcessFlag(p, PSF_NO_DEBUG_INHERIT) ? 0 : DEBUG_INHERIT);
}

function setDebugFlags(_k: Kernel, p: EProcess, value: number): NtStatus {
  if ((value & ~DEBUG_INHERIT) !== 0) return STATUS_INVALID_PARAMETER;
  if (value === DEBUG_INHERIT) PspClearProcessFlag(p, PSF_NO_DEBUG_INHERIT);
  else PspSetProcessFlag(p, PSF_NO_DEBUG_INHERIT);
  return STATUS_SUCCESS;
}

function breakOnTermination(_k: Kernel, p: EProcess): QueryResult {
  return word(hasProcessFlag(p, PSF_BREAK_ON_TERMINATION) ? 1 : 0);
}

function imageInformation(_k: Kernel, p: EProcess): QueryResult {
  if (p.sectionObject === null) return failure(STATUS_PROCESS_IS_TERMINATING);
  const { image } = p.sectionObject.segment;
  if (image === null) return failure(STATUS_PROCESS_IS_TERMINATING);
  return success(encodeImageInformation(image.information, image.base));
}

/** A UNICODE_STRING with its text right behind it; the pointer is filled in when the address is known. */
function unicodeString(text: string): Uint8Array {
  const bytes = 2 * text.length;
  const out = new Encoder(8 + bytes + 2).u16(0, bytes).u16(2, bytes + 2);
  return out.utf16(8, text).bytes;
}

const IMAGE_FILE_NAME = 27;
const IMAGE_FILE_NAME_WIN32 = 43;

function NtQueryInformationProcess(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [handle = 0, informationClass = 0, address = 0, length = 0, returnLength = 0] = a;
  const named = informationClass === IMAGE_FILE_NAME_WIN32 ? IMAGE_FILE_NAME : informationClass;
  const query = QUERIES.get(named);
  if (query === undefined) {
    notImplemented(k, `NtQueryInformationProcess class ${informationClass}`);
    return STATUS_INVALID_INFO_CLASS;
  }
  if (query.bytes !== null && query.bytes !== length) return STATUS_INFO_LENGTH_MISMATCH;
  const probed = probeAnswer(k, { address, length, returnLength });
  if (!NT_SUCCESS(probed)) return probed;
  const access = query.access ?? PROCESS_QUERY_LIMITED_INFORMATION;
  return onProcess(k, handle, access, (process) => {
    const result = query.answer(k, process);
    if (result.ok && query.bytes === null) new DataView(result.value.buffer).setUint32(4, address + 8, true);
    return answerQuery(k, { address, length, returnLength }, result, STATUS_INFO_LENGTH_MISMATCH);
  });
}

/** What can be set: the bytes it takes, and what it does. */
const SETTINGS: ReadonlyMap<number, { bytes: number; set: (k: Kernel, p: EProcess, value: number) => NtStatus }> =
  new Map([
    [12, { bytes: 4, set: setHardErrorMode }],
    [18, { bytes: 2, set: setPriorityClass }],
    [21, { bytes: 4, set: setAffinity }],
    [22, { bytes: 4, set: () => STATUS_SUCCESS }],
    [29, { bytes: 4, set: setBreakOnTermination }],
    [31, { bytes: 4, set: setDebugFlags }],
    [34, { bytes: 4, set: () => STATUS_SUCCESS }],
    [1000, { bytes: 4, set: () => STATUS_SUCCESS }],
  ]);

function setHardErrorMode(_k: Kernel, p: EProcess, value: number): NtStatus {
  p.defaultHardErrorMode = value;
  return STATUS_SUCCESS;
}

function setPriorityClass(_k: Kernel, p: EProcess, value: number): NtStatus {
  // A job that dictates the class has its way, and the caller is not told.
  p.priorityClass = jobPriorityClass(p) ?? (value >>> 8) & 0xff;
  return STATUS_SUCCESS;
}

function setAffinity(_k: Kernel, p: EProcess, value: number): NtStatus {
  if (p.exitTime !== 0) return STATUS_PROCESS_IS_TERMINATING;
  if (jobAffinity(p) !== null) return STATUS_SUCCESS;
  p.affinity = value & p.affinity || p.affinity;
  return STATUS_SUCCESS;
}

/** A critical process stops the machine when it ends, so its maker must be trusted with debugging. */
function setBreakOnTermination(k: Kernel, p: EProcess, value: number): NtStatus {
  if (!SeSinglePrivilegeCheck(k, Privilege.Debug, KeGetPreviousMode(k))) return STATUS_PRIVILEGE_NOT_HELD;
  p.deathAccepted = false;
  if (value !== 0) PspSetProcessFlag(p, PSF_BREAK_ON_TERMINATION);
  else PspClearProcessFlag(p, PSF_BREAK_ON_TERMINATION);
  return STATUS_SUCCESS;
}

function NtSetInformationProcess(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [handle = 0, informationClass = 0, address = 0, length = 0] = a;
  const setting = SETTINGS.get(informationClass);
  if (setting === undefined) {
    notImplemented(k, `NtSetInformationProcess class ${informationClass}`);
    return STATUS_INVALID_INFO_CLASS;
  }
  if (length !== setting.bytes) return STATUS_INFO_LENGTH_MISMATCH;
  const user = capture(k);
  const value = setting.bytes === 2 ? user.readU16(address) : user.readU32(address);
  if (user.faulted) return user.status;
  return onProcess(k, handle, PROCESS_SET_INFORMATION, (process) => setting.set(k, process, value));
}

export const processQueryServices: readonly NtService[] = [
  { name: "NtQueryInformationProcess", arguments: 5, handler: NtQueryInformationProcess },
  { name: "NtSetInformationProcess", arguments: 4, handler: NtSetInformationProcess },
];
