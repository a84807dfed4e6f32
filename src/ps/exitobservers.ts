/**
 * Those who are told while a thread exits: the debugger, the kernel debugger for critical objects, then the LPC servers
 * that it registered (`terminationport.ts`), and win32k. In this order, before anything of the thread is released.
 */
import { BugCheckCode } from "../abi/ke.ts";
import { CT_BREAK_ON_TERMINATION, CT_SYSTEM_THREAD, PSF_BREAK_ON_TERMINATION } from "../abi/ps.ts";
import type { NtStatus } from "../abi/status.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import { PspCatchCriticalBreak } from "./critical.ts";
import { hasCrossThreadFlag, hasProcessFlag } from "./flags.ts";
import type { EThread } from "./objects.ts";
import { skip, step } from "./steps.ts";

interface Last {
  readonly last: boolean;
}

/** E17: blocks until the debugger lets the thread go on. */
export function* notifyDebugger(k: Kernel, thread: EThread, exitStatus: NtStatus, { last }: Last): Blocking<void> {
  const process = thread.threadsProcess;
  if (process.debugPort === null) {
    skip(k, "E17", "no-debugger");
    return;
  }
  if (hasCrossThreadFlag(thread, CT_SYSTEM_THREAD)) {
    skip(k, "E17", "system-thread");
    return;
  }
  if (last) yield* k.ps.dbgk.exitProcess(k, process.exitStatus);
  else yield* k.ps.dbgk.exitThread(k, exitStatus);
  step(k, "E17", last ? "process" : "thread");
}

/** E18 to E20. */
export function* breakIfCritical(k: Kernel, thread: EThread, { last }: Last): Blocking<void> {
  const { enabled } = k.ke.kd;
  const process = thread.threadsProcess;
  if (enabled && hasCrossThreadFlag(thread, CT_BREAK_ON_TERMINATION)) {
    step(k, "E18");
    yield* PspCatchCriticalBreak(k, "Critical thread 0x%p (in %s) exited", thread, process.imageFileName);
  } else skip(k, "E18", enabled ? "not-critical" : "no-debugger");
  if (last && hasProcessFlag(process, PSF_BREAK_ON_TERMINATION)) {
    step(k, "E19", enabled ? "asked" : "stopped");
    if (!enabled) KeBugCheckEx(k, BugCheckCode.CRITICAL_PROCESS_DIED, process.id);
    yield* PspCatchCriticalBreak(k, "Critical process 0x%p (%s) exited", process, process.imageFileName);
  } else skip(k, "E19", last ? "not-critical" : "not-last");
  // A driver that was told of the end and stayed in a region has turned off the APCs that the rest depends on.
  if (thread.combinedApcDisable !== 0) {
    KeBugCheckEx(k, BugCheckCode.KERNEL_APC_PENDING_DURING_EXIT, 0, thread.combinedApcDisable, k.ke.prcb.irql, 0);
  }
  step(k, "E20");
}

/** E23 and E24: win32k releases its part while handles and memory are still there. */
export function* rundownWin32(k: Kernel, thread: EThread, { last }: Last): Blocking<void> {
  const callouts = k.ps.win32Callouts;
  if (thread.win32Thread !== null && callouts !== null) {
    yield* callouts.thread(k, thread, "exit");
    assert(thread.win32Thread === null, "win32k lets go of a thread that exits");
    step(k, "E23");
  } else skip(k, "E23", "no-gui");
  if (last && thread.threadsProcess.win32Process !== null && callouts !== null) {
    yield* callouts.process(k, thread.threadsProcess, false);
    step(k, "E24");
  } else skip(k, "E24", last ? "no-gui" : "not-last");
}
