/**
 * System services on debug objects: capture, call the debugger support, write back. Every pointer is captured or probed
 * before anything is done, so an event is not lost to a bad pointer that was bad from the beginning.
 */
import { DebugObjectKillProcessOnExitInformation, DbgState, WAIT_STATE_CHANGE } from "../../abi/dbgk.ts";
import { EXCEPTION_MAXIMUM_PARAMETERS, EXCEPTION_RECORD } from "../../abi/exception.ts";
import {
  type NtStatus,
  ntStatus,
  STATUS_BREAKPOINT,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_PARAMETER,
  STATUS_SINGLE_STEP,
  STATUS_SUCCESS,
} from "../../abi/status.ts";
import { NtDebugActiveProcess, NtRemoveProcessDebug } from "../../dbgk/attach.ts";
import type { ReportedImage } from "../../dbgk/objects.ts";
import {
  NtCreateDebugObject,
  NtDebugContinue,
  NtSetInformationDebugObject,
  NtWaitForDebugEvent,
  type StateChange,
} from "../../dbgk/services.ts";
import type { ExceptionRecord } from "../../ke/usermode.ts";
import type { Kernel } from "../../kernel.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { capture, Encoder, probeOut, readTimeout, writeOut } from "../capture.ts";
import { createByAttributes } from "../create.ts";
import type { NtService, ServiceArguments } from "../table.ts";

function create(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  return createByAttributes(k, a, (attributes, [, access = 0, , flags = 0]) =>
    NtCreateDebugObject(k, access, attributes, flags),
  );
}

function* waitForEvent(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, alertable = 0, timeoutPointer = 0, out = 0] = a;
  const user = capture(k);
  const timeout = readTimeout(k, user, timeoutPointer);
  user.probeWrite(out, WAIT_STATE_CHANGE.bytes, 4);
  if (user.faulted) return user.status;
  const change = yield* NtWaitForDebugEvent(k, handle, (alertable & 0xff) !== 0, timeout);
  if (!change.ok) return change.status;
  const written = capture(k);
  written.writeBytes(out, encodeStateChange(change.value));
  return written.faulted ? written.status : STATUS_SUCCESS;
}

const INFO = WAIT_STATE_CHANGE.info;

/** `DBGUI_WAIT_STATE_CHANGE`. */
function encodeStateChange(change: StateChange): Uint8Array {
  const { clientId, message, fileHandle, processHandle, threadHandle } = change;
  const out = new Encoder(WAIT_STATE_CHANGE.bytes).u32(WAIT_STATE_CHANGE.pid, clientId.pid);
  out.u32(WAIT_STATE_CHANGE.tid, clientId.tid).u32(WAIT_STATE_CHANGE.newState, stateOf(change));
  switch (message.kind) {
    case "exception":
      encodeException(out, message.record);
      return out.u32(INFO + EXCEPTION_RECORD.bytes, message.firstChance ? 1 : 0).bytes;
    case "create-thread":
      return out.u32(INFO, threadHandle).u32(INFO + 8, message.startAddress).bytes;
    case "create-process":
      out.u32(INFO, processHandle).u32(INFO + 4, threadHandle);
      encodeImage(out, INFO + 12, fileHandle, message.image);
      return out.u32(INFO + 32, message.startAddress).bytes;
    case "exit-thread":
    case "exit-process":
      return out.u32(INFO, message.exitStatus).bytes;
    case "load-dll":
      encodeImage(out, INFO, fileHandle, message.image);
      return out.u32(INFO + 16, message.namePointer).bytes;
    case "unload-dll":
      return out.u32(INFO, message.base).bytes;
  }
}

function stateOf({ message }: StateChange): number {
  switch (message.kind) {
    case "exception":
      return stateOfException(message.record.code);
    case "create-thread":
      return DbgState.CreateThreadStateChange;
    case "create-process":
      return DbgState.CreateProcessStateChange;
    case "exit-thread":
      return DbgState.ExitThreadStateChange;
    case "exit-process":
      return DbgState.ExitProcessStateChange;
    case "load-dll":
      return DbgState.LoadDllStateChange;
    case "unload-dll":
      return DbgState.UnloadDllStateChange;
  }
}

function stateOfException(code: NtStatus): number {
  if (code === STATUS_BREAKPOINT) return DbgState.BreakpointStateChange;
  return code === STATUS_SINGLE_STEP ? DbgState.SingleStepStateChange : DbgState.ExceptionStateChange;
}

function encodeException(out: Encoder, record: ExceptionRecord): void {
  const parameters = record.parameters.slice(0, EXCEPTION_MAXIMUM_PARAMETERS);
  out.u32(INFO + EXCEPTION_RECORD.code, record.code).u32(INFO + EXCEPTION_RECORD.flags, record.flags);
  out.u32(INFO + EXCEPTION_RECORD.address, record.address);
  out.u32(INFO + EXCEPTION_RECORD.parameterCount, parameters.length);
  for (const [index, value] of parameters.entries()) out.u32(INFO + EXCEPTION_RECORD.parameters + 4 * index, value);
}

function encodeImage(out: Encoder, at: number, fileHandle: number, image: ReportedImage): void {
  out.u32(at, fileHandle).u32(at + 4, image.base);
  out.u32(at + 8, image.debugInfoFileOffset).u32(at + 12, image.debugInfoSize);
}

function debugContinue(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [handle = 0, clientIdPointer = 0, status = 0] = a;
  const user = capture(k);
  const clientId = { pid: user.readU32(clientIdPointer), tid: user.readU32((clientIdPointer + 4) >>> 0) };
  if (user.faulted) return user.status;
  return NtDebugContinue(k, handle, clientId, ntStatus(status));
}

function* setInformation(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, informationClass = 0, address = 0, length = 0, returnLength = 0] = a;
  if (informationClass !== DebugObjectKillProcessOnExitInformation) return STATUS_INVALID_PARAMETER;
  if (length !== 4) {
    const written = writeOut(k, returnLength, 4);
    return written === STATUS_SUCCESS ? STATUS_INFO_LENGTH_MISMATCH : written;
  }
  const user = capture(k);
  const flags = user.readU32(address);
  probeOut(user, returnLength);
  if (user.faulted) return user.status;
  const set = yield* NtSetInformationDebugObject(k, handle, flags);
  return set.ok ? writeOut(k, returnLength, 0) : set.status;
}

export const debugServices: readonly NtService[] = [
  { name: "NtCreateDebugObject", arguments: 4, handler: create },
  {
    name: "NtDebugActiveProcess",
    arguments: 2,
    handler: (k, [process = 0, debug = 0]) => NtDebugActiveProcess(k, process, debug),
  },
  {
    name: "NtRemoveProcessDebug",
    arguments: 2,
    handler: (k, [process = 0, debug = 0]) => NtRemoveProcessDebug(k, process, debug),
  },
  { name: "NtWaitForDebugEvent", arguments: 4, handler: waitForEvent },
  { name: "NtDebugContinue", arguments: 3, handler: debugContinue },
  { name: "NtSetInformationDebugObject", arguments: 5, handler: setInformation },
];
