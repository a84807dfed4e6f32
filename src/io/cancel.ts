/**
 * Cancellation. It asks the device to give a request up; the request still ends by being completed. A thread that ends
 * waits for its requests, but not for ever: what does not end within five minutes loses its thread.
 */
import { APC_LEVEL, BugCheckCode, KernelMode } from "../abi/ke.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import { KeLowerIrql, KeRaiseIrql } from "../ke/irql.ts";
import { KeDelayExecutionThread } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { firstOf, isListEmpty, listOwners, removeEntry } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { emit } from "../sim/record.ts";
import { ObProcess } from "../ob/process.ts";
import { assert } from "../rtl/assert.ts";
import { IoAcquireCancelSpinLock, IoReleaseCancelSpinLock } from "./cancelspinlock.ts";
import { IoSetCancelRoutine, type Irp } from "./irp.ts";
import type { IoThread } from "./thread.ts";

/** 100 ms between two looks at the list. */
const POLL_INTERVAL_100NS = 1_000_000;
/** Looks before the first request of the list is given up: five minutes. */
const POLL_ROUNDS = 3000;

/**
 * Asks for the end of a request.
 * @irql <= DISPATCH_LEVEL
 * @returns whether somebody could be asked; a request without a cancel routine ends when it ends
 */
export function IoCancelIrp(k: Kernel, irp: Irp): boolean {
  const irql = IoAcquireCancelSpinLock(k);
  irp.cancelled = true;
  const routine = IoSetCancelRoutine(irp, null);
  if (routine === null) {
    IoReleaseCancelSpinLock(k, irql);
    return false;
  }
  irp.cancelIrql = irql;
  routine(k, irp);
  // A routine that keeps the lock would have the next one who wants it spin for ever.
  if (k.io.cancelSpinLockHeld) KeBugCheckEx(k, BugCheckCode.SPIN_LOCK_ALREADY_OWNED, irp.id);
  return true;
}

/**
 * Cancels everything that the current thread has under way and waits for its end.
 * @irql PASSIVE_LEVEL
 */
export function* IoCancelThreadIo(k: Kernel, thread: IoThread): Blocking<void> {
  if (isListEmpty(thread.irpList)) return;
  // At APC_LEVEL no completion runs in this thread, so the list stays as it is while it is walked.
  const oldIrql = KeRaiseIrql(k, APC_LEVEL);
  for (const irp of listOwners(thread.irpList)) {
    reportHeld(k, thread, irp);
    IoCancelIrp(k, irp);
  }
  yield* KeLowerIrql(k, oldIrql);
  let rounds = 0;
  while (!isListEmpty(thread.irpList)) {
    yield* KeDelayExecutionThread(k, { mode: KernelMode, alertable: false, timeout100ns: POLL_INTERVAL_100NS });
    if (++rounds < POLL_ROUNDS) continue;
    disassociateThreadIrp(k, thread);
    rounds = 0;
  }
}

/** Takes the first request away from its thread: its completion finishes it without one. */
function disassociateThreadIrp(k: Kernel, thread: IoThread): void {
  const irp = firstOf(thread.irpList);
  // A completion that is on its way to this thread will be delivered to it.
  if (irp === null || irp.completed) return;
  removeEntry(irp.threadListEntry);
  irp.thread = null;
  k.io.abandonedIrps++;
}

function reportHeld(k: Kernel, thread: IoThread, irp: Irp): void {
  if (k.sim.record === null) return;
  const { process } = thread;
  assert(process instanceof ObProcess, "a thread with requests belongs to an executive process");
  const note = `${irp.major} on ${irp.file.device.name}`;
  emit(k, { kind: "thread-held", pid: process.pid, tid: thread.tid, held: { kind: "irp", id: irp.id, note } });
}
