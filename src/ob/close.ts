/**
 * Closing handles. The order is fixed and visible: the type may refuse, protection may refuse, the handle's value is
 * free, the close procedure runs with the counts that include the handle, the name of a temporary object goes, the
 * handle's reference is dropped. All of it runs in a critical region, so a close procedure must not end its thread.
 */
import { BugCheckCode, KernelMode, type ProcessorMode, UserMode } from "../abi/ke.ts";
import { CURRENT_PROCESS_HANDLE } from "../abi/ps.ts";
import { type NtStatus, STATUS_HANDLE_NOT_CLOSABLE, STATUS_INVALID_HANDLE, STATUS_SUCCESS } from "../abi/status.ts";
import { ExDestroyHandle, ExMapHandleToPointer, type HandleTable, HANDLE_PROTECT_FROM_CLOSE } from "../ex/handle.ts";
import { KeIsAttachedProcess, KeStackAttachProcess, KeUnstackDetachProcess } from "../ke/attach.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import { KeGetCurrentThread, KeGetPreviousMode } from "../ke/current.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import { trace } from "../sim/record.ts";
import { handlesOf, headerOf, type ObjectHeader, removeHolder } from "./header.ts";
import { tableOf } from "./handle.ts";
import { ObpDeleteNameCheck } from "./name.ts";
import { currentObProcess, type ObProcess } from "./process.ts";
import { dropReference, ObDereferenceObject } from "./reference.ts";

/** Closes a handle on behalf of the current thread's previous mode. */
export function NtClose(k: Kernel, handle: number): Blocking<NtStatus> {
  return ObCloseHandle(k, handle, KeGetPreviousMode(k));
}

/**
 * Closes a handle.
 * @returns INVALID_HANDLE, HANDLE_NOT_CLOSABLE or SUCCESS. A debugged user process also gets the failure as an exception;
 *   for a mistake of kernel mode that a debugger could look into, the machine stops
 */
export function* ObCloseHandle(k: Kernel, handle: number, mode: ProcessorMode): Blocking<NtStatus> {
  const place = tableOf(k, handle, mode);
  if (place === null) return yield* refuseUnknown(k, handle, mode);
  KeEnterCriticalRegion(k);
  const foreign = place.process !== currentObProcess(k);
  const attachment = foreign ? KeStackAttachProcess(k, place.process) : null;
  const status = yield* closeEntry(k, place.table, place.process, place.index, { mode, ignoreProtection: false });
  if (attachment !== null) yield* KeUnstackDetachProcess(k, attachment);
  yield* KeLeaveCriticalRegion(k);
  if (status === STATUS_SUCCESS) return status;
  if (status === STATUS_INVALID_HANDLE) return yield* refuseUnknown(k, handle, mode);
  if (mode === KernelMode) KeBugCheckEx(k, BugCheckCode.INVALID_KERNEL_HANDLE, handle, 0);
  yield* raiseIfDebugged(k, status);
  return status;
}

/** Whether a refusal to close stops at protection, and who asks. */
export interface CloseOptions {
  readonly mode: ProcessorMode;
  readonly ignoreProtection: boolean;
}

/**
 * `ObpCloseHandleTableEntry`, with the handle given by its number in `table`. The caller is in a critical region.
 * @returns INVALID_HANDLE, HANDLE_NOT_CLOSABLE or SUCCESS
 */
export function* closeEntry(
  k: Kernel,
  table: HandleTable,
  process: ObProcess,
  handle: number,
  options: CloseOptions,
): Blocking<NtStatus> {
  const entry = ExMapHandleToPointer(table, handle);
  if (entry === null || entry.object === null) return STATUS_INVALID_HANDLE;
  const { object, grantedAccess } = entry;
  const { type } = headerOf(object);
  if (type.okayToClose !== null && !type.okayToClose(k, process, object, handle, options.mode)) {
    return STATUS_HANDLE_NOT_CLOSABLE;
  }
  if ((entry.attributes & HANDLE_PROTECT_FROM_CLOSE) !== 0 && !options.ignoreProtection) {
    return STATUS_HANDLE_NOT_CLOSABLE;
  }
  assert(ExDestroyHandle(table, handle), "an entry that was just found is destroyed");
  if (k.sim.trace !== null) {
    trace(k, { kind: "handle", act: "close", pid: process.pid, handle, object: object.id, type: type.name });
  }
  const header = headerOf(object);
  const processCount = handlesOf(header, process);
  const systemCount = header.handleCount;
  ObpDecrementHandleCount(header, process);
  // The object stays until the end, because the handle's reference is dropped last.
  if (type.closeProcedure !== null) {
    yield* type.closeProcedure(k, process, object, grantedAccess, processCount, systemCount);
  }
  if (header.name !== null) yield* ObpDeleteNameCheck(k, object);
  if (!dropReference(object)) yield* ObDereferenceObject(k, object);
  return STATUS_SUCCESS;
}

/** Counts a handle as closed. */
function ObpDecrementHandleCount(header: ObjectHeader, process: ObProcess): void {
  removeHolder(header, process);
  header.type.totalHandles--;
  if (header.handleCount === 0) header.exclusiveTo = null;
}

/** A handle that is none. Kernel mode may close 0 and -1 without harm. */
function* refuseUnknown(k: Kernel, handle: number, mode: ProcessorMode): Blocking<NtStatus> {
  const harmless = handle === 0 || handle >>> 0 === CURRENT_PROCESS_HANDLE;
  if (mode === KernelMode && k.ke.kd.enabled && !harmless && !KeIsAttachedProcess(k)) {
    KeBugCheckEx(k, BugCheckCode.INVALID_KERNEL_HANDLE, handle, 1);
  }
  if (mode === UserMode) yield* raiseIfDebugged(k, STATUS_INVALID_HANDLE);
  return STATUS_INVALID_HANDLE;
}

/** `KeRaiseUserException`, where somebody is there to see it. */
function* raiseIfDebugged(k: Kernel, status: NtStatus): Blocking<void> {
  if (currentObProcess(k).debugPort === null || KeIsAttachedProcess(k)) return;
  const { user } = KeGetCurrentThread(k);
  if (user?.raiseAfterCall !== undefined) {
    user.raiseAfterCall(status);
    return;
  }
  yield* k.ke.upcalls.raiseUserException(k, { code: status, flags: 0, address: 0, parameters: [] });
}
