/**
 * The dispatcher's part of a thread's life: initialise, start, ready, terminate.
 *
 * Invariant: a thread is signaled exactly once, and only after it was handed to the reaper; whoever takes it from there
 * waits until `swapBusy` is false, because until then the thread still runs on its stack (D37).
 */
import { ThreadState } from "../abi/ke.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { insertTail, isLinked, removeEntry } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { erratumGap } from "../sim/gap.ts";
import { newObjectId } from "../sim/identity.ts";
import { KeGetCurrentThread } from "./current.ts";
import type { KernelStack, KThread } from "./objects.ts";
import { leaveQueue } from "./queue.ts";
import { KiReadyThread } from "./ready.ts";
import { KiWaitTest } from "./waittest.ts";

/** Gives the thread a kernel stack and what will run on it. `start` runs when the thread is first scheduled. */
export function KeInitThread(k: Kernel, thread: KThread, start: (k: Kernel) => Blocking<never>): void {
  assert(thread.initialStack === null, "a thread is initialised once");
  const stack: KernelStack = { id: newObjectId(k), large: false };
  thread.stackBase = stack;
  thread.initialStack = stack;
  thread.continuation = start(k);
  thread.state = ThreadState.Initialized;
}

/** Links the thread into its process; from here on it counts as resident. */
export function KeStartThread(k: Kernel, thread: KThread): void {
  insertTail(thread.process.threadListHead, thread.threadListEntry);
  thread.process.stackCount++;
  k.ke.liveThreads.add(thread);
}

/** Lets a started thread run. */
export function KeReadyThread(k: Kernel, thread: KThread): void {
  KiReadyThread(k, thread);
}

/** Undoes {@link KeInitThread} for a thread that was never started. */
export function KeUninitThread(thread: KThread): void {
  thread.initialStack = null;
  thread.stackBase = null;
  thread.continuation = null;
}

/**
 * Ends the current thread: hands it to the reaper, signals it, and leaves its stack for good.
 * @source ntoskrnl/ps/kill.c:451-921, PspExitThread
 */
export function* KeTerminateThread(k: Kernel, increment: number): Blocking<never> {
  const thread = KeGetCurrentThread(k);
  const process = thread.process;
  // Before the push: the reaper may take the thread at once, and must see that its stack is in use.
  thread.swapBusy = true;
  process.kernelTime += thread.kernelTime;
  process.userTime += thread.userTime;
  const idle = k.ke.reaperList === null;
  k.ke.reaperList = { thread, next: k.ke.reaperList };
  if (idle) k.ke.upcalls.queueReaper(k);
  // Erratum D37: nobody waits for this thread to leave its stack, so it matters what another processor does meanwhile.
  if (k.sim.errata.has("D37")) yield* erratumGap(k, "D37:between-push-and-signal");
  leaveQueue(k, thread);
  thread.signalState = 1;
  k.ke.upcalls.threadTerminated(k, thread);
  KiWaitTest(k, thread, increment);
  if (isLinked(thread.threadListEntry)) removeEntry(thread.threadListEntry);
  k.ke.liveThreads.delete(thread);
  thread.state = ThreadState.Terminated;
  process.stackCount--;
  yield "terminated";
  assert(false, "a terminated thread is never resumed");
}

/** Plain read of the signal state. */
export function KeReadStateThread(thread: KThread): number {
  return thread.signalState;
}
