/**
 * Critical and guarded regions: a thread turns its own kernel APCs off. A critical region stops normal kernel APCs (the
 * kill, suspension), a guarded region stops special ones too. Leaving the outermost one delivers what came meanwhile.
 */
import { APC_LEVEL } from "../abi/ke.ts";
import type { Kernel } from "../kernel.ts";
import { isListEmpty } from "../rtl/list.ts";
import { type Blocking, DONE } from "../sim/blocking.ts";
import { deliverKernelApcs } from "./apc.ts";
import { KeGetCurrentThread } from "./current.ts";
import type { KThread } from "./objects.ts";

export function KeEnterCriticalRegion(k: Kernel): void {
  KeGetCurrentThread(k).kernelApcDisable--;
}

/** Leaves a critical region; on leaving the outermost one, queued kernel APCs are delivered. */
export function KeLeaveCriticalRegion(k: Kernel): Blocking<void> {
  const thread = KeGetCurrentThread(k);
  return ++thread.kernelApcDisable === 0 ? checkForKernelApcDelivery(k, thread) : DONE;
}

export function KeEnterGuardedRegion(k: Kernel): void {
  KeGetCurrentThread(k).specialApcDisable--;
}

export function KeLeaveGuardedRegion(k: Kernel): Blocking<void> {
  const thread = KeGetCurrentThread(k);
  return ++thread.specialApcDisable === 0 ? checkForKernelApcDelivery(k, thread) : DONE;
}

/** True if normal kernel APCs are off, also by an unbalanced leave. */
export function KeAreApcsDisabled(k: Kernel): boolean {
  return KeGetCurrentThread(k).combinedApcDisable !== 0;
}

/** True if special kernel APCs are off as well. */
export function KeAreAllApcsDisabled(k: Kernel): boolean {
  return KeGetCurrentThread(k).specialApcDisable !== 0 || k.ke.prcb.irql >= APC_LEVEL;
}

function checkForKernelApcDelivery(k: Kernel, thread: KThread): Blocking<void> {
  if (thread.specialApcDisable !== 0 || isListEmpty(thread.apcState.kernelList)) return DONE;
  thread.apcState.kernelApcPending = true;
  return deliverKernelApcs(k);
}
