/** Typed system services on jobs: making, opening, ending them, and who is in one. */
import { JOB_OBJECT_QUERY, JOB_OBJECT_TERMINATE } from "../abi/job.ts";
import { PROCESS_QUERY_LIMITED_INFORMATION } from "../abi/ps.ts";
import {
  type NtResult,
  type NtStatus,
  STATUS_PROCESS_IN_JOB,
  STATUS_PROCESS_NOT_IN_JOB,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import type { InsertedObject } from "../ob/insert.ts";
import type { ObjectAttributes } from "../ob/lookup.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { createObject, openObject } from "../ob/service.ts";
import type { Blocking } from "../sim/blocking.ts";
import { PsGetCurrentThread } from "./current.ts";
import { Job } from "./job.ts";
import { PspTerminateAllProcessesInJob } from "./jobkill.ts";
import { PspTerminateProcess } from "./kill.ts";
import type { KillReason } from "./killreason.ts";
import type { EProcess } from "./objects.ts";

/** Makes a job without members. @returns as ObInsertObject */
export function NtCreateJobObject(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes | null,
): Blocking<NtResult<InsertedObject>> {
  return createObject(k, k.ps.jobType, new Job(k), desiredAccess, attributes);
}

/** @returns as ObOpenObjectByName */
export function NtOpenJobObject(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes,
): Blocking<NtResult<number>> {
  return openObject(k, k.ps.jobType, desiredAccess, attributes);
}

/**
 * Ends every member of a job and of the jobs in it.
 * @returns errors of the handle; SUCCESS, also if there was nobody; no return if the caller's own process is a member
 */
export function* NtTerminateJobObject(k: Kernel, handle: number, exitStatus: NtStatus): Blocking<NtStatus> {
  const { jobType } = k.ps;
  const job = ObReferenceObjectByHandle<Job>(k, handle, JOB_OBJECT_TERMINATE, jobType, KeGetPreviousMode(k));
  if (!job.ok) return job.status;
  const reason: KillReason = { route: "job", via: "NtTerminateJobObject", job: job.value.number };
  const self = yield* PspTerminateAllProcessesInJob(k, job.value, exitStatus, reason);
  yield* ObDereferenceObject(k, job.value);
  if (self) yield* PspTerminateProcess(k, PsGetCurrentThread(k).threadsProcess, exitStatus, reason);
  return STATUS_SUCCESS;
}

/**
 * Whether a process, which may have exited, is a member of a job.
 * @param jobHandle 0 for any job
 * @returns errors of the handles, the process's first; PROCESS_IN_JOB or PROCESS_NOT_IN_JOB
 */
export function* NtIsProcessInJob(k: Kernel, processHandle: number, jobHandle: number): Blocking<NtStatus> {
  const mode = KeGetPreviousMode(k);
  const access = PROCESS_QUERY_LIMITED_INFORMATION;
  const process = ObReferenceObjectByHandle<EProcess>(k, processHandle, access, k.ps.processType, mode);
  if (!process.ok) return process.status;
  const status = yield* isInJob(k, process.value, jobHandle);
  yield* ObDereferenceObject(k, process.value);
  return status;
}

function* isInJob(k: Kernel, process: EProcess, jobHandle: number): Blocking<NtStatus> {
  if (process.job === null) return STATUS_PROCESS_NOT_IN_JOB;
  if (jobHandle === 0) return STATUS_PROCESS_IN_JOB;
  const mode = KeGetPreviousMode(k);
  const job = ObReferenceObjectByHandle<Job>(k, jobHandle, JOB_OBJECT_QUERY, k.ps.jobType, mode);
  if (!job.ok) return job.status;
  const inside = job.value.members.has(process);
  yield* ObDereferenceObject(k, job.value);
  return inside ? STATUS_PROCESS_IN_JOB : STATUS_PROCESS_NOT_IN_JOB;
}
