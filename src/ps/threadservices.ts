/** Typed system services on threads: suspension, APCs, alerts, sleeping. User pointers are dealt with in `nt/`. */
import { KeGetPreviousMode } from "../ke/current.ts";
import { type ProcessorMode, ThreadState, UserMode, WaitReason } from "../abi/ke.ts";
import { CT_SYSTEM_THREAD, TAG_USER_APC, THREAD_SET_CONTEXT, THREAD_SUSPEND_RESUME } from "../abi/ps.ts";
import {
  type NtResult,
  type NtStatus,
  STATUS_ALERTED,
  STATUS_INVALID_CID,
  STATUS_INVALID_HANDLE,
  STATUS_NO_MEMORY,
  STATUS_NO_YIELD_PERFORMED,
  STATUS_SUCCESS,
  STATUS_UNSUCCESSFUL,
  success,
} from "../abi/status.ts";
import { ExAllocatePoolWithTag, ExFreePoolWithTag, type PoolBlock } from "../ex/pool.ts";
import { KeInsertQueueApc, KeTestAlertThread, newApc } from "../ke/apc.ts";
import { KiPreempt } from "../ke/preempt.ts";
import { bestReadyThread } from "../ke/ready.ts";
import { KeAlertThread } from "../ke/alert.ts";
import { KeDelayExecutionThread, KeWaitForMultipleObjects } from "../ke/wait.ts";
import { KiUnwaitThread } from "../ke/unwait.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "./current.ts";
import { hasCrossThreadFlag } from "./flags.ts";
import { PsLookupThreadByThreadId } from "./lookup.ts";
import type { EThread } from "./objects.ts";
import { PsResumeThread, PsSuspendThread } from "./suspend.ts";

/** References a thread for the length of one call. */
export function referenceThread(k: Kernel, handle: number, access: number): NtResult<EThread> {
  return ObReferenceObjectByHandle<EThread>(k, handle, access, k.ps.threadType, KeGetPreviousMode(k));
}

/** @returns the suspend count before */
export function* NtSuspendThread(k: Kernel, handle: number): Blocking<NtResult<number>> {
  const thread = referenceThread(k, handle, THREAD_SUSPEND_RESUME);
  if (!thread.ok) return thread;
  const before = PsSuspendThread(k, thread.value);
  yield* ObDereferenceObject(k, thread.value);
  return before;
}

/** @returns the suspend count before; 0 for a thread that has exited */
export function* NtResumeThread(k: Kernel, handle: number): Blocking<NtResult<number>> {
  const thread = referenceThread(k, handle, THREAD_SUSPEND_RESUME);
  if (!thread.ok) return thread;
  const before = PsResumeThread(k, thread.value);
  yield* ObDereferenceObject(k, thread.value);
  return success(before);
}

/** What a user APC calls: an address, or a script's routine. */
export interface UserApcTarget {
  readonly routine: number;
  readonly script?: unknown;
  readonly context: unknown;
  readonly argument1: unknown;
  readonly argument2: unknown;
}

/**
 * Queues a user APC.
 * @returns INVALID_HANDLE for a system thread, NO_MEMORY, UNSUCCESSFUL for a thread that has exited
 */
export function* NtQueueApcThread(k: Kernel, handle: number, target: UserApcTarget): Blocking<NtStatus> {
  const thread = referenceThread(k, handle, THREAD_SET_CONTEXT);
  if (!thread.ok) return thread.status;
  const status = queueUserApc(k, thread.value, target);
  yield* ObDereferenceObject(k, thread.value);
  return status;
}

function queueUserApc(k: Kernel, thread: EThread, target: UserApcTarget): NtStatus {
  if (hasCrossThreadFlag(thread, CT_SYSTEM_THREAD)) return STATUS_INVALID_HANDLE;
  const block = ExAllocatePoolWithTag(k, 0x30, TAG_USER_APC);
  if (block === null) return STATUS_NO_MEMORY;
  const apc = newApc(k, thread, {
    environment: 0,
    kernelRoutine: (kernel) => freeUserApc(kernel, block),
    rundownRoutine: (kernel) => freeUserApc(kernel, block),
    // Without a routine it is a special kernel APC, which ends no alertable wait.
    normalRoutine: target.routine === 0 ? null : target.routine,
    userRoutine: target.script,
    mode: UserMode,
    context: target.context,
  });
  if (KeInsertQueueApc(k, apc, target.argument1, target.argument2, 0)) return STATUS_SUCCESS;
  ExFreePoolWithTag(k, block, TAG_USER_APC);
  return STATUS_UNSUCCESSFUL;
}

/** Kernel and rundown routine: the block is theirs to free. */
// eslint-disable-next-line require-yield
function* freeUserApc(k: Kernel, block: PoolBlock): Blocking<void> {
  ExFreePoolWithTag(k, block, TAG_USER_APC);
}

/** Delivers queued user APCs on the way back. @returns ALERTED if the thread was alerted */
export function NtTestAlert(k: Kernel): NtStatus {
  const thread = PsGetCurrentThread(k);
  return KeTestAlertThread(thread, UserMode) ? STATUS_ALERTED : STATUS_SUCCESS;
}

export function* NtAlertThread(k: Kernel, handle: number): Blocking<NtStatus> {
  const thread = referenceThread(k, handle, THREAD_SUSPEND_RESUME);
  if (!thread.ok) return thread.status;
  KeAlertThread(k, thread.value, KeGetPreviousMode(k));
  yield* ObDereferenceObject(k, thread.value);
  return STATUS_SUCCESS;
}

/** @param interval100ns from now; null sleeps for ever */
export function* NtDelayExecution(k: Kernel, alertable: boolean, interval100ns: number | null): Blocking<NtStatus> {
  if (interval100ns === 0 && !alertable) {
    PsGetCurrentThread(k).quantum = 0;
    yield* KiPreempt();
    return STATUS_SUCCESS;
  }
  const mode = KeGetPreviousMode(k);
  return yield* KeDelayExecutionThread(k, { mode, alertable, timeout100ns: interval100ns });
}

/** Gives the rest of the turn to another ready thread. @returns NO_YIELD_PERFORMED if there is none */
export function* NtYieldExecution(k: Kernel): Blocking<NtStatus> {
  if (bestReadyThread(k, k.ke.prcb) === null) return STATUS_NO_YIELD_PERFORMED;
  PsGetCurrentThread(k).quantum = 0;
  yield* KiPreempt();
  return STATUS_SUCCESS;
}

/** Waits until somebody calls {@link NtAlertThreadByThreadId} for this thread. @returns ALERTED, TIMEOUT or USER_APC */
export function* NtWaitForAlertByThreadId(k: Kernel, timeout100ns: number | null): Blocking<NtStatus> {
  const thread = PsGetCurrentThread(k);
  if (!thread.alertedByThreadId) {
    const mode: ProcessorMode = KeGetPreviousMode(k);
    const reason = WaitReason.WrAlertByThreadId;
    const status = yield* KeWaitForMultipleObjects(k, [], 0, { reason, mode, alertable: false, timeout100ns });
    if (!thread.alertedByThreadId) return status;
  }
  thread.alertedByThreadId = false;
  return STATUS_ALERTED;
}

/** Wakes a thread of the caller's process, or lets its next wait return at once. @returns INVALID_CID */
export function* NtAlertThreadByThreadId(k: Kernel, tid: number): Blocking<NtStatus> {
  const found = PsLookupThreadByThreadId(k, tid);
  if (!found.ok) return STATUS_INVALID_CID;
  const thread = found.value;
  if (thread.threadsProcess !== PsGetCurrentProcess(k)) {
    yield* ObDereferenceObject(k, thread);
    return STATUS_INVALID_CID;
  }
  thread.alertedByThreadId = true;
  const waits = thread.state === ThreadState.Waiting && thread.waitReason === WaitReason.WrAlertByThreadId;
  if (waits) KiUnwaitThread(k, thread, STATUS_ALERTED, 0);
  yield* ObDereferenceObject(k, thread);
  return STATUS_SUCCESS;
}
