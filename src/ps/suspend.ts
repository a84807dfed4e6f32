/**
 * Suspending and resuming threads and processes. A thread that is marked to die is never left suspended, whichever of
 * the two comes first.
 */
import { CT_TERMINATED } from "../abi/ps.ts";
import {
  type NtResult,
  type NtStatus,
  failure,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  STATUS_THREAD_IS_TERMINATING,
} from "../abi/status.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../ex/rundown.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import { KeForceResumeThread, KeResumeThread, KeSuspendThread } from "../ke/suspend.ts";
import type { Kernel } from "../kernel.ts";
import type { Blocking } from "../sim/blocking.ts";
import { PsGetCurrentThread } from "./current.ts";
import { hasCrossThreadFlag } from "./flags.ts";
import { PsGetNextProcessThread } from "./iterate.ts";
import type { EProcess, EThread } from "./objects.ts";

/**
 * Suspends a thread.
 * @returns the count before, THREAD_IS_TERMINATING, or SUSPEND_COUNT_EXCEEDED
 */
export function PsSuspendThread(k: Kernel, thread: EThread): NtResult<number> {
  if (thread === PsGetCurrentThread(k)) return KeSuspendThread(k, thread);
  if (!ExAcquireRundownProtection(thread.rundownProtect)) return failure(STATUS_THREAD_IS_TERMINATING);
  const result = suspendOther(k, thread);
  ExReleaseRundownProtection(k, thread.rundownProtect);
  return result;
}

function suspendOther(k: Kernel, thread: EThread): NtResult<number> {
  if (hasCrossThreadFlag(thread, CT_TERMINATED)) return failure(STATUS_THREAD_IS_TERMINATING);
  const before = KeSuspendThread(k, thread);
  // A kill that came between the test and the suspension resumed the thread too early: undo the suspension.
  if (!hasCrossThreadFlag(thread, CT_TERMINATED)) return before;
  KeForceResumeThread(k, thread);
  return failure(STATUS_THREAD_IS_TERMINATING);
}

/** Resumes a thread; of one that has exited the count is 0. @returns the count before */
export function PsResumeThread(k: Kernel, thread: EThread): number {
  return KeResumeThread(k, thread);
}

/** Suspends every thread of a process; failures of single threads are ignored. @returns PROCESS_IS_TERMINATING */
export function PsSuspendProcess(k: Kernel, process: EProcess): Blocking<NtStatus> {
  return forEachThread(k, process, (thread) => {
    PsSuspendThread(k, thread);
  });
}

/** Resumes every thread of a process. @returns PROCESS_IS_TERMINATING */
export function PsResumeProcess(k: Kernel, process: EProcess): Blocking<NtStatus> {
  return forEachThread(k, process, (thread) => {
    PsResumeThread(k, thread);
  });
}

function* forEachThread(k: Kernel, process: EProcess, act: (thread: EThread) => void): Blocking<NtStatus> {
  KeEnterCriticalRegion(k);
  if (!ExAcquireRundownProtection(process.rundownProtect)) {
    yield* KeLeaveCriticalRegion(k);
    return STATUS_PROCESS_IS_TERMINATING;
  }
  for (
    let thread = yield* PsGetNextProcessThread(k, process, null);
    thread !== null;
    thread = yield* PsGetNextProcessThread(k, process, thread)
  ) {
    act(thread);
  }
  ExReleaseRundownProtection(k, process.rundownProtect);
  yield* KeLeaveCriticalRegion(k);
  return STATUS_SUCCESS;
}
