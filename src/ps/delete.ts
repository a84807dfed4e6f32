/**
 * The delete procedures of processes and threads: they run when the last reference goes, in whatever thread drops it,
 * and must cope with an object in any stage of construction. Only here does a PID or TID become free again, and only
 * here does a thread leave its process's list.
 */
import { BugCheckCode } from "../abi/ke.ts";
import { CT_ACTIVE_IMPERSONATION_INFO, PSF_HAS_ADDRESS_SPACE, TAG_SEPA, WORKING_SET_WATCH_QUOTA } from "../abi/ps.ts";
import { ExDestroyHandle } from "../ex/handle.ts";
import { ExFreePool, ExFreePoolWithTag } from "../ex/pool.ts";
import { ExAcquirePushLockExclusive, ExReleasePushLock } from "../ex/pushlock.ts";
import { dereferenceQuotaBlock, returnQuota } from "../ex/quota.ts";
import { KeStackAttachProcess, KeUnstackDetachProcess } from "../ke/attach.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import { KeAcquireGuardedMutex, KeReleaseGuardedMutex } from "../ke/gmutex.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import { KeQueryInterruptTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { MmDeleteProcessAddressSpace } from "../mm/clean.ts";
import { MmDeleteKernelStack } from "../mm/kernelstack.ts";
import { ObKillProcess } from "../ob/killprocess.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { assert } from "../rtl/assert.ts";
import type { ObjectBody } from "../rtl/body.ts";
import { isLinked, removeEntry } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { emit } from "../sim/record.ts";
import { PspExitProcess } from "./exitprocess.ts";
import { hasProcessFlag, PspClearCrossThreadFlag } from "./flags.ts";
import { PspRemoveProcessFromJob } from "./jobmembers.ts";
import { EProcess, EThread } from "./objects.ts";
import { skip, step } from "./steps.ts";
import { PspDeleteThreadName } from "./threadname.ts";

/**
 * Delete procedure of the Process type.
 * @source ntoskrnl/ps/kill.c:254-390, PspDeleteProcess
 */
export function* PspDeleteProcess(k: Kernel, body: ObjectBody): Blocking<void> {
  assert(body instanceof EProcess, "the Process type holds processes");
  const process = body;
  yield* leaveActiveList(k, process);
  const { auditImageName } = process;
  process.auditImageName = null;
  if (auditImageName !== null) ExFreePoolWithTag(k, auditImageName, TAG_SEPA);
  step(k, "DP2", auditImageName === null ? "none" : "freed");
  if (process.job !== null) {
    const { job } = process;
    yield* PspRemoveProcessFromJob(k, process, job);
    process.job = null;
    yield* ObDereferenceObject(k, job);
    step(k, "DP3");
  } else skip(k, "DP3", "no-job");
  process.stackCount++;
  step(k, "DP4");
  yield* releasePortsAndSection(k, process);
  step(k, "DP8");
  yield* releaseHandlesAndMemory(k, process);
  releaseProcessId(k, process);
  const { token } = process;
  process.token = null;
  if (token !== null) yield* ObDereferenceObject(k, token);
  step(k, "DP13", token === null ? "none" : "dropped");
  if (process.workingSetWatch !== null) {
    ExFreePool(k, process.workingSetWatch);
    process.workingSetWatch = null;
    if (process.quotaBlock !== null) returnQuota(process.quotaBlock, "poolBytes", WORKING_SET_WATCH_QUOTA);
    step(k, "DP14");
  } else skip(k, "DP14", "none");
  // Every process sees the same drive letters, so there is no map of its own to give back.
  step(k, "DP15");
  releaseQuota(process);
  step(k, "DP16");
}

/** DP16: the block goes with its last process. */
function releaseQuota(process: EProcess): void {
  const quota = process.quotaBlock;
  if (quota === null) return;
  if (process.quotaCharged) returnQuota(quota, "processes", 1);
  dereferenceQuotaBlock(quota);
  process.quotaBlock = null;
}

/** DP1. */
function* leaveActiveList(k: Kernel, process: EProcess): Blocking<void> {
  if (!isLinked(process.activeProcessLinks)) {
    skip(k, "DP1", "not-listed");
    return;
  }
  yield* KeAcquireGuardedMutex(k, k.ps.activeProcessMutex);
  removeEntry(process.activeProcessLinks);
  yield* KeReleaseGuardedMutex(k, k.ps.activeProcessMutex);
  step(k, "DP1");
}

/** DP5 to DP7. */
function* releasePortsAndSection(k: Kernel, process: EProcess): Blocking<void> {
  const { debugPort, exceptionPort, sectionObject } = process;
  process.debugPort = null;
  process.exceptionPort = null;
  process.sectionObject = null;
  if (debugPort !== null) yield* ObDereferenceObject(k, debugPort);
  step(k, "DP5", debugPort === null ? "none" : "dropped");
  if (exceptionPort !== null) yield* ObDereferenceObject(k, exceptionPort);
  step(k, "DP6", exceptionPort === null ? "none" : "dropped");
  if (sectionObject !== null) yield* ObDereferenceObject(k, sectionObject);
  step(k, "DP7", sectionObject === null ? "none" : "dropped");
}

/** DP9 and DP10: handles before memory, because close procedures may touch the memory. */
function* releaseHandlesAndMemory(k: Kernel, process: EProcess): Blocking<void> {
  if (process.objectTable !== null) {
    const undo = KeStackAttachProcess(k, process);
    yield* ObKillProcess(k, process);
    yield* KeUnstackDetachProcess(k, undo);
    step(k, "DP9");
  } else skip(k, "DP9", "no-table");
  if (!hasProcessFlag(process, PSF_HAS_ADDRESS_SPACE)) {
    skip(k, "DP10", "no-address-space");
    return;
  }
  const undo = KeStackAttachProcess(k, process);
  yield* PspExitProcess(k, process, { lastThread: false });
  yield* KeUnstackDetachProcess(k, undo);
  yield* MmDeleteProcessAddressSpace(k, process);
  step(k, "DP10");
}

/** DP11 and DP12. */
function releaseProcessId(k: Kernel, process: EProcess): void {
  step(k, "DP11", process.pid === 0 ? "no-id" : "id");
  if (process.pid === 0) return;
  const freed = ExDestroyHandle(k.ps.cidTable, process.pid);
  step(k, "DP12", freed ? "freed" : "not-there");
  if (!freed) KeBugCheckEx(k, BugCheckCode.CID_HANDLE_DELETION);
  emit(k, { kind: "process-deleted", time: KeQueryInterruptTime(k), pid: process.pid });
}

/**
 * Delete procedure of the Thread type.
 * @source ntoskrnl/ps/kill.c:392-445, PspDeleteThread
 */
export function* PspDeleteThread(k: Kernel, body: ObjectBody): Blocking<void> {
  assert(body instanceof EThread, "the Thread type holds threads");
  const thread = body;
  assert(thread.win32Thread === null, "win32k let go of the thread before its deletion");
  const process = thread.threadsProcess;
  if (thread.initialStack !== null) {
    MmDeleteKernelStack(k, thread);
    step(k, "DT1");
  } else skip(k, "DT1", "no-stack");
  releaseThreadId(k, thread);
  if (process.quotaBlock !== null) returnQuota(process.quotaBlock, "threads", 1);
  yield* PspDeleteThreadSecurity(k, thread);
  // Erratum D38: what was added to a thread later than its deletion was written.
  if (!k.sim.errata.has("D38")) PspDeleteThreadName(k, thread);
  step(k, "DT4");
  if (isLinked(thread.ethreadListEntry)) {
    KeEnterCriticalRegion(k);
    yield* ExAcquirePushLockExclusive(k, process.processLock);
    removeEntry(thread.ethreadListEntry);
    ExReleasePushLock(k, process.processLock);
    yield* KeLeaveCriticalRegion(k);
    step(k, "DT5");
  } else skip(k, "DT5", "never-listed");
  yield* ObDereferenceObject(k, process);
  step(k, "DT6");
}

/** DT2. */
function releaseThreadId(k: Kernel, thread: EThread): void {
  if (thread.tid === 0) {
    skip(k, "DT2", "no-id");
    return;
  }
  const freed = ExDestroyHandle(k.ps.cidTable, thread.tid);
  step(k, "DT2", freed ? "freed" : "not-there");
  if (!freed) KeBugCheckEx(k, BugCheckCode.CID_HANDLE_DELETION);
  emit(k, {
    kind: "thread-deleted",
    time: KeQueryInterruptTime(k),
    pid: thread.threadsProcess.pid,
    tid: thread.tid,
  });
}

/** DT3: drops what the thread impersonates. */
function* PspDeleteThreadSecurity(k: Kernel, thread: EThread): Blocking<void> {
  const info = thread.impersonationInfo;
  thread.impersonationInfo = null;
  const before = PspClearCrossThreadFlag(thread, CT_ACTIVE_IMPERSONATION_INFO);
  const active = info !== null && (before & CT_ACTIVE_IMPERSONATION_INFO) !== 0;
  if (active) yield* ObDereferenceObject(k, info.token);
  step(k, "DT3", active ? "dropped" : "none");
}
