/**
 * Those who are told while a thread exits: the debugger, the kernel debugger for critical objects, the LPC servers that
 * registered for its death, and win32k. In this order, before anything of the thread is released.
 */
import { BugCheckCode } from "../abi/ke.ts";
import { LpcMessageType } from "../abi/lpc.ts";
import {
  CT_BREAK_ON_TERMINATION,
  CT_DEAD_THREAD,
  CT_SYSTEM_THREAD,
  PSF_BREAK_ON_TERMINATION,
  TAG_TERMINATION_PORT,
} from "../abi/ps.ts";
import {
  type NtStatus,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_NO_MEMORY,
  STATUS_THREAD_IS_TERMINATING,
} from "../abi/status.ts";
import { ExFreePoolWithTag } from "../ex/pool.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import { systemTimeOf } from "../ke/time.ts";
import { KeDelayExecutionThread } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { newClientDiedMessage } from "../lpc/message.ts";
import type { LpcPort } from "../lpc/port.ts";
import { LpcRequestPort } from "../lpc/send.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import { PspCatchCriticalBreak } from "./critical.ts";
import { hasCrossThreadFlag, hasProcessFlag } from "./flags.ts";
import type { EThread } from "./objects.ts";
import { skip, step } from "./steps.ts";

/** `ShortTime`: 100 ms. */
const SHORT_TIME_100NS = 1_000_000;
/** A server whose memory is exhausted for this many tries is not told (D18). */
const MAXIMUM_NOTICE_TRIES = 100;

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

/** E21 and E22: tells the registered LPC servers, or else the server behind the exception port. */
export function* notifyTerminationPorts(k: Kernel, thread: EThread, exitStatus: NtStatus): Blocking<void> {
  let node = thread.terminationPort;
  if (node !== null) {
    // Taken off first, so that no stale pointer remains for anybody to follow (D19).
    thread.terminationPort = null;
    for (; node !== null; node = node.next) {
      const sent = yield* sendClientDied(k, thread, node.port);
      yield* ObDereferenceObject(k, node.port);
      ExFreePoolWithTag(k, node.block, TAG_TERMINATION_PORT);
      step(k, "E21", sent ? "sent" : "given-up");
    }
    return;
  }
  if (hasCrossThreadFlag(thread, CT_DEAD_THREAD) && exitStatus !== STATUS_THREAD_IS_TERMINATING) {
    skip(k, "E22", "dead-thread");
    return;
  }
  const { exceptionPort } = thread.threadsProcess;
  if (exceptionPort === null) {
    skip(k, "E22", "no-port");
    return;
  }
  const sent = yield* sendClientDied(k, thread, exceptionPort);
  step(k, "E22", sent ? "sent" : "given-up");
}

/**
 * Sends one notice, waiting for memory if there is none; any other answer is final.
 * @returns false if there never was memory for it
 */
function* sendClientDied(k: Kernel, thread: EThread, port: LpcPort): Blocking<boolean> {
  const notice = newClientDiedMessage(LpcMessageType.ClientDied, systemTimeOf(thread.createTime));
  for (let tries = 0; tries < MAXIMUM_NOTICE_TRIES; tries++) {
    const status = LpcRequestPort(k, port, notice);
    if (status !== STATUS_NO_MEMORY && status !== STATUS_INSUFFICIENT_RESOURCES) return true;
    yield* KeDelayExecutionThread(k, { mode: 0, alertable: false, timeout100ns: SHORT_TIME_100NS });
  }
  return false;
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
