/**
 * Notify routines: drivers that hear of the birth and death of processes and threads. Deaths are told in the dying
 * thread, births in the creator's; a process is born with its first thread, so every birth has its death.
 */
import {
  NT_SUCCESS,
  type NtStatus,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_PROCEDURE_NOT_FOUND,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import { type CallbackSlots, invokeCallbacks, registerCallback, unregisterCallback } from "../ex/callback.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import type { Kernel } from "../kernel.ts";
import { type Blocking, DONE } from "../sim/blocking.ts";
import { PsGetCurrentThread } from "./current.ts";
import type { EProcess, EThread } from "./objects.ts";
import type { CreateNotifyInfo, ProcessNotifyRoutine, ProcessNotifyRoutineEx, ThreadNotifyRoutine } from "./state.ts";

interface NotifyOptions {
  readonly create: boolean;
}

/** Calls every thread notify routine with the thread's ids. */
export function PspRunCreateThreadNotifyRoutines(k: Kernel, thread: EThread, options: NotifyOptions): Blocking<void> {
  if (k.ps.threadNotify.count === 0) return DONE;
  const { pid } = thread.threadsProcess;
  return invokeCallbacks(k, k.ps.threadNotify, (routine) => routine(k, pid, thread.tid, options.create));
}

/**
 * Calls every process notify routine, in a critical region as Windows does.
 * @returns for a birth: SUCCESS, or the failure with which a routine refused it
 */
export function* PspRunCreateProcessNotifyRoutines(
  k: Kernel,
  process: EProcess,
  options: NotifyOptions,
): Blocking<NtStatus> {
  const { processNotify, processNotifyEx } = k.ps;
  if (processNotify.count === 0 && processNotifyEx.count === 0) return STATUS_SUCCESS;
  KeEnterCriticalRegion(k);
  const { parentPid, pid } = process;
  yield* invokeCallbacks(k, processNotify, (routine) => routine(k, parentPid, pid, options.create));
  const info = options.create ? createNotifyInfo(k, process) : null;
  yield* invokeCallbacks(k, processNotifyEx, (routine) => routine(k, process, pid, info));
  yield* KeLeaveCriticalRegion(k);
  return info === null || NT_SUCCESS(info.creationStatus) ? STATUS_SUCCESS : info.creationStatus;
}

function createNotifyInfo(k: Kernel, process: EProcess): CreateNotifyInfo {
  const creator = PsGetCurrentThread(k);
  return {
    parentPid: process.parentPid,
    creator: { pid: creator.threadsProcess.pid, tid: creator.tid },
    imageFileName: process.imageFileName,
    creationStatus: STATUS_SUCCESS,
  };
}

/**
 * Registers or, with `remove`, unregisters a process notify routine.
 * @returns INSUFFICIENT_RESOURCES when all slots are taken, PROCEDURE_NOT_FOUND
 * @public for drivers
 */
export function PsSetCreateProcessNotifyRoutine(
  k: Kernel,
  routine: ProcessNotifyRoutine,
  options: { readonly remove: boolean },
): Blocking<NtStatus> {
  return change(k, k.ps.processNotify, routine, options.remove);
}

/**
 * Registers or, with `remove`, unregisters a process notify routine that may refuse a birth.
 * @returns INSUFFICIENT_RESOURCES when all slots are taken, PROCEDURE_NOT_FOUND
 * @public for drivers
 */
export function PsSetCreateProcessNotifyRoutineEx(
  k: Kernel,
  routine: ProcessNotifyRoutineEx,
  options: { readonly remove: boolean },
): Blocking<NtStatus> {
  return change(k, k.ps.processNotifyEx, routine, options.remove);
}

/**
 * Registers a thread notify routine.
 * @returns INSUFFICIENT_RESOURCES when all slots are taken
 * @public for drivers
 */
export function PsSetCreateThreadNotifyRoutine(k: Kernel, routine: ThreadNotifyRoutine): Blocking<NtStatus> {
  return change(k, k.ps.threadNotify, routine, false);
}

/**
 * Unregisters a thread notify routine, once nobody runs it.
 * @returns PROCEDURE_NOT_FOUND
 * @public for drivers
 */
export function PsRemoveCreateThreadNotifyRoutine(k: Kernel, routine: ThreadNotifyRoutine): Blocking<NtStatus> {
  return change(k, k.ps.threadNotify, routine, true);
}

function* change<T>(k: Kernel, slots: CallbackSlots<T>, routine: T, remove: boolean): Blocking<NtStatus> {
  if (!remove) return registerCallback(slots, routine) ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
  return (yield* unregisterCallback(k, slots, routine)) ? STATUS_SUCCESS : STATUS_PROCEDURE_NOT_FOUND;
}
