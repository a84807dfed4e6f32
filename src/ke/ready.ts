/**
 * Ready queues: 32 priorities, one list each, first come first served within a priority.
 *
 * Invariant: a thread is in a ready list exactly while its state is Ready, and bit p of the summary says whether list p
 * has entries.
 */
import { LOW_REALTIME_PRIORITY, ThreadState } from "../abi/ke.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { insertHead, insertTail, isListEmpty, removeEntry } from "../rtl/list.ts";
import type { KThread } from "./objects.ts";
import type { Kprcb } from "./state.ts";

/** Makes the thread ready and asks a processor that runs something worse to give way. */
export function KiReadyThread(k: Kernel, thread: KThread): void {
  enqueueReady(k, thread, false);
  const victim = weakestProcessor(k, thread);
  if (victim !== null) victim.reschedule = true;
}

/** Puts the thread into its ready list: at the head if it was preempted, so that it keeps its turn. */
export function enqueueReady(k: Kernel, thread: KThread, preempted: boolean): void {
  const list = k.ke.readyListHeads[thread.priority];
  assert(list !== undefined, "priorities are below 32");
  thread.state = ThreadState.Ready;
  thread.readyTime = k.ke.prcb.clock;
  if (preempted) insertHead(list, thread.readyListEntry);
  else insertTail(list, thread.readyListEntry);
  k.ke.readySummary |= 1 << thread.priority;
}

/** Takes the best ready thread that may run on `prcb`, or null. */
export function takeReadyThread(k: Kernel, prcb: Kprcb): KThread | null {
  const thread = bestReadyThread(k, prcb);
  if (thread !== null) dequeueReady(k, thread);
  return thread;
}

/** Takes one thread out of the ready queues. */
function dequeueReady(k: Kernel, thread: KThread): void {
  removeEntry(thread.readyListEntry);
  const list = k.ke.readyListHeads[thread.priority];
  if (list !== undefined && isListEmpty(list)) k.ke.readySummary &= ~(1 << thread.priority);
}

/** The best ready thread that may run on `prcb`, left where it is. */
export function bestReadyThread(k: Kernel, prcb: Kprcb): KThread | null {
  const bit = 1 << prcb.number;
  for (let summary = k.ke.readySummary; summary !== 0;) {
    const priority = 31 - Math.clz32(summary);
    const list = k.ke.readyListHeads[priority];
    assert(list !== undefined, "priorities are below 32");
    for (let entry = list.flink; entry !== null && entry.owner !== null; entry = entry.flink) {
      if ((entry.owner.affinity & bit) !== 0) return entry.owner;
    }
    summary &= ~(1 << priority);
  }
  return null;
}

/** Raises a woken thread's priority by `increment`; it decays with each turn. Real-time priorities never change. */
export function boostPriority(thread: KThread, increment: number): void {
  if (thread.basePriority >= LOW_REALTIME_PRIORITY) return;
  const boosted = Math.min(thread.basePriority + increment, LOW_REALTIME_PRIORITY - 1);
  if (boosted > thread.priority) thread.priority = boosted;
}

/** The processor running the least important thread that `thread` beats, or null. Idle processors look by themselves. */
function weakestProcessor(k: Kernel, thread: KThread): Kprcb | null {
  let weakest: Kprcb | null = null;
  let weakestPriority = thread.priority;
  for (const prcb of k.ke.prcbs) {
    if ((thread.affinity & (1 << prcb.number)) === 0) continue;
    const running = prcb.currentThread;
    if (running === null) return null;
    if (running.priority < weakestPriority) {
      weakest = prcb;
      weakestPriority = running.priority;
    }
  }
  return weakest;
}
