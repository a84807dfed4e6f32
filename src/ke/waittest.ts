/**
 * What it means for an object to satisfy a wait, and what a satisfied wait takes from the object. Waiters are served in
 * the order in which they came.
 */
import { DispatcherType, WaitAny } from "../abi/ke.ts";
import { ntStatus } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { insertTail } from "../rtl/list.ts";
import { trace } from "../sim/record.ts";
import { type DispatcherHeader, KMutant, type KThread, type KWaitBlock } from "./objects.ts";
import { KiUnwaitThread } from "./unwait.ts";

/** Added to a wait's answer when a mutant was abandoned (`STATUS_ABANDONED_WAIT_0`). */
const ABANDONED = 0x80;

/** Whether `thread` could stop waiting for `object` now. */
export function isSatisfied(object: DispatcherHeader, thread: KThread): boolean {
  if (object.signalState > 0) return true;
  return object instanceof KMutant && object.ownerThread === thread;
}

/**
 * Takes from the object what a satisfied wait takes: a synchronization event resets, a semaphore counts down, a mutant
 * gets an owner; processes, threads and notification objects stay as they are.
 * @returns 0, or 0x80 if it was an abandoned mutant
 */
export function satisfyWait(object: DispatcherHeader, thread: KThread): number {
  switch (object.type) {
    case DispatcherType.EventSynchronization:
    case DispatcherType.TimerSynchronization:
      object.signalState = 0;
      return 0;
    case DispatcherType.Semaphore:
      object.signalState--;
      return 0;
    case DispatcherType.Mutant:
      return object instanceof KMutant ? acquireMutant(object, thread) : 0;
    default:
      return 0;
  }
}

function acquireMutant(mutant: KMutant, thread: KThread): number {
  mutant.signalState--;
  if (mutant.signalState !== 0) return 0;
  thread.kernelApcDisable -= mutant.apcDisable;
  mutant.ownerThread = thread;
  insertTail(thread.mutantListHead, mutant.mutantListEntry);
  if (!mutant.abandoned) return 0;
  mutant.abandoned = false;
  return ABANDONED;
}

/** Wakes every waiter that the object's new state satisfies, oldest first. */
export function KiWaitTest(k: Kernel, object: DispatcherHeader, increment: number): void {
  if (k.sim.trace !== null) trace(k, { kind: "signal", object: object.id });
  let entry = object.waitListHead.flink;
  while (entry !== null && entry.owner !== null && object.signalState > 0) {
    const block = entry.owner;
    // Waking unlinks every block of the thread, also a second one on this object: go on from the front.
    if (wakeIfSatisfied(k, block, increment)) entry = object.waitListHead.flink;
    else entry = entry.flink;
  }
}

function wakeIfSatisfied(k: Kernel, block: KWaitBlock, increment: number): boolean {
  const { thread, object } = block;
  if (block.waitType === WaitAny) {
    KiUnwaitThread(k, thread, ntStatus(block.key + satisfyWait(object, thread)), increment);
    return true;
  }
  for (const other of thread.waitBlocks) if (!isSatisfied(other.object, thread)) return false;
  KiUnwaitThread(k, thread, ntStatus(satisfyAll(thread)), increment);
  return true;
}

/** Satisfies a wait for all objects. @returns 0, or 0x80 if any of them was an abandoned mutant */
function satisfyAll(thread: KThread): number {
  let abandoned = 0;
  for (const block of thread.waitBlocks) abandoned |= satisfyWait(block.object, thread);
  return abandoned;
}
