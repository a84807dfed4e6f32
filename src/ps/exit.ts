/**
 * How a thread exits, and with the last one its process. The order of the steps is NT's, and it is what programs see:
 * thread notification, debugger, CLIENT_DIED, abandoned mutants, exit status; for the last thread then process
 * notification, handles closed, memory gone, process signaled; at the very end the thread is signaled.
 *
 * Invariants: it runs once for a thread (D24), in the thread itself, attached nowhere and with its APCs enabled. The
 * last thread goes on only when all its siblings are signaled, so from there on it is alone in the process.
 */
import { APC_LEVEL, BugCheckCode, KernelMode, PASSIVE_LEVEL, UserMode, WaitReason } from "../abi/ke.ts";
import { PSF_PROCESS_DELETE } from "../abi/ps.ts";
import { type NtStatus, STATUS_PENDING, STATUS_THREAD_IS_TERMINATING } from "../abi/status.ts";
import { ExAcquirePushLockExclusive, ExReleasePushLock } from "../ex/pushlock.ts";
import { ExRundownCompleted, ExWaitForRundownProtectionRelease } from "../ex/rundown.ts";
import { ExTimerRundown } from "../ex/timer.ts";
import { IoCancelThreadIo } from "../io/cancel.ts";
import { KeFlushQueueApc } from "../ke/apc.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import { KeLowerIrql } from "../ke/irql.ts";
import type { KApc } from "../ke/objects.ts";
import { KeRundownThread } from "../ke/mutant.ts";
import { KeSetProcess } from "../ke/process.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import { KeForceResumeThread } from "../ke/suspend.ts";
import { KeReadStateThread, KeTerminateThread } from "../ke/thread.ts";
import { KeQueryInterruptTime } from "../ke/time.ts";
import { waitInKernel } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { LpcExitThread } from "../lpc/exit.ts";
import { MmCleanProcessAddressSpace } from "../mm/clean.ts";
import { ObKillProcess } from "../ob/killprocess.ts";
import { ObDereferenceObject, ObReferenceObjectSafe } from "../ob/reference.ts";
import { PopCleanupPowerState } from "../po/power.ts";
import { assert } from "../rtl/assert.ts";
import type { ListEntry } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { erratumGap } from "../sim/gap.ts";
import { emit, type HeldResource } from "../sim/record.ts";
import { SeAuditProcessExit, SeDetailedAuditingWithToken } from "../se/audit.ts";
import { PsGetCurrentThread } from "./current.ts";
import { breakIfCritical, notifyDebugger, rundownWin32 } from "./exitobservers.ts";
import { PspExitProcess } from "./exitprocess.ts";
import { PspSetProcessFlag } from "./flags.ts";
import { PspExitProcessFromJob } from "./jobmembers.ts";
import { PspRunCreateThreadNotifyRoutines } from "./notify.ts";
import type { EProcess, EThread } from "./objects.ts";
import { skip, step } from "./steps.ts";
import { notifyTerminationPorts } from "./terminationport.ts";
import { releaseTeb } from "./threadmemory.ts";
import { handleOf } from "./waits.ts";

/**
 * Ends the current thread, and its process if it is the last one. Never returns.
 * @irql PASSIVE_LEVEL, or APC_LEVEL when the kill is delivered on the way to user mode
 * @source ntoskrnl/ps/kill.c:451-921, PspExitThread
 * @deviates every step exactly once even if a callback re-enters (D24); kernel-APC-in-progress ends here (D23); process and
 *   thread are signaled in one step (D30)
 * @erratum D23, D24, D30 the opposite of each; D25 thread rundown is never completed
 */
export function* PspExitThread(k: Kernel, exitStatus: NtStatus): Blocking<never> {
  const thread = PsGetCurrentThread(k);
  const process = thread.threadsProcess;
  yield* refuseUnlessFitToExit(k, thread);
  yield* announceExit(k, thread);

  const last = yield* leaveProcess(k, thread, exitStatus);
  yield* notifyDebugger(k, thread, exitStatus, { last });
  yield* breakIfCritical(k, thread, { last });
  yield* notifyTerminationPorts(k, thread, exitStatus);
  yield* rundownWin32(k, thread, { last });

  yield* releaseKernelResources(k, thread);
  yield* releaseTeb(k, thread);
  LpcExitThread(k, thread);
  step(k, "E31");
  recordExit(k, thread, exitStatus);
  if (last) yield* endProcess(k, thread, process);

  yield* rundownUserApcs(k, thread);
  if (last) {
    yield* MmCleanProcessAddressSpace(k, process);
    step(k, "E43");
  } else skip(k, "E43", "not-last");
  callLegoRoutine(k, thread);
  bugCheckOnKernelApcs(k, thread);
  if (last) signalProcess(k, process);
  else skip(k, "E46", "not-last");
  if (last && k.sim.errata.has("D30")) yield* erratumGap(k, "D30:process-signaled");
  step(k, "E47");
  return yield* KeTerminateThread(k, 0);
}

/** E1 to E5: a thread that is attached, a worker, or has its APCs off may not exit. */
function* refuseUnlessFitToExit(k: Kernel, thread: EThread): Blocking<void> {
  step(k, "E1");
  assert(!thread.exiting || k.sim.errata.has("D24"), "a thread exits once");
  thread.exiting = true;
  if (thread.apcStateIndex !== 0) {
    step(k, "E2");
    const attached = thread.apcState.process.id;
    KeBugCheckEx(k, BugCheckCode.INVALID_PROCESS_ATTACH_ATTEMPT, thread.threadsProcess.id, attached, 1, thread.id);
  }
  // Whoever calls this from a normal kernel APC never returns to its delivery (D23).
  if (!k.sim.errata.has("D23")) thread.apcState.kernelApcInProgress = false;
  const raised = k.ke.prcb.irql >= APC_LEVEL;
  if (raised) yield* KeLowerIrql(k, PASSIVE_LEVEL);
  step(k, "E3", raised ? "lowered" : "passive");
  if (thread.activeExWorker) {
    step(k, "E4");
    KeBugCheckEx(k, BugCheckCode.ACTIVE_EX_WORKER_THREAD_TERMINATION, thread.id);
  }
  if (thread.combinedApcDisable !== 0) {
    step(k, "E5");
    KeBugCheckEx(k, BugCheckCode.KERNEL_APC_PENDING_DURING_EXIT, 0, thread.combinedApcDisable, 0, 1);
  }
}

/** E6 to E8: nobody else works on the thread any more; those who asked hear of it while it is still whole. */
function* announceExit(k: Kernel, thread: EThread): Blocking<void> {
  yield* ExWaitForRundownProtectionRelease(k, thread.rundownProtect);
  if (!k.sim.errata.has("D25")) ExRundownCompleted(thread.rundownProtect);
  step(k, "E6");
  PopCleanupPowerState(k, thread);
  step(k, "E7");
  yield* PspRunCreateThreadNotifyRoutines(k, thread, { create: false });
  step(k, "E8");
}

/**
 * E9 to E16: the thread stops counting. The last one closes the process to new threads, settles its exit code and
 * waits for its siblings.
 * @returns whether this was the last thread
 */
function* leaveProcess(k: Kernel, thread: EThread, exitStatus: NtStatus): Blocking<boolean> {
  const process = thread.threadsProcess;
  KeEnterCriticalRegion(k);
  yield* ExAcquirePushLockExclusive(k, process.processLock);
  step(k, "E9");
  process.activeThreads--;
  assert(process.activeThreads >= 0, "a thread that exits was counted");
  const last = process.activeThreads === 0;
  step(k, "E10", last ? "last" : "not-last");
  let waited: EThread | null = null;
  if (last) {
    PspSetProcessFlag(process, PSF_PROCESS_DELETE);
    step(k, "E11");
    settleExitStatus(k, process, exitStatus);
    waited = yield* waitForSiblings(k, process, thread);
  } else if (exitStatus !== STATUS_THREAD_IS_TERMINATING) {
    process.lastThreadExitStatus = exitStatus;
    process.lastThreadExitStatusRecorded = true;
    step(k, "E14");
  } else skip(k, "E14", "stillborn");
  ExReleasePushLock(k, process.processLock);
  yield* KeLeaveCriticalRegion(k);
  step(k, "E15");
  if (waited !== null) yield* ObDereferenceObject(k, waited);
  step(k, "E16", waited === null ? "none" : "dropped");
  return last;
}

/**
 * The process's exit code: the last thread's status, unless that thread was never born properly.
 * @deviates if nobody ever recorded a status it stays THREAD_IS_TERMINATING, not success (D14)
 * @erratum D14 takes the initial value for a status that somebody recorded
 */
function settleExitStatus(k: Kernel, process: EProcess, exitStatus: NtStatus): void {
  if (exitStatus !== STATUS_THREAD_IS_TERMINATING) {
    process.exitStatus = exitStatus;
    step(k, "E12", "own-status");
    return;
  }
  if (process.exitStatus !== STATUS_PENDING) {
    step(k, "E12", "already-settled");
    return;
  }
  const recorded = process.lastThreadExitStatusRecorded || k.sim.errata.has("D14");
  process.exitStatus = recorded ? process.lastThreadExitStatus : exitStatus;
  step(k, "E12", recorded ? "recorded-status" : "never-recorded");
}

/**
 * E13: waits until every other thread is signaled, dropping the lock for each wait. The entry that the walk stands on
 * is pinned by a reference, because only deletion unlinks a thread; no new entry can appear, DELETE is set.
 * @returns the thread waited for last, still referenced
 */
function* waitForSiblings(k: Kernel, process: EProcess, self: EThread): Blocking<EThread | null> {
  let waited: EThread | null = null;
  let entry: ListEntry<EThread> | null = process.ethreadListHead.flink;
  while (entry !== null && entry.owner !== null) {
    const sibling: EThread = entry.owner;
    if (sibling !== self && referenceUnlessEnded(k, sibling)) {
      ExReleasePushLock(k, process.processLock);
      yield* KeLeaveCriticalRegion(k);
      yield* waitInKernel(k, sibling, WaitReason.Executive);
      step(k, "E13", waited === null ? "first" : "another");
      if (waited !== null) yield* ObDereferenceObject(k, waited);
      waited = sibling;
      KeEnterCriticalRegion(k);
      yield* ExAcquirePushLockExclusive(k, process.processLock);
    }
    entry = entry.flink;
  }
  return waited;
}

/** A thread that has ended, or whose object is going away, is not waited for. */
function referenceUnlessEnded(k: Kernel, sibling: EThread): boolean {
  if (KeReadStateThread(sibling) !== 0) {
    skip(k, "E13", "signaled");
    return false;
  }
  if (ObReferenceObjectSafe(sibling)) return true;
  skip(k, "E13", "being-deleted");
  return false;
}

/** E25 to E29: what the thread holds in the kernel. */
function* releaseKernelResources(k: Kernel, thread: EThread): Blocking<void> {
  if (!thread.enableStackSwap) {
    step(k, "E25");
    KeBugCheckEx(k, BugCheckCode.KERNEL_STACK_LOCKED_AT_EXIT);
  }
  yield* IoCancelThreadIo(k, thread);
  step(k, "E26");
  ExTimerRundown(k, thread);
  step(k, "E27");
  step(k, "E28");
  KeRundownThread(k, (mutant) => {
    recordHeld(k, thread, { kind: "mutant", id: handleOf(thread.threadsProcess, mutant), note: "abandoned" });
  });
  step(k, "E29");
}

/** E32 and E33: from now on queries answer the final status, though the thread is not signaled yet. */
function recordExit(k: Kernel, thread: EThread, exitStatus: NtStatus): void {
  thread.exitStatus = exitStatus;
  thread.exitTime = KeQueryInterruptTime(k);
  step(k, "E32");
  emit(k, {
    kind: "thread-exited",
    time: thread.exitTime,
    pid: thread.threadsProcess.pid,
    tid: thread.tid,
    status: exitStatus,
  });
  if (thread.combinedApcDisable !== 0) bugCheckOnRegions(k, thread, null);
  step(k, "E33");
}

/** E34 to E40: the last thread takes the process down; the memory stays until the user APCs are gone. */
function* endProcess(k: Kernel, thread: EThread, process: EProcess): Blocking<void> {
  process.exitTime = thread.exitTime;
  step(k, "E34");
  emit(k, { kind: "process-exiting", time: thread.exitTime, pid: process.pid, status: process.exitStatus });
  yield* PspExitProcess(k, process, { lastThread: true });
  step(k, "E35");
  const audited = process.token !== null && SeDetailedAuditingWithToken(k, process.token);
  if (audited) SeAuditProcessExit(k, process);
  step(k, "E36", audited ? "audited" : "not-audited");
  step(k, "E37");
  yield* ObKillProcess(k, process);
  step(k, "E38");
  const section = process.sectionObject;
  if (section !== null) {
    process.sectionObject = null;
    yield* ObDereferenceObject(k, section);
    step(k, "E39");
  } else skip(k, "E39", "no-section");
  if (process.job !== null) {
    yield* PspExitProcessFromJob(k, process);
    step(k, "E40");
  } else skip(k, "E40", "no-job");
}

/** E41 and E42: no APC may be queued any more; the queued ones are run down. */
function* rundownUserApcs(k: Kernel, thread: EThread): Blocking<void> {
  KeEnterCriticalRegion(k);
  thread.apcQueueable = false;
  KeForceResumeThread(k, thread);
  yield* KeLeaveCriticalRegion(k);
  step(k, "E41");
  const discarded = KeFlushQueueApc(k, thread, UserMode);
  for (const apc of discarded) {
    if (!apc.isExit) recordHeld(k, thread, { kind: "apc", id: apc.id, note: "discarded" });
    if (apc.rundownRoutine !== null) yield* apc.rundownRoutine(k, apc);
  }
  step(k, "E42", discarded.length === 0 ? "none" : "some");
}

/** E44. */
function callLegoRoutine(k: Kernel, thread: EThread): void {
  if (thread.legoData === null) {
    skip(k, "E44", "none");
    return;
  }
  k.ps.legoNotify?.(k, thread);
  step(k, "E44");
}

/** E45. */
function bugCheckOnKernelApcs(k: Kernel, thread: EThread): void {
  const [apc] = KeFlushQueueApc(k, thread, KernelMode);
  if (apc === undefined && thread.combinedApcDisable === 0) {
    step(k, "E45", "clean");
    return;
  }
  step(k, "E45", apc === undefined ? "apcs-off" : "apc-left");
  bugCheckOnRegions(k, thread, apc ?? null);
}

function bugCheckOnRegions(k: Kernel, thread: EThread, apc: KApc | null): never {
  const { KERNEL_APC_PENDING_DURING_EXIT } = BugCheckCode;
  return KeBugCheckEx(k, KERNEL_APC_PENDING_DURING_EXIT, apc?.id ?? 0, thread.combinedApcDisable, k.ke.prcb.irql, 0);
}

/** E46: handles, memory and mutants are gone by now; whoever waits for the process may rely on it. */
function signalProcess(k: Kernel, process: EProcess): void {
  KeSetProcess(k, process, 0);
  step(k, "E46");
  emit(k, { kind: "process-signaled", time: KeQueryInterruptTime(k), pid: process.pid });
}

/** Adds to the death certificate what the thread still held. */
function recordHeld(k: Kernel, thread: EThread, held: HeldResource): void {
  if (k.sim.record === null) return;
  emit(k, { kind: "thread-held", pid: thread.threadsProcess.pid, tid: thread.tid, held });
}
