/**
 * From handles to objects and back.
 *
 * A handle with the top bit set belongs to the kernel's own table and to kernel mode alone; -1 and -2 stand for the
 * current process and thread; all others are looked up in the current process's table.
 */
import { BugCheckCode, type ProcessorMode, UserMode } from "../abi/ke.ts";
import { KERNEL_HANDLE_FLAG, OBJ_EXCLUSIVE, OBJ_INHERIT, OBJ_KERNEL_HANDLE, OBJ_PROTECT_CLOSE } from "../abi/ob.ts";
import { CURRENT_PROCESS_HANDLE, CURRENT_THREAD_HANDLE } from "../abi/ps.ts";
import {
  failure,
  type NtResult,
  NT_SUCCESS,
  STATUS_ACCESS_DENIED,
  STATUS_INVALID_HANDLE,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PROCESS_IS_TERMINATING,
  success,
} from "../abi/status.ts";
import { ExCreateHandle, ExDestroyHandle, ExMapHandleToPointer, type HandleTable } from "../ex/handle.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import { KeGetCurrentThread } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { ObjectBody } from "../rtl/body.ts";
import { trace } from "../sim/record.ts";
import { addHolder, handlesOf, headerOf } from "./header.ts";
import { currentObProcess, ObProcess } from "./process.ts";
import { ObThread } from "./thread.ts";
import { grantAccess, type ObjectType, type OpenReason } from "./type.ts";

/** An object that a handle leads to, and what the handle may do with it. */
export interface HandleReference<T extends ObjectBody> {
  readonly object: T;
  readonly grantedAccess: number;
  readonly attributes: number;
}

/**
 * The object of a handle, with a reference for the caller.
 * @returns INVALID_HANDLE; OBJECT_TYPE_MISMATCH; ACCESS_DENIED from user mode without all of `desiredAccess`
 */
export function ObReferenceObjectByHandle<T extends ObjectBody>(
  k: Kernel,
  handle: number,
  desiredAccess: number,
  type: ObjectType | null,
  mode: ProcessorMode,
): NtResult<T> {
  const process = KeGetCurrentThread(k).apcState.process as ObProcess;
  if (handle >>> 0 >= KERNEL_HANDLE_FLAG) return referenceSpecial(k, handle >>> 0, desiredAccess, type, mode);
  const table = process.objectTable;
  if (table === null) return withoutTable(k);
  return referenceInTable(table, handle, desiredAccess, type, mode);
}

const INVALID_HANDLE: NtResult<never> = Object.freeze(failure<never>(STATUS_INVALID_HANDLE));
const TYPE_MISMATCH: NtResult<never> = Object.freeze(failure<never>(STATUS_OBJECT_TYPE_MISMATCH));
const ACCESS_DENIED: NtResult<never> = Object.freeze(failure<never>(STATUS_ACCESS_DENIED));

/**
 * The process's handles are closed already, and its last thread is still on its way out.
 * @erratum D29 nobody looks, and the machine stops over a table that is not there
 */
function withoutTable(k: Kernel): NtResult<never> {
  if (k.sim.errata.has("D29")) KeBugCheckEx(k, BugCheckCode.PAGE_FAULT_IN_NONPAGED_AREA);
  return INVALID_HANDLE;
}

function referenceInTable<T extends ObjectBody>(
  table: HandleTable,
  handle: number,
  desiredAccess: number,
  type: ObjectType | null,
  mode: ProcessorMode,
): NtResult<T> {
  const entry = ExMapHandleToPointer(table, handle);
  if (entry === null || entry.object === null) return INVALID_HANDLE;
  const header = headerOf(entry.object);
  if (type !== null && header.type !== type) return TYPE_MISMATCH;
  if (mode === UserMode && (desiredAccess & ~entry.grantedAccess) !== 0) return ACCESS_DENIED;
  header.pointerCount++;
  // The caller names the class that bodies of `type` have.
  return { ok: true, value: entry.object as T };
}

/** Pseudo-handles and kernel handles. */
function referenceSpecial<T extends ObjectBody>(
  k: Kernel,
  handle: number,
  desiredAccess: number,
  type: ObjectType | null,
  mode: ProcessorMode,
): NtResult<T> {
  const self = pseudoHandle(k, handle);
  if (self === null) {
    if (mode === UserMode) return INVALID_HANDLE;
    return referenceInTable(k.ob.kernelHandleTable, handle - KERNEL_HANDLE_FLAG, desiredAccess, type, mode);
  }
  const header = headerOf(self);
  if (type !== null && header.type !== type) return TYPE_MISMATCH;
  if (mode === UserMode && (desiredAccess & ~self.grantedAccess) !== 0) return ACCESS_DENIED;
  header.pointerCount++;
  return { ok: true, value: self as unknown as T };
}

/** What -1 and -2 stand for: the process of the current address space, and the current thread. */
function pseudoHandle(k: Kernel, handle: number): ObProcess | ObThread | null {
  if (handle === CURRENT_PROCESS_HANDLE) return currentObProcess(k);
  if (handle !== CURRENT_THREAD_HANDLE) return null;
  const thread = KeGetCurrentThread(k);
  assert(thread instanceof ObThread, "every thread is the object manager's");
  return thread;
}

/** As {@link ObReferenceObjectByHandle}, of any type and any access, with what the handle grants. */
export function referenceHandle<T extends ObjectBody>(
  k: Kernel,
  handle: number,
  type: ObjectType | null,
  mode: ProcessorMode,
): NtResult<HandleReference<T>> {
  const object = ObReferenceObjectByHandle<T>(k, handle, 0, type, mode);
  if (!object.ok) return object;
  const self = pseudoHandle(k, handle >>> 0);
  if (self !== null) {
    return success({ object: object.value, grantedAccess: self.grantedAccess, attributes: 0 });
  }
  const place = tableOf(k, handle, mode);
  const entry = place === null ? null : ExMapHandleToPointer(place.table, place.index);
  assert(entry !== null, "a handle that was just referenced is still there");
  const { grantedAccess, attributes } = entry;
  return success({ object: object.value, grantedAccess, attributes });
}

/** A table, the number of a handle in it, and the process that the handle counts for. */
export interface HandlePlace {
  readonly table: HandleTable;
  readonly index: number;
  readonly process: ObProcess;
}

/** Where a handle is kept, or null if the caller cannot have such a handle. */
export function tableOf(k: Kernel, handle: number, mode: ProcessorMode): HandlePlace | null {
  const unsigned = handle >>> 0;
  if (unsigned < KERNEL_HANDLE_FLAG) {
    const process = currentObProcess(k);
    return process.objectTable === null ? null : { table: process.objectTable, index: unsigned, process };
  }
  if (mode === UserMode || unsigned >= CURRENT_THREAD_HANDLE) return null;
  return { table: k.ob.kernelHandleTable, index: unsigned - KERNEL_HANDLE_FLAG, process: kernelHandleOwner(k) };
}

/** The process that kernel handles count for: System, or the current one while there is no System yet. */
function kernelHandleOwner(k: Kernel): ObProcess {
  return k.ob.systemProcess ?? currentObProcess(k);
}

/** How a handle is to be made. */
export interface HandleOptions {
  readonly reason: OpenReason;
  readonly grantedAccess: number;
  /** `OBJ_*`. */
  readonly attributes: number;
  readonly mode: ProcessorMode;
}

/**
 * Makes a handle in the current process, or in the kernel's table if kernel mode asks for it. On success the handle
 * takes over one reference of the caller's; on failure the caller keeps it.
 * @returns PROCESS_IS_TERMINATING without a table; ACCESS_DENIED for somebody else's exclusive object; QUOTA_EXCEEDED or
 *   INSUFFICIENT_RESOURCES; what the type's open procedure refuses with
 */
export function ObpCreateHandle(k: Kernel, body: ObjectBody, options: HandleOptions): NtResult<number> {
  const kernel = (options.attributes & OBJ_KERNEL_HANDLE) !== 0 && options.mode !== UserMode;
  const process = kernel ? kernelHandleOwner(k) : currentObProcess(k);
  const table = kernel ? k.ob.kernelHandleTable : process.objectTable;
  if (table === null) return failure(STATUS_PROCESS_IS_TERMINATING);
  const made = createHandleIn(k, table, process, body, options);
  if (!made.ok || !kernel) return made;
  return success((made.value | KERNEL_HANDLE_FLAG) >>> 0);
}

/** As {@link ObpCreateHandle}, in a given table. */
export function createHandleIn(
  k: Kernel,
  table: HandleTable,
  process: ObProcess,
  body: ObjectBody,
  options: HandleOptions,
): NtResult<number> {
  const header = headerOf(body);
  const { type } = header;
  const { attributes, grantedAccess } = options;
  if (header.exclusiveTo !== null && header.exclusiveTo !== process) return ACCESS_DENIED;
  if ((attributes & OBJ_EXCLUSIVE) !== 0) {
    if (header.handleCount > handlesOf(header, process)) return ACCESS_DENIED;
    header.exclusiveTo = process;
  }
  const made = ExCreateHandle(k, table, body, grantedAccess, attributes & (OBJ_INHERIT | OBJ_PROTECT_CLOSE));
  if (!made.ok) return made;
  if (type.openProcedure !== null) {
    const count = handlesOf(header, process) + 1;
    const status = type.openProcedure(k, options.reason, process, body, grantedAccess, count);
    if (!NT_SUCCESS(status)) {
      ExDestroyHandle(table, made.value);
      return failure(status);
    }
  }
  countHandle(k, body, process, made.value);
  return made;
}

/** Counts a handle that was just made. */
export function countHandle(k: Kernel, body: ObjectBody, process: ObProcess, handle: number): void {
  const header = headerOf(body);
  const { type } = header;
  addHolder(header, process);
  if (++type.totalHandles > type.peakHandles) type.peakHandles = type.totalHandles;
  if (k.sim.trace === null) return;
  trace(k, { kind: "handle", act: "open", pid: process.pid, handle, object: body.id, type: type.name });
}

/**
 * A handle to an object that the caller refers to; the handle has a reference of its own.
 * @returns as {@link ObpCreateHandle}
 */
export function ObOpenObjectByPointer(
  k: Kernel,
  body: ObjectBody,
  desiredAccess: number,
  attributes: number,
  mode: ProcessorMode,
): NtResult<number> {
  const header = headerOf(body);
  const grantedAccess = grantAccess(header.type, desiredAccess);
  const made = ObpCreateHandle(k, body, { reason: "open", grantedAccess, attributes, mode });
  if (made.ok) header.pointerCount++;
  return made;
}
