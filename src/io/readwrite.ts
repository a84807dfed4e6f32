/**
 * `NtReadFile`, `NtWriteFile` and `NtFlushBuffersFile`: finds out where a transfer begins, and issues the request.
 */
import { EVENT_MODIFY_STATE } from "../abi/ob.ts";
import { type NtResult, NT_SUCCESS, STATUS_INVALID_PARAMETER, success } from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { KEvent } from "../ke/objects.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import { dropReference, ObDereferenceObject } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import {
  FILE_APPEND_DATA,
  FILE_NO_INTERMEDIATE_BUFFERING,
  FILE_READ_DATA,
  FILE_USE_FILE_POINTER_POSITION,
  FILE_WRITE_DATA,
  FILE_WRITE_TO_END_OF_FILE,
  SECTOR_BYTES,
} from "./constants.ts";
import type { FileObject } from "./file.ts";
import { IoFileObjectType } from "./openfile.ts";
import {
  type CompletionOptions,
  type IoResult,
  issueRequest,
  refusedRequest,
  type Request,
  withFileLock,
} from "./request.ts";

/** Arguments of {@link NtReadFile}. */
export interface ReadArguments extends CompletionOptions {
  readonly length: number;
  /** Null, or -2, reads at the file pointer of a synchronous file. */
  readonly byteOffset?: bigint | null;
  /** Byte-range lock key. */
  readonly key?: number;
}

/** Arguments of {@link NtWriteFile}. */
export interface WriteArguments extends CompletionOptions {
  readonly bytes: Uint8Array;
  /** Null, or -2, writes at the file pointer of a synchronous file; -1 at the end of the file. */
  readonly byteOffset?: bigint | null;
  readonly key?: number;
}

const NO_BYTES: Uint8Array = new Uint8Array(0);

/**
 * Reads.
 * @returns END_OF_FILE behind the last byte; PENDING if a device answers an asynchronous file later
 */
export function* NtReadFile(k: Kernel, handle: number, args: ReadArguments): Blocking<IoResult> {
  const mode = KeGetPreviousMode(k);
  const file = ObReferenceObjectByHandle<FileObject>(k, handle, FILE_READ_DATA, IoFileObjectType(k), mode);
  if (!file.ok) return refusedRequest(file.status);
  const transfer: Transfer = {
    major: "read",
    length: args.length,
    input: NO_BYTES,
    byteOffset: args.byteOffset ?? FILE_USE_FILE_POINTER_POSITION,
    append: false,
    key: args.key ?? 0,
  };
  const result = yield* transferOn(k, file.value, transfer, args);
  if (!dropReference(file.value)) yield* ObDereferenceObject(k, file.value);
  return result;
}

/** Writes. A handle with the right to append and not to write always writes at the end. */
export function* NtWriteFile(k: Kernel, handle: number, args: WriteArguments): Blocking<IoResult> {
  const mode = KeGetPreviousMode(k);
  const file = referenceForWrite(k, handle);
  if (!file.ok) return refusedRequest(file.status);
  const plain = ObReferenceObjectByHandle<FileObject>(k, handle, FILE_WRITE_DATA, IoFileObjectType(k), mode);
  if (plain.ok) dropReference(plain.value);
  const byteOffset = args.byteOffset ?? FILE_USE_FILE_POINTER_POSITION;
  const transfer: Transfer = {
    major: "write",
    length: args.bytes.length,
    input: args.bytes,
    byteOffset,
    append: byteOffset === FILE_WRITE_TO_END_OF_FILE || !plain.ok,
    key: args.key ?? 0,
  };
  const result = yield* transferOn(k, file.value, transfer, args);
  if (!dropReference(file.value)) yield* ObDereferenceObject(k, file.value);
  return result;
}

/** A file that the handle may write to, if only at its end. */
function referenceForWrite(k: Kernel, handle: number): NtResult<FileObject> {
  const mode = KeGetPreviousMode(k);
  const type = IoFileObjectType(k);
  const file = ObReferenceObjectByHandle<FileObject>(k, handle, FILE_WRITE_DATA, type, mode);
  return file.ok ? file : ObReferenceObjectByHandle<FileObject>(k, handle, FILE_APPEND_DATA, type, mode);
}

/** One read or write, before its offset is known. */
interface Transfer {
  readonly major: "read" | "write";
  readonly length: number;
  readonly input: Uint8Array;
  readonly byteOffset: bigint;
  readonly append: boolean;
  readonly key: number;
}

function* transferOn(k: Kernel, file: FileObject, transfer: Transfer, options: CompletionOptions): Blocking<IoResult> {
  const event = referenceEvent(k, options.event ?? 0);
  if (!event.ok) return refusedRequest(event.status);
  const end = { options, event: event.value };
  return yield* withFileLock(k, file, event.value, () => transferLocked(k, file, transfer, end));
}

function* transferLocked(
  k: Kernel,
  file: FileObject,
  transfer: Transfer,
  end: { readonly options: CompletionOptions; readonly event: KEvent | null },
): Blocking<IoResult> {
  const offset = offsetOf(file, transfer);
  if (offset === null) {
    if (end.event !== null) yield* ObDereferenceObject(k, end.event);
    return refusedRequest(STATUS_INVALID_PARAMETER);
  }
  const { major, length, input, key } = transfer;
  const request: Request = {
    major,
    file,
    parameters: { length, offset, input, code: key },
    mode: KeGetPreviousMode(k),
    dispatch: file.device.dispatch[major],
    userEvent: end.event,
    completion: end.options,
  };
  const result = yield* issueRequest(k, request);
  if (file.synchronous && NT_SUCCESS(result.status)) file.currentOffset = offset + result.information;
  return result;
}

/** Where a transfer begins, or null if it cannot. */
function offsetOf(file: FileObject, transfer: Transfer): number | null {
  const { byteOffset, append, length } = transfer;
  const seekable = file.node !== null;
  if (append) return file.node?.length ?? 0;
  if (byteOffset === FILE_USE_FILE_POINTER_POSITION) {
    if (!file.synchronous && seekable) return null;
    return file.currentOffset;
  }
  if (byteOffset < 0n) return null;
  if (byteOffset > BigInt(Number.MAX_SAFE_INTEGER)) return transfer.major === "read" ? Number.MAX_SAFE_INTEGER : null;
  const offset = Number(byteOffset);
  const unbuffered = seekable && (file.options & FILE_NO_INTERMEDIATE_BUFFERING) !== 0;
  if (unbuffered && (offset % SECTOR_BYTES !== 0 || length % SECTOR_BYTES !== 0)) return null;
  return offset;
}

/** The event of a handle, referenced, or null for no handle. */
export function referenceEvent(k: Kernel, handle: number): NtResult<KEvent | null> {
  if (handle === 0) return success(null);
  return ObReferenceObjectByHandle<KEvent>(k, handle, EVENT_MODIFY_STATE, k.ob.eventType, KeGetPreviousMode(k));
}

/** Flushes: everything is where it belongs already, so only the right to write is checked. */
export function* NtFlushBuffersFile(k: Kernel, handle: number): Blocking<IoResult> {
  const file = referenceForWrite(k, handle);
  if (!file.ok) return refusedRequest(file.status);
  const request: Request = {
    major: "flush",
    file: file.value,
    parameters: { length: 0, offset: 0, input: NO_BYTES, code: 0 },
    mode: KeGetPreviousMode(k),
    dispatch: file.value.device.dispatch.flush,
    userEvent: null,
    completion: {},
    wait: true,
  };
  const result = yield* withFileLock(k, file.value, null, () => issueRequest(k, request));
  yield* ObDereferenceObject(k, file.value);
  return result;
}
