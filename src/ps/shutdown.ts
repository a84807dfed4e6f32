/**
 * The end of the machine: a worker ends every process that may be ended, gives them time to go, and turns the power off.
 * Critical processes stay to the last: they go with the power.
 */
import { KernelMode, type ProcessorMode, WaitReason } from "../abi/ke.ts";
import {
  type NtStatus,
  STATUS_INVALID_PARAMETER,
  STATUS_PRIVILEGE_NOT_HELD,
  STATUS_SHUTDOWN_IN_PROGRESS,
} from "../abi/status.ts";
import { ExQueueWorkItem, ExWorkItem, WorkQueueType } from "../ex/work.ts";
import { KeInitializeEvent } from "../ke/event.ts";
import { HalReturnToFirmware } from "../ke/halt.ts";
import { KeWaitForSingleObject } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { Privilege, SeSinglePrivilegeCheck } from "../se/privilege.ts";
import type { Blocking } from "../sim/blocking.ts";
import { PSF_BREAK_ON_TERMINATION } from "../abi/ps.ts";
import { hasProcessFlag } from "./flags.ts";
import { PsGetNextProcess } from "./iterate.ts";
import { PspShutdownProcessManager } from "./kill.ts";
import type { EProcess } from "./objects.ts";

/** `SHUTDOWN_ACTION`: ShutdownNoReboot, ShutdownReboot, ShutdownPowerOff. This machine does not come back from any. */
const LAST_ACTION = 2;
/** A process that has not ended by then goes with the power: 20 s. */
const PATIENCE_100NS = 200_000_000;

/**
 * Shuts the machine down. The caller waits, and ends with all the others.
 * @param mode the caller's: in user mode it needs SeShutdownPrivilege
 * @returns INVALID_PARAMETER, PRIVILEGE_NOT_HELD, SHUTDOWN_IN_PROGRESS, or USER_APC to a caller that is being killed
 */
export function* NtShutdownSystem(k: Kernel, action: number, mode: ProcessorMode): Blocking<NtStatus> {
  if (action > LAST_ACTION) return STATUS_INVALID_PARAMETER;
  if (!SeSinglePrivilegeCheck(k, Privilege.Shutdown, mode)) return STATUS_PRIVILEGE_NOT_HELD;
  if (k.po.shutdown !== null) return STATUS_SHUTDOWN_IN_PROGRESS;
  k.po.shutdown = action;
  ExQueueWorkItem(k, new ExWorkItem(shutDown), WorkQueueType.Critical);
  const never = KeInitializeEvent(k, "notification", false);
  const reason = WaitReason.Executive;
  return yield* KeWaitForSingleObject(k, never, { reason, mode, alertable: false, timeout100ns: null });
}

/** Ends the processes and then the machine. */
function* shutDown(k: Kernel): Blocking<void> {
  yield* PspShutdownProcessManager(k);
  for (
    let process = yield* PsGetNextProcess(k, null);
    process !== null;
    process = yield* PsGetNextProcess(k, process)
  ) {
    if (mayEnd(k, process)) yield* waitForEnd(k, process);
  }
  HalReturnToFirmware(k);
}

/** A process without threads is never signaled, and one that nobody killed does not end. */
function mayEnd(k: Kernel, process: EProcess): boolean {
  if (process === k.ps.initialSystemProcess || process.activeThreads === 0) return false;
  return !hasProcessFlag(process, PSF_BREAK_ON_TERMINATION);
}

function waitForEnd(k: Kernel, process: EProcess): Blocking<NtStatus> {
  const reason = WaitReason.Executive;
  const options = { reason, mode: KernelMode, alertable: false, timeout100ns: PATIENCE_100NS } as const;
  return KeWaitForSingleObject(k, process, options);
}
