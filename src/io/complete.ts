/**
 * The end of a request. A device completes it wherever it happens to run; the request is finished in the context of the
 * thread that issued it, by a special kernel APC, because results go to that thread's memory and list.
 *
 * A thread that takes no more APCs cannot finish anything: then the completion finishes the request itself, without the
 * thread (D21). The erratum of that name drops the request instead, which leaks it and its file.
 */
import { BugCheckCode, UserMode } from "../abi/ke.ts";
import { NT_ERROR, type NtStatus } from "../abi/status.ts";
import { ExFreePoolWithTag } from "../ex/pool.ts";
import { KeInsertQueueApc, newApc, noKernelRoutine } from "../ke/apc.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import { KeSetEvent } from "../ke/event.ts";
import type { Kernel } from "../kernel.ts";
import { ObDereferenceObject, ObDereferenceObjectDeferDelete } from "../ob/reference.ts";
import { assert } from "../rtl/assert.ts";
import { isLinked, removeEntry } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { IoSetIoCompletion } from "./completionport.ts";
import { countRequest } from "./counters.ts";
import { type Irp, TAG_IRP } from "./irp.ts";
import { IoProcess } from "./process.ts";

/**
 * Completes a pending request. The caller must not touch it afterwards, and has taken its cancel routine away before.
 * Bug check 0x44 if it was completed already, 0x48 if it still has a cancel routine.
 * @irql <= DISPATCH_LEVEL
 */
export function IoCompleteRequest(k: Kernel, irp: Irp, status: NtStatus, information: number, increment: number): void {
  if (irp.completed) KeBugCheckEx(k, BugCheckCode.MULTIPLE_IRP_COMPLETE_REQUESTS, irp.id);
  if (irp.cancelRoutine !== null) KeBugCheckEx(k, BugCheckCode.CANCEL_STATE_IN_COMPLETED_IRP, irp.id);
  irp.completed = true;
  irp.status = status;
  irp.information = information;
  const thread = irp.thread;
  if (thread === null) {
    finishWithoutThread(k, irp);
    return;
  }
  const apc = newApc(k, thread, {
    environment: 0,
    kernelRoutine: () => IopCompleteRequest(k, irp),
    rundownRoutine: () => IopAbortRequest(k, irp),
    normalRoutine: null,
    mode: 0,
  });
  if (KeInsertQueueApc(k, apc, null, null, increment)) return;
  if (!k.sim.errata.has("D21")) finishWithoutThread(k, irp);
}

/** Finishes a request in its thread's context: results, then signals, then references. */
export function* IopCompleteRequest(k: Kernel, irp: Irp): Blocking<void> {
  beginFinish(irp);
  const process = irp.thread?.process;
  if (process instanceof IoProcess) countRequest(process.ioCounters, irp.major, irp.information);
  if (irp.writeBack !== null) irp.writeBack(k, irp);
  // A request that failed at once says so by its status alone.
  if (irp.pendingReturned || !NT_ERROR(irp.status)) announce(k, irp);
  else if (irp.file.synchronous) KeSetEvent(k, irp.file.event, 0);
  yield* releaseIrp(k, irp);
}

/** Finishes a request whose thread ended with the completion APC still queued: nobody is left to copy results to. */
function* IopAbortRequest(k: Kernel, irp: Irp): Blocking<void> {
  beginFinish(irp);
  signalEvents(k, irp);
  yield* releaseIrp(k, irp);
}

function finishWithoutThread(k: Kernel, irp: Irp): void {
  beginFinish(irp);
  signalEvents(k, irp);
  ExFreePoolWithTag(k, irp.block, TAG_IRP);
  if (irp.userEvent !== null) ObDereferenceObjectDeferDelete(k, irp.userEvent);
  ObDereferenceObjectDeferDelete(k, irp.file);
}

function beginFinish(irp: Irp): void {
  assert(!irp.finished, "a request is finished once");
  irp.finished = true;
  if (isLinked(irp.threadListEntry)) removeEntry(irp.threadListEntry);
}

/** Tells whoever asked to be told: the event, then the user APC or the completion port. */
function announce(k: Kernel, irp: Irp): void {
  signalEvents(k, irp);
  if (irp.userApc !== null) {
    queueUserApc(k, irp);
    return;
  }
  const { completion } = irp.file;
  if (completion === null || irp.apcContext === 0) return;
  IoSetIoCompletion(k, completion.port, completion.key, irp.apcContext, irp.status, irp.information);
}

function signalEvents(k: Kernel, irp: Irp): void {
  if (irp.userEvent !== null) KeSetEvent(k, irp.userEvent, 0);
  if (irp.userEvent === null || irp.file.synchronous) KeSetEvent(k, irp.file.event, 0);
}

function queueUserApc(k: Kernel, irp: Irp): void {
  const { userApc, thread } = irp;
  if (userApc === null || thread === null) return;
  const apc = newApc(k, thread, {
    environment: 2,
    kernelRoutine: noKernelRoutine,
    normalRoutine: userApc.routine,
    userRoutine: userApc.script,
    mode: UserMode,
    context: irp.apcContext,
  });
  KeInsertQueueApc(k, apc, irp.ioStatusBlock, 0, 0);
}

function* releaseIrp(k: Kernel, irp: Irp): Blocking<void> {
  ExFreePoolWithTag(k, irp.block, TAG_IRP);
  if (irp.userEvent !== null) yield* ObDereferenceObject(k, irp.userEvent);
  yield* ObDereferenceObject(k, irp.file);
}
