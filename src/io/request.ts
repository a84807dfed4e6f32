/**
 * Issuing requests: what `NtReadFile`, `NtWriteFile` and the control services have in common.
 *
 * A synchronous file takes one request at a time and waits for its end in the caller's mode; a user APC (a kill among
 * them) or, for an alertable file, an alert cancels the request, which is then waited for in kernel mode.
 */
import { BugCheckCode, KernelMode, type ProcessorMode, WaitReason } from "../abi/ke.ts";
import {
  type NtStatus,
  STATUS_ALERTED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_PENDING,
  STATUS_SUCCESS,
  STATUS_USER_APC,
} from "../abi/status.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import { KeGetCurrentThread, KeGetPreviousMode } from "../ke/current.ts";
import { KeInitializeEvent, KeResetEvent, KeSetEvent } from "../ke/event.ts";
import type { KEvent } from "../ke/objects.ts";
import { KeDelayExecutionThread, KeWaitForSingleObject } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { assert } from "../rtl/assert.ts";
import { insertTail } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { IoCancelIrp } from "./cancel.ts";
import { IopCompleteRequest } from "./complete.ts";
import type { DispatchRoutine } from "./device.ts";
import type { FileObject } from "./file.ts";
import { IoAllocateIrp, type Irp, type IrpApc, type IrpMajor, type IrpParameters, type WriteBack } from "./irp.ts";
import { IoThread } from "./thread.ts";

/** How the caller wants to hear of the end of its request. */
export interface CompletionOptions {
  /** Handle of an event, or 0. */
  readonly event?: number;
  readonly apc?: IrpApc | null;
  readonly apcContext?: number;
  /** User address of the status block, handed to the APC. */
  readonly ioStatusBlock?: number;
  /** Copies the results to user memory; called in the thread's context for every request that was finished. */
  readonly writeBack?: WriteBack | null;
}

/** What became of a request. */
export interface IoResult {
  readonly status: NtStatus;
  readonly information: number;
  /** What was read, for a request that ended before the service did. */
  readonly output: Uint8Array | null;
  /** Whether a request was issued and finished: then the status block holds its end (`writeBack` was called). */
  readonly finished: boolean;
}

/** A request that was refused before it was issued. */
export function refusedRequest(status: NtStatus): IoResult {
  return { status, information: 0, output: null, finished: false };
}

/** What {@link issueRequest} needs. The file and the user event are referenced by the caller. */
export interface Request {
  readonly major: IrpMajor;
  readonly file: FileObject;
  readonly parameters: IrpParameters;
  readonly mode: ProcessorMode;
  readonly dispatch: DispatchRoutine | undefined;
  /** Referenced for the request, which drops it. */
  readonly userEvent: KEvent | null;
  readonly completion: CompletionOptions;
  /** Waits whatever the file's mode: for services that have no way to answer later. */
  readonly wait?: boolean;
}

/** Issues one request. On a synchronous file the caller holds the file's lock. */
export function* issueRequest(k: Kernel, request: Request): Blocking<IoResult> {
  const { file, dispatch } = request;
  const irp = dispatch === undefined ? null : buildIrp(k, request);
  if (dispatch === undefined || irp === null) {
    if (request.userEvent !== null) yield* ObDereferenceObject(k, request.userEvent);
    return refusedRequest(dispatch === undefined ? STATUS_INVALID_DEVICE_REQUEST : STATUS_INSUFFICIENT_RESOURCES);
  }
  KeResetEvent(file.event);
  if (irp.userEvent !== null) KeResetEvent(irp.userEvent);
  const status = dispatch(k, irp);
  if (status !== STATUS_PENDING) {
    if (irp.completed) KeBugCheckEx(k, BugCheckCode.MULTIPLE_IRP_COMPLETE_REQUESTS, irp.id);
    irp.completed = true;
    irp.status = status;
    yield* IopCompleteRequest(k, irp);
    return resultOf(irp);
  }
  irp.pendingReturned = true;
  if (!file.synchronous && request.wait !== true) return refusedRequest(STATUS_PENDING);
  yield* waitForRequest(k, irp, request.mode);
  return resultOf(irp);
}

function buildIrp(k: Kernel, request: Request): Irp | null {
  const { major, file, parameters, completion, mode } = request;
  const thread = KeGetCurrentThread(k);
  assert(thread instanceof IoThread, "a thread that does I/O is an executive thread");
  const irp = IoAllocateIrp(k, { major, file, thread, parameters, requestorMode: mode });
  if (irp === null) return null;
  irp.userEvent = request.userEvent;
  irp.userApc = completion.apc ?? null;
  irp.apcContext = completion.apcContext ?? 0;
  irp.ioStatusBlock = completion.ioStatusBlock ?? 0;
  irp.writeBack = completion.writeBack ?? null;
  insertTail(thread.irpList, irp.threadListEntry);
  return irp;
}

function resultOf(irp: Irp): IoResult {
  return { status: irp.status, information: irp.information, output: irp.output, finished: irp.finished };
}

/** Waits until the request is finished in this thread. */
function* waitForRequest(k: Kernel, irp: Irp, mode: ProcessorMode): Blocking<void> {
  const { file } = irp;
  const options = { reason: WaitReason.Executive, mode, alertable: file.alertable, timeout100ns: null };
  // The event may be set by another request of an asynchronous file, so the request itself has the last word.
  while (!irp.finished) {
    const status = yield* KeWaitForSingleObject(k, file.event, options);
    if (status !== STATUS_USER_APC && status !== STATUS_ALERTED) {
      if (!irp.finished) KeResetEvent(file.event);
      continue;
    }
    yield* cancelAlertedRequest(k, irp);
    return;
  }
}

/** 10 ms. */
const CANCEL_POLL_100NS = 100_000;

/** The wait was interrupted: the request is given up, and its end is waited for where nothing interrupts. */
function* cancelAlertedRequest(k: Kernel, irp: Irp): Blocking<void> {
  IoCancelIrp(k, irp);
  while (!irp.finished) {
    yield* KeDelayExecutionThread(k, { mode: KernelMode, alertable: false, timeout100ns: CANCEL_POLL_100NS });
  }
}

/**
 * Runs `body` with a synchronous file to itself, or at once with any other.
 * @param event referenced for the request; dropped here if the wait for the file was interrupted
 */
export function* withFileLock(
  k: Kernel,
  file: FileObject,
  event: KEvent | null,
  body: () => Blocking<IoResult>,
): Blocking<IoResult> {
  if (!file.synchronous) return yield* body();
  const locked = yield* acquireFileLock(k, file, KeGetPreviousMode(k));
  if (locked !== STATUS_SUCCESS) {
    if (event !== null) yield* ObDereferenceObject(k, event);
    return refusedRequest(locked);
  }
  const result = yield* body();
  releaseFileLock(k, file);
  return result;
}

/**
 * Takes a synchronous file for one request.
 * @returns SUCCESS, or USER_APC or ALERTED if the wait for it was interrupted
 */
function* acquireFileLock(k: Kernel, file: FileObject, mode: ProcessorMode): Blocking<NtStatus> {
  while (file.busy) {
    const options = { reason: WaitReason.Executive, mode, alertable: file.alertable, timeout100ns: null };
    file.lock ??= KeInitializeEvent(k, "synchronization", false);
    const status = yield* KeWaitForSingleObject(k, file.lock, options);
    if (status !== STATUS_SUCCESS) return status;
  }
  file.busy = true;
  return STATUS_SUCCESS;
}

function releaseFileLock(k: Kernel, file: FileObject): void {
  file.busy = false;
  if (file.lock !== null) KeSetEvent(k, file.lock, 0);
}
