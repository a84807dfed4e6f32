/** Control requests, byte-range locks and the cancellation services. */
import { KernelMode } from "../abi/ke.ts";
import {
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_PARAMETER,
  STATUS_NOT_FOUND,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import { KeGetCurrentProcess, KeGetCurrentThread, KeGetPreviousMode } from "../ke/current.ts";
import { KeDelayExecutionThread } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { listOwners } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { IoCancelIrp } from "./cancel.ts";
import { FILE_READ_DATA, FILE_WRITE_DATA } from "./constants.ts";
import type { DispatchRoutine } from "./device.ts";
import type { FileObject } from "./file.ts";
import type { Irp, IrpMajor, LockParameters } from "./irp.ts";
import { FsFile } from "./node.ts";
import { IoFileObjectType } from "./openfile.ts";
import { referenceEvent } from "./readwrite.ts";
import { type CompletionOptions, type IoResult, issueRequest, refusedRequest, withFileLock } from "./request.ts";
import { STATUS_RANGE_NOT_LOCKED } from "./status.ts";
import { IoThread } from "./thread.ts";

/** Arguments of the control services. */
export interface ControlArguments extends CompletionOptions {
  readonly code: number;
  readonly input: Uint8Array;
  /** Room for the output, in bytes. */
  readonly outputLength: number;
}

/** Asks a device for something of its own. Unknown codes: INVALID_DEVICE_REQUEST. */
export function NtDeviceIoControlFile(k: Kernel, handle: number, args: ControlArguments): Blocking<IoResult> {
  return control(k, handle, "device-control", args);
}

/** Asks a file system for something of its own. Unknown codes: INVALID_DEVICE_REQUEST. */
export function NtFsControlFile(k: Kernel, handle: number, args: ControlArguments): Blocking<IoResult> {
  return control(k, handle, "file-system-control", args);
}

function* control(
  k: Kernel,
  handle: number,
  major: "device-control" | "file-system-control",
  args: ControlArguments,
): Blocking<IoResult> {
  const access = accessOfControl(args.code);
  const file = ObReferenceObjectByHandle<FileObject>(k, handle, access, IoFileObjectType(k), KeGetPreviousMode(k));
  if (!file.ok) return refusedRequest(file.status);
  const { dispatch } = file.value.device;
  const routine = major === "device-control" ? dispatch.deviceControl : dispatch.fileSystemControl;
  const result = yield* issueOn(k, file.value, { major, routine, args });
  yield* ObDereferenceObject(k, file.value);
  return result;
}

/** A control code says which rights it needs. */
function accessOfControl(code: number): number {
  const required = (code >>> 14) & 3;
  return ((required & 1) !== 0 ? FILE_READ_DATA : 0) | ((required & 2) !== 0 ? FILE_WRITE_DATA : 0);
}

function* issueOn(
  k: Kernel,
  file: FileObject,
  what: {
    readonly major: IrpMajor;
    readonly routine: DispatchRoutine | undefined;
    readonly args: ControlArguments;
    readonly lock?: LockParameters;
  },
): Blocking<IoResult> {
  const { args, major, lock } = what;
  const event = referenceEvent(k, args.event ?? 0);
  if (!event.ok) return refusedRequest(event.status);
  const parameters = { length: args.outputLength, offset: 0, input: args.input, code: args.code };
  const request = {
    major,
    file,
    parameters: lock === undefined ? parameters : { ...parameters, lock },
    mode: KeGetPreviousMode(k),
    dispatch: what.routine,
    userEvent: event.value,
    completion: args,
  };
  return yield* withFileLock(k, file, event.value, () => issueRequest(k, request));
}

/** Arguments of {@link NtLockFile}. */
export interface LockArguments extends CompletionOptions, LockParameters {}

/**
 * Locks a range of bytes.
 * @returns LOCK_NOT_GRANTED if it may not wait; PENDING on an asynchronous file that waits
 */
export function* NtLockFile(k: Kernel, handle: number, args: LockArguments): Blocking<IoResult> {
  const file = referenceForLock(k, handle);
  if (typeof file === "number") return refusedRequest(file);
  const { start, length, key, exclusive, failImmediately } = args;
  const valid = start >= 0n && length >= 0n;
  const result = valid
    ? yield* issueOn(k, file, {
        major: "lock-control",
        routine: file.device.dispatch.lockControl,
        args: { ...args, code: 0, input: new Uint8Array(0), outputLength: 0 },
        lock: { start, length, key, exclusive, failImmediately },
      })
    : refusedRequest(STATUS_INVALID_PARAMETER);
  yield* ObDereferenceObject(k, file);
  return result;
}

/** Unlocks exactly what was locked. @returns RANGE_NOT_LOCKED otherwise */
export function* NtUnlockFile(
  k: Kernel,
  handle: number,
  range: Pick<LockParameters, "start" | "length" | "key">,
): Blocking<NtStatus> {
  const file = referenceForLock(k, handle);
  if (typeof file === "number") return file;
  const process = KeGetCurrentProcess(k);
  const { node } = file;
  const status =
    node instanceof FsFile
      ? (node.locks?.unlock(k, { ...range, file, process }) ?? STATUS_RANGE_NOT_LOCKED)
      : STATUS_INVALID_DEVICE_REQUEST;
  yield* ObDereferenceObject(k, file);
  return status;
}

/** Reading or writing is enough to lock. */
function referenceForLock(k: Kernel, handle: number): FileObject | NtStatus {
  const type = IoFileObjectType(k);
  const mode = KeGetPreviousMode(k);
  const read = ObReferenceObjectByHandle<FileObject>(k, handle, FILE_READ_DATA, type, mode);
  if (read.ok) return read.value;
  if (read.status !== STATUS_ACCESS_DENIED) return read.status;
  const write = ObReferenceObjectByHandle<FileObject>(k, handle, FILE_WRITE_DATA, type, mode);
  return write.ok ? write.value : write.status;
}

/** 10 ms between two looks at whether cancelled requests are gone. */
const CANCEL_POLL_100NS = 100_000;

/** Cancels what the current thread has under way on a file, and waits for the end of it. */
export function* NtCancelIoFile(k: Kernel, handle: number): Blocking<NtStatus> {
  const file = ObReferenceObjectByHandle<FileObject>(k, handle, 0, IoFileObjectType(k), KeGetPreviousMode(k));
  if (!file.ok) return file.status;
  const thread = KeGetCurrentThread(k);
  const irps = thread instanceof IoThread ? requestsOn(thread, file.value) : [];
  for (const irp of irps) IoCancelIrp(k, irp);
  while (irps.some((irp) => !irp.finished)) {
    yield* KeDelayExecutionThread(k, { mode: KernelMode, alertable: false, timeout100ns: CANCEL_POLL_100NS });
  }
  yield* ObDereferenceObject(k, file.value);
  return STATUS_SUCCESS;
}

/**
 * Cancels what any thread of the process has under way on a file, or one request of it, and does not wait.
 * @param ioStatusBlock user address that the request was given, or 0 for all
 * @returns NOT_FOUND if there was nothing to cancel
 */
export function* NtCancelIoFileEx(k: Kernel, handle: number, ioStatusBlock: number): Blocking<NtStatus> {
  const file = ObReferenceObjectByHandle<FileObject>(k, handle, 0, IoFileObjectType(k), KeGetPreviousMode(k));
  if (!file.ok) return file.status;
  const process = KeGetCurrentProcess(k);
  let found = false;
  for (const thread of listOwners(process.threadListHead)) {
    if (!(thread instanceof IoThread)) continue;
    for (const irp of requestsOn(thread, file.value)) {
      if (irp.completed || (ioStatusBlock !== 0 && irp.ioStatusBlock !== ioStatusBlock)) continue;
      found = true;
      IoCancelIrp(k, irp);
    }
  }
  yield* ObDereferenceObject(k, file.value);
  return found ? STATUS_SUCCESS : STATUS_NOT_FOUND;
}

function requestsOn(thread: IoThread, file: FileObject): Irp[] {
  return listOwners(thread.irpList).filter((irp) => irp.file === file);
}
