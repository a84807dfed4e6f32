/** System services on power and the clock's resolution, and the end of the machine. */
import { UserMode } from "../../abi/ke.ts";
import { type NtStatus, STATUS_SUCCESS } from "../../abi/status.ts";
import { KeMaximumIncrement } from "../../ke/time.ts";
import type { Kernel } from "../../kernel.ts";
import {
  currentTimerResolution,
  MINIMUM_INCREMENT,
  PoSetThreadExecutionState,
  PoSetTimerResolution,
} from "../../po/power.ts";
import { PsGetCurrentThread } from "../../ps/current.ts";
import { NtShutdownSystem } from "../../ps/shutdown.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { capture, probeOut } from "../capture.ts";
import type { NtService, ServiceArguments } from "../table.ts";

function NtSetThreadExecutionState(k: Kernel, [flags = 0, previous = 0]: ServiceArguments): NtStatus {
  const user = capture(k);
  probeOut(user, previous);
  if (user.faulted) return user.status;
  const before = PoSetThreadExecutionState(k, PsGetCurrentThread(k), flags);
  if (!before.ok) return before.status;
  user.writeU32(previous, before.value);
  return STATUS_SUCCESS;
}

function NtSetTimerResolution(k: Kernel, [desired = 0, set = 0, actual = 0]: ServiceArguments): NtStatus {
  const user = capture(k);
  probeOut(user, actual);
  if (user.faulted) return user.status;
  const process = PsGetCurrentThread(k).threadsProcess;
  const request = { resolution100ns: desired, set: (set & 0xff) !== 0 };
  const resolution = PoSetTimerResolution(k, process, request);
  user.writeU32(actual, resolution.ok ? resolution.value : currentTimerResolution(k));
  return resolution.ok ? STATUS_SUCCESS : resolution.status;
}

function NtQueryTimerResolution(k: Kernel, [maximum = 0, minimum = 0, current = 0]: ServiceArguments): NtStatus {
  const user = capture(k);
  user.writeU32(maximum, KeMaximumIncrement);
  user.writeU32(minimum, MINIMUM_INCREMENT);
  user.writeU32(current, currentTimerResolution(k));
  return user.faulted ? user.status : STATUS_SUCCESS;
}

function shutdown(k: Kernel, [action = 0]: ServiceArguments): Blocking<NtStatus> {
  return NtShutdownSystem(k, action, UserMode);
}

export const powerServices: readonly NtService[] = [
  { name: "NtQueryTimerResolution", arguments: 3, handler: NtQueryTimerResolution },
  { name: "NtSetThreadExecutionState", arguments: 2, handler: NtSetThreadExecutionState },
  { name: "NtSetTimerResolution", arguments: 3, handler: NtSetTimerResolution },
  { name: "NtShutdownSystem", arguments: 1, handler: shutdown },
];
