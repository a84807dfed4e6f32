/**
 * Creating threads, and undoing a creation that fails or loses its race with the end of the process.
 *
 * Invariants: a thread becomes visible, by id and in its process's list, in one step and complete (D08, D09); after
 * PROCESS_DELETE is seen under ProcessLock no thread is linked any more; from linking to readying the creator is in a
 * critical region, so a suspended creator never holds up the end of the process (D36).
 */
import { APC_LEVEL, KernelMode, type ProcessorMode } from "../abi/ke.ts";
import {
  CT_DEAD_THREAD,
  CT_HIDE_FROM_DEBUGGER,
  CT_SYSTEM_THREAD,
  CT_TERMINATED,
  PSF_PROCESS_DELETE,
  THREAD_ALL_ACCESS,
  THREAD_QUERY_INFORMATION,
  THREAD_SET_INFORMATION,
  THREAD_TERMINATE,
} from "../abi/ps.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  NT_SUCCESS,
  STATUS_INVALID_HANDLE,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_QUOTA_EXCEEDED,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { ExCreateHandle } from "../ex/handle.ts";
import { ExAcquirePushLockExclusive, ExReleasePushLock } from "../ex/pushlock.ts";
import { chargeQuota, returnQuota } from "../ex/quota.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../ex/rundown.ts";
import { startFirstWorker } from "../ex/work.ts";
import { newApc } from "../ke/apc.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import { KeForceResumeThread, KeSuspendThread } from "../ke/suspend.ts";
import { KeInitThread, KeReadyThread, KeStartThread, KeUninitThread } from "../ke/thread.ts";
import type { Kernel } from "../kernel.ts";
import { MmCreateKernelStack } from "../mm/kernelstack.ts";
import { MmDeleteTeb } from "../mm/teb.ts";
import { ObInsertObject } from "../ob/insert.ts";
import { ObCreateObject } from "../ob/create.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import { assert } from "../rtl/assert.ts";
import { insertTail } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { erratumGap } from "../sim/gap.ts";
import { newObjectId } from "../sim/identity.ts";
import { emit } from "../sim/record.ts";
import { createTimeBeforePublication, setCreateTimeLate } from "./creationerrata.ts";
import { PsGetCurrentThread } from "./current.ts";
import { PsExitSpecialApc } from "./exitapc.ts";
import { hasCrossThreadFlag, hasProcessFlag, PspSetCrossThreadFlag, PspSetProcessFlag } from "./flags.ts";
import { reportNewProcess } from "./jobmessage.ts";
import { PspRunCreateProcessNotifyRoutines, PspRunCreateThreadNotifyRoutines } from "./notify.ts";
import { type EProcess, EThread } from "./objects.ts";
import { PspSystemThreadStartup, PspUserThreadStartup } from "./startup.ts";

/** A thread may always end itself, and ask and say things about itself. */
const OWN_ACCESS = THREAD_TERMINATE | THREAD_SET_INFORMATION | THREAD_QUERY_INFORMATION;

/** What a new thread is to be. */
export interface ThreadCreation {
  /** Gives a user thread its TEB and its user context; null for a system thread. */
  readonly setUp: ((k: Kernel, thread: EThread) => NtStatus) | null;
  /** What a system thread runs. */
  readonly systemRoutine?: (k: Kernel) => Blocking<void>;
  readonly createSuspended?: boolean;
  readonly hideFromDebugger?: boolean;
  readonly startAddress?: number;
  readonly name?: string;
  /** What the thread's descriptor grants the process that it is in; everything unless said otherwise. */
  readonly ownAccess?: number | undefined;
  /** Make a handle in the caller's table. */
  readonly handle?:
    { readonly desiredAccess: number; readonly attributes: number; readonly mode: ProcessorMode } | undefined;
}

/** A thread that was created; the reference is the caller's to drop. */
export interface CreatedThread {
  readonly thread: EThread;
  readonly handle: number;
}

/**
 * Creates a thread in `process`, which the caller has referenced.
 * @returns the thread, referenced, and its handle (0 if none was asked for); PROCESS_IS_TERMINATING,
 *   INSUFFICIENT_RESOURCES, QUOTA_EXCEEDED or NO_MEMORY; INVALID_HANDLE for a user thread in the System process
 */
export function* PspCreateThread(
  k: Kernel,
  process: EProcess,
  creation: ThreadCreation,
): Blocking<NtResult<CreatedThread>> {
  if (creation.setUp !== null && process === k.ps.initialSystemProcess) return failure(STATUS_INVALID_HANDLE);
  const built = yield* buildThread(k, process, creation);
  if (!built.ok) return built;
  const thread = built.value;
  yield* erratumGap(k, "D07:built");
  // From here to readying nobody may suspend the creator.
  KeEnterCriticalRegion(k);
  const linked = yield* linkThread(k, process, thread);
  ExReleaseRundownProtection(k, process.rundownProtect);
  if (!NT_SUCCESS(linked)) {
    yield* KeLeaveCriticalRegion(k);
    yield* discardThread(k, process, thread);
    return failure(linked);
  }
  yield* beforeReadying(k);
  const handle = yield* publishThread(k, thread, creation);
  yield* KeLeaveCriticalRegion(k);
  if (handle.ok) return success({ thread, handle: handle.value });
  yield* ObDereferenceObject(k, thread);
  return handle;
}

/** Makes the object, its memory and its stack; takes process rundown on success. */
function* buildThread(k: Kernel, process: EProcess, creation: ThreadCreation): Blocking<NtResult<EThread>> {
  const quota = process.quotaBlock;
  if (quota !== null && !chargeQuota(quota, "threads", 1)) return failure(STATUS_QUOTA_EXCEEDED);
  const ids = { semaphore: newObjectId(k), timeout: newObjectId(k) };
  const thread = new EThread(newObjectId(k), process, ids);
  const created = ObCreateObject(k, k.ps.threadType, thread);
  if (!NT_SUCCESS(created)) {
    if (quota !== null) returnQuota(quota, "threads", 1);
    return failure(created);
  }
  ObReferenceObject(process);
  grantOwnAccess(k, thread, creation.ownAccess ?? THREAD_ALL_ACCESS);
  thread.createTime = createTimeBeforePublication(k);
  thread.startAddress = creation.startAddress ?? 0;
  if (creation.setUp === null) thread.crossThreadFlags |= CT_SYSTEM_THREAD;
  if (creation.hideFromDebugger === true) thread.crossThreadFlags |= CT_HIDE_FROM_DEBUGGER;
  const named = giveThreadId(k, thread);
  yield* erratumGap(k, "D09:id-given");
  const status = NT_SUCCESS(named) ? furnishThread(k, process, thread, creation) : named;
  if (NT_SUCCESS(status)) return success(thread);
  yield* discardThread(k, process, thread);
  return failure(status);
}

/**
 * What the pseudo-handle -2 may do: what the descriptor grants, and always a little.
 * @erratum D40 a refusal is stored in the process, where it is what -1 may do
 */
function grantOwnAccess(k: Kernel, thread: EThread, granted: number): void {
  thread.grantedAccess = granted | OWN_ACCESS;
  if (granted === 0 && k.sim.errata.has("D40")) thread.threadsProcess.grantedAccess = 0;
}

/** The id leads to the thread from here on, but nobody finds it before it is linked (D08, D09). */
function giveThreadId(k: Kernel, thread: EThread): NtStatus {
  const id = ExCreateHandle(k, k.ps.cidTable, thread, 0, 0);
  if (!id.ok) return id.status;
  thread.tid = id.value;
  return STATUS_SUCCESS;
}

/** The parts that may run out. Whatever was made is undone by {@link discardThread} or the delete procedure. */
function furnishThread(k: Kernel, process: EProcess, thread: EThread, creation: ThreadCreation): NtStatus {
  if (!ExAcquireRundownProtection(process.rundownProtect)) return STATUS_PROCESS_IS_TERMINATING;
  const status = furnishUnderRundown(k, thread, creation);
  if (!NT_SUCCESS(status)) ExReleaseRundownProtection(k, process.rundownProtect);
  return status;
}

function furnishUnderRundown(k: Kernel, thread: EThread, creation: ThreadCreation): NtStatus {
  thread.exitApc = newApc(k, thread, {
    environment: 0,
    kernelRoutine: PsExitSpecialApc,
    normalRoutine: null,
    mode: KernelMode,
  });
  const { setUp, systemRoutine } = creation;
  if (setUp === null) {
    assert(systemRoutine !== undefined, "a system thread has a routine");
    KeInitThread(k, thread, (kernel) => PspSystemThreadStartup(kernel, systemRoutine));
  } else {
    const status = setUp(k, thread);
    if (!NT_SUCCESS(status)) return status;
    KeInitThread(k, thread, PspUserThreadStartup);
  }
  const stack = MmCreateKernelStack(k, thread);
  if (!NT_SUCCESS(stack)) {
    KeUninitThread(thread);
    return stack;
  }
  thread.savedIrql = APC_LEVEL;
  return STATUS_SUCCESS;
}

/**
 * Links the thread into its process, unless the process, or the creator in its own process, is dying (D07).
 * @erratum D07 asks whether the new thread is dying, which nobody can have told it yet
 */
function* linkThread(k: Kernel, process: EProcess, thread: EThread): Blocking<NtStatus> {
  const creator = PsGetCurrentThread(k);
  yield* ExAcquirePushLockExclusive(k, process.processLock);
  const doomedCreator =
    creator.threadsProcess === process &&
    !hasCrossThreadFlag(thread, CT_SYSTEM_THREAD) &&
    hasCrossThreadFlag(k.sim.errata.has("D07") ? thread : creator, CT_TERMINATED);
  const refused = hasProcessFlag(process, PSF_PROCESS_DELETE) || doomedCreator;
  if (!refused) {
    insertTail(process.ethreadListHead, thread.ethreadListEntry);
    process.activeThreads++;
    KeStartThread(k, thread);
  }
  ExReleasePushLock(k, process.processLock);
  return refused ? STATUS_PROCESS_IS_TERMINATING : STATUS_SUCCESS;
}

/**
 * Between linking and readying.
 * @erratum D36 the creator can be suspended here, with a thread that counts and cannot run
 */
function* beforeReadying(k: Kernel): Blocking<void> {
  const suspendable = k.sim.errata.has("D36");
  if (suspendable) yield* KeLeaveCriticalRegion(k);
  yield* erratumGap(k, "D36:linked");
  if (suspendable) KeEnterCriticalRegion(k);
}

/** Tells of the new thread, gives out its handle, and lets it run; a failure makes it die at once. */
function* publishThread(k: Kernel, thread: EThread, creation: ThreadCreation): Blocking<NtResult<number>> {
  const process = thread.threadsProcess;
  // A job hears of a process when there is somebody in it who can end.
  if (process.job !== null) reportNewProcess(k, process);
  emit(k, {
    kind: "thread-created",
    time: thread.createTime,
    pid: process.pid,
    tid: thread.tid,
    start: thread.startAddress,
  });
  const admitted = yield* announceBirth(k, process, thread);
  ObReferenceObject(thread); // the keep-alive, dropped by the reaper
  ObReferenceObject(thread); // the caller's
  if (creation.createSuspended === true) KeSuspendThread(k, thread);
  if (hasCrossThreadFlag(thread, CT_TERMINATED)) KeForceResumeThread(k, thread);
  let handle: NtResult<number> = NT_SUCCESS(admitted) ? success(0) : failure(admitted);
  if (creation.handle === undefined || !handle.ok) {
    yield* ObDereferenceObject(k, thread); // the creation reference has no handle to go to
  } else {
    const inserted = yield* ObInsertObject(k, thread, creation.handle);
    handle = inserted.ok ? success(inserted.value.handle) : inserted;
  }
  if (handle.ok) setCreateTimeLate(k, thread);
  else {
    PspSetCrossThreadFlag(thread, CT_DEAD_THREAD);
    KeForceResumeThread(k, thread);
  }
  KeReadyThread(k, thread);
  return handle;
}

/**
 * Tells the notify routines of the thread, and with the first one of its process.
 * @returns SUCCESS, or why a routine refuses the process
 */
function* announceBirth(k: Kernel, process: EProcess, thread: EThread): Blocking<NtStatus> {
  let admitted: NtStatus = STATUS_SUCCESS;
  if (!process.birthTold) {
    process.birthTold = true;
    admitted = yield* PspRunCreateProcessNotifyRoutines(k, process, { create: true });
    if (!NT_SUCCESS(admitted)) PspSetProcessFlag(process, PSF_PROCESS_DELETE);
  }
  yield* PspRunCreateThreadNotifyRoutines(k, thread, { create: true });
  return admitted;
}

/** Undoes a creation that was never linked. */
function* discardThread(k: Kernel, process: EProcess, thread: EThread): Blocking<void> {
  if (thread.teb !== 0) MmDeleteTeb(k, process, thread.teb);
  thread.teb = 0;
  thread.apcQueueable = false;
  thread.continuation = null;
  yield* ObDereferenceObject(k, thread);
}

/**
 * Creates a system thread in the System process.
 * @returns the thread, referenced
 */
export function* PsCreateSystemThread(
  k: Kernel,
  routine: (k: Kernel) => Blocking<void>,
  name: string,
): Blocking<NtResult<EThread>> {
  const process = k.ps.initialSystemProcess;
  assert(process !== null, "the System process exists before any system thread");
  // A process ends with its last thread, and this one may be short-lived.
  startFirstWorker(k);
  const created = yield* PspCreateThread(k, process, { setUp: null, systemRoutine: routine, name });
  return created.ok ? success(created.value.thread) : created;
}
