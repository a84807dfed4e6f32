/** Debug objects: access masks, flags, states, and what a debugger reads of an event. */
import { type NtStatus, ntStatus } from "./status.ts";

export const DEBUG_READ_EVENT = 0x1;
export const DEBUG_PROCESS_ASSIGN = 0x2;
export const DEBUG_SET_INFORMATION = 0x4;
export const DEBUG_QUERY_INFORMATION = 0x8;
export const DEBUG_ALL_ACCESS = 0x1f000f;

/** The only flag of `NtCreateDebugObject`, and of `DebugObjectKillProcessOnExitInformation`. */
export const DEBUG_KILL_ON_CLOSE = 0x1;

export const DebugObjectKillProcessOnExitInformation = 1;

export const DBG_REPLY_LATER: NtStatus = ntStatus(0x40010001);
export const DBG_EXCEPTION_HANDLED: NtStatus = ntStatus(0x00010001);
export const DBG_TERMINATE_THREAD: NtStatus = ntStatus(0x40010003);
export const DBG_PRINTEXCEPTION_C: NtStatus = ntStatus(0x40010006);

/** `DBG_STATE`. */
export const DbgState = {
  CreateThreadStateChange: 2,
  CreateProcessStateChange: 3,
  ExitThreadStateChange: 4,
  ExitProcessStateChange: 5,
  ExceptionStateChange: 6,
  BreakpointStateChange: 7,
  SingleStepStateChange: 8,
  LoadDllStateChange: 9,
  UnloadDllStateChange: 10,
} as const;

/** `DBGUI_WAIT_STATE_CHANGE` on i386; each kind of event has its own fields from `info` on. */
export const WAIT_STATE_CHANGE = {
  newState: 0x00,
  pid: 0x04,
  tid: 0x08,
  info: 0x0c,
  bytes: 0x60,
} as const;
