/** Duplicating handles: a handle in one process for what a handle in another one means, possibly moving it. */
import { KernelMode, type ProcessorMode } from "../abi/ke.ts";
import {
  DUPLICATE_CLOSE_SOURCE,
  DUPLICATE_SAME_ACCESS,
  DUPLICATE_SAME_ATTRIBUTES,
  KERNEL_HANDLE_FLAG,
  OBJ_INHERIT,
  OBJ_KERNEL_HANDLE,
  OBJ_PROTECT_CLOSE,
} from "../abi/ob.ts";
import { PROCESS_DUP_HANDLE } from "../abi/ps.ts";
import {
  failure,
  type NtResult,
  STATUS_ACCESS_DENIED,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PROCESS_IS_TERMINATING,
  success,
} from "../abi/status.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../ex/rundown.ts";
import { KeStackAttachProcess, KeUnstackDetachProcess } from "../ke/attach.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import { ObCloseHandle } from "./close.ts";
import { createHandleIn, type HandleReference, referenceHandle } from "./handle.ts";
import { headerOf } from "./header.ts";
import { ObProcess } from "./process.ts";
import { dropReference, ObDereferenceObject } from "./reference.ts";
import { grantAccess } from "./type.ts";

export interface DuplicateOptions {
  readonly desiredAccess: number;
  /** `OBJ_*` of the new handle. */
  readonly attributes: number;
  /** `DUPLICATE_*`. */
  readonly options: number;
  readonly mode: ProcessorMode;
}

/**
 * Makes a handle in `target` for what `handle` means in `source`; without a target it only closes the source handle, if
 * it was told to. DUPLICATE_CLOSE_SOURCE closes the source handle even if the rest fails.
 * @returns the new handle (0 without a target); PROCESS_IS_TERMINATING if either process's handles are being closed;
 *   INVALID_HANDLE; errors of making a handle
 */
export function* ObDuplicateObject(
  k: Kernel,
  source: ObProcess,
  handle: number,
  target: ObProcess | null,
  options: DuplicateOptions,
): Blocking<NtResult<number>> {
  // In a critical region: a suspended caller would hold the rundown of both processes, and with it their exit.
  KeEnterCriticalRegion(k);
  let result: NtResult<number> = failure(STATUS_PROCESS_IS_TERMINATING);
  if (ExAcquireRundownProtection(source.rundownProtect)) {
    result = yield* duplicateFrom(k, source, handle, target, options);
    ExReleaseRundownProtection(k, source.rundownProtect);
  }
  yield* KeLeaveCriticalRegion(k);
  return result;
}

/** The part that needs the source process to keep its handles. */
function* duplicateFrom(
  k: Kernel,
  source: ObProcess,
  handle: number,
  target: ObProcess | null,
  options: DuplicateOptions,
): Blocking<NtResult<number>> {
  if (source.objectTable === null) return failure(STATUS_PROCESS_IS_TERMINATING);
  const attachment = KeStackAttachProcess(k, source);
  const reference = referenceHandle<ObjectBody>(k, handle, null, options.mode);
  if (reference.ok && (options.options & DUPLICATE_CLOSE_SOURCE) !== 0) {
    yield* ObCloseHandle(k, handle, options.mode);
  }
  yield* KeUnstackDetachProcess(k, attachment);
  if (!reference.ok) return reference;
  const { object } = reference.value;
  const result = target === null ? success(0) : yield* makeInTarget(k, target, reference.value, options);
  // On success with a target, the new handle has taken the reference over.
  if (target === null || !result.ok) yield* ObDereferenceObject(k, object);
  return result;
}

function* makeInTarget(
  k: Kernel,
  target: ObProcess,
  reference: HandleReference<ObjectBody>,
  options: DuplicateOptions,
): Blocking<NtResult<number>> {
  if (!ExAcquireRundownProtection(target.rundownProtect)) return failure(STATUS_PROCESS_IS_TERMINATING);
  const kernel = target === k.ob.systemProcess && (options.attributes & OBJ_KERNEL_HANDLE) !== 0;
  const table = kernel ? k.ob.kernelHandleTable : target.objectTable;
  let result: NtResult<number> = failure(STATUS_PROCESS_IS_TERMINATING);
  if (table !== null) {
    const { object } = reference;
    const attachment = KeStackAttachProcess(k, target);
    result = createHandleIn(k, table, target, object, {
      reason: "duplicate",
      grantedAccess: duplicateAccess(object, reference.grantedAccess, options),
      attributes: duplicateAttributes(reference.attributes, options),
      mode: options.mode,
    });
    yield* KeUnstackDetachProcess(k, attachment);
  }
  ExReleaseRundownProtection(k, target.rundownProtect);
  return kernel && result.ok ? success((result.value | KERNEL_HANDLE_FLAG) >>> 0) : result;
}

function duplicateAccess(object: ObjectBody, granted: number, options: DuplicateOptions): number {
  if ((options.options & DUPLICATE_SAME_ACCESS) !== 0) return granted;
  return grantAccess(headerOf(object).type, options.desiredAccess);
}

function duplicateAttributes(attributes: number, options: DuplicateOptions): number {
  const wanted = (options.options & DUPLICATE_SAME_ATTRIBUTES) !== 0 ? attributes : options.attributes;
  return wanted & (OBJ_INHERIT | OBJ_PROTECT_CLOSE);
}

/** The handles and wishes of `NtDuplicateObject`. */
export interface DuplicateRequest {
  readonly sourceProcess: number;
  readonly sourceHandle: number;
  /** 0: no new handle. */
  readonly targetProcess: number;
  readonly desiredAccess: number;
  readonly attributes: number;
  readonly options: number;
}

/**
 * Duplicates a handle between processes that the caller has handles to, with PROCESS_DUP_HANDLE.
 * @returns errors of the process handles, and as {@link ObDuplicateObject}
 */
export function* NtDuplicateObject(k: Kernel, request: DuplicateRequest): Blocking<NtResult<number>> {
  const mode = KeGetPreviousMode(k);
  const source = referenceProcess(k, request.sourceProcess, mode);
  if (!source.ok) return source;
  const target = request.targetProcess === 0 ? null : referenceProcess(k, request.targetProcess, mode);
  const { desiredAccess, attributes, options } = request;
  // Even if there is no such target, the source handle is closed if the caller said so.
  const result = yield* ObDuplicateObject(
    k,
    source.value,
    request.sourceHandle,
    target?.ok === true ? target.value : null,
    { desiredAccess, attributes, options, mode },
  );
  if (target?.ok === true) yield* ObDereferenceObject(k, target.value);
  yield* ObDereferenceObject(k, source.value);
  return target?.ok === false ? target : result;
}

/** A process that the caller may duplicate handles from or to. */
function referenceProcess(k: Kernel, handle: number, mode: ProcessorMode): NtResult<ObProcess> {
  const reference = referenceHandle<ObjectBody>(k, handle, null, mode);
  if (!reference.ok) return reference;
  const { object, grantedAccess } = reference.value;
  if (object instanceof ObProcess && (mode === KernelMode || (grantedAccess & PROCESS_DUP_HANDLE) !== 0)) {
    return success(object);
  }
  assert(dropReference(object), "the caller's handle keeps the object");
  return failure(object instanceof ObProcess ? STATUS_ACCESS_DENIED : STATUS_OBJECT_TYPE_MISMATCH);
}
