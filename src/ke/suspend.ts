/**
 * Suspension. A suspended thread is inside a normal kernel APC that waits for its suspend semaphore, so nothing else can
 * interrupt it; only a resume, or the forced one of a kill, lets it go on.
 *
 * Invariant: the semaphore's count is 0 while a count is non-zero and the APC has been delivered; resuming before
 * delivery leaves a count of 1 that the APC consumes at once.
 */
import { MAXIMUM_SUSPEND_COUNT, WaitReason } from "../abi/ke.ts";
import { failure, type NtResult, STATUS_SUSPEND_COUNT_EXCEEDED, success } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { listOwners } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { KeInsertQueueApc, newApc, noKernelRoutine } from "./apc.ts";
import { KeGetCurrentThread } from "./current.ts";
import type { KApc, KProcess, KThread } from "./objects.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "./region.ts";
import { waitInKernel } from "./wait.ts";
import { KiWaitTest } from "./waittest.ts";

/** The embedded APC that holds a suspended thread. */
function newSuspendApc(k: Kernel, thread: KThread): KApc {
  return newApc(k, thread, {
    environment: 0,
    kernelRoutine: noKernelRoutine,
    normalRoutine: KiSuspendThread,
    mode: 0,
  });
}

/** Normal routine of the suspend APC: stays here until resumed. */
function* KiSuspendThread(k: Kernel): Blocking<void> {
  yield* waitInKernel(k, KeGetCurrentThread(k).suspendSemaphore, WaitReason.Suspended);
}

/**
 * Adds one to the suspend count; the first one holds the thread at its next delivery of kernel APCs. A thread that takes
 * no more APCs is left alone.
 * @returns the count before, or SUSPEND_COUNT_EXCEEDED where NT raises it
 */
export function KeSuspendThread(k: Kernel, thread: KThread): NtResult<number> {
  const before = thread.suspendCount;
  if (before === MAXIMUM_SUSPEND_COUNT) return failure(STATUS_SUSPEND_COUNT_EXCEEDED);
  if (!thread.apcQueueable) return success(before);
  thread.suspendCount = before + 1;
  if (before === 0 && thread.freezeCount === 0) holdThread(k, thread);
  return success(before);
}

/** Takes one from the suspend count. @returns the count before */
export function KeResumeThread(k: Kernel, thread: KThread): number {
  const before = thread.suspendCount;
  if (before === 0) return 0;
  thread.suspendCount = before - 1;
  if (before === 1 && thread.freezeCount === 0) letGo(k, thread);
  return before;
}

/** Zeroes both counts, so that a suspended thread can be killed. @returns their sum before */
export function KeForceResumeThread(k: Kernel, thread: KThread): number {
  const before = thread.suspendCount + thread.freezeCount;
  if (before === 0) return 0;
  thread.suspendCount = 0;
  thread.freezeCount = 0;
  letGo(k, thread);
  return before;
}

/** Freezes every other thread of the current process and enters a critical region. */
export function KeFreezeAllThreads(k: Kernel): void {
  const current = KeGetCurrentThread(k);
  KeEnterCriticalRegion(k);
  for (const thread of othersOf(current.process, current)) {
    if (!thread.apcQueueable) continue;
    const before = thread.freezeCount++;
    if (before === 0 && thread.suspendCount === 0) holdThread(k, thread);
  }
}

/** Undoes {@link KeFreezeAllThreads}; threads that a kill let go meanwhile stay free. */
export function* KeThawAllThreads(k: Kernel): Blocking<void> {
  const current = KeGetCurrentThread(k);
  for (const thread of othersOf(current.process, current)) {
    if (thread.freezeCount === 0) continue;
    thread.freezeCount--;
    if (thread.freezeCount === 0 && thread.suspendCount === 0) letGo(k, thread);
  }
  yield* KeLeaveCriticalRegion(k);
}

function othersOf(process: KProcess, self: KThread): KThread[] {
  return listOwners(process.threadListHead).filter((thread) => thread !== self);
}

function holdThread(k: Kernel, thread: KThread): void {
  thread.suspendApc ??= newSuspendApc(k, thread);
  // Still queued from an earlier suspension that was undone before delivery: cancel that undoing instead.
  if (!KeInsertQueueApc(k, thread.suspendApc, null, null, 0)) thread.suspendSemaphore.signalState--;
}

function letGo(k: Kernel, thread: KThread): void {
  thread.suspendSemaphore.signalState++;
  KiWaitTest(k, thread.suspendSemaphore, 0);
}
