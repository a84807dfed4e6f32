/** Assigning processes to jobs by handle. */
import { ERROR_NOT_ENOUGH_QUOTA, JOB_OBJECT_ASSIGN_PROCESS } from "../abi/job.ts";
import { PROCESS_SET_QUOTA, PROCESS_TERMINATE } from "../abi/ps.ts";
import {
  NT_SUCCESS,
  type NtStatus,
  ntStatus,
  STATUS_ACCESS_DENIED,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_QUOTA_EXCEEDED,
} from "../abi/status.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../ex/rundown.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import { erratumGap } from "../sim/gap.ts";
import { PsGetCurrentThread } from "./current.ts";
import type { Job } from "./job.ts";
import { enterJob } from "./jobenter.ts";
import { recordJob } from "./jobmembers.ts";
import { reportNewProcess } from "./jobmessage.ts";
import { PspTerminateProcess } from "./kill.ts";
import type { EProcess } from "./objects.ts";

/**
 * Assigns a process to a job. What a limit of the job keeps out is ended, the caller's own process included.
 * @returns errors of the handles, the job's first; PROCESS_IS_TERMINATING; and as {@link enterJob}
 */
export function* NtAssignProcessToJobObject(k: Kernel, jobHandle: number, processHandle: number): Blocking<NtStatus> {
  const mode = KeGetPreviousMode(k);
  const job = ObReferenceObjectByHandle<Job>(k, jobHandle, JOB_OBJECT_ASSIGN_PROCESS, k.ps.jobType, mode);
  if (!job.ok) return job.status;
  const access = PROCESS_SET_QUOTA | PROCESS_TERMINATE;
  const process = ObReferenceObjectByHandle<EProcess>(k, processHandle, access, k.ps.processType, mode);
  if (!process.ok) {
    yield* ObDereferenceObject(k, job.value);
    return process.status;
  }
  const { number } = job.value;
  const status = yield* assignUnderRundown(k, job.value, process.value);
  yield* ObDereferenceObject(k, job.value);
  if (status === STATUS_QUOTA_EXCEEDED) yield* endRefused(k, process.value, number);
  yield* ObDereferenceObject(k, process.value);
  return status;
}

/** The process's rundown keeps its last thread from counting it out before it has been counted. */
function* assignUnderRundown(k: Kernel, job: Job, process: EProcess): Blocking<NtStatus> {
  if (process === k.ps.initialSystemProcess) return STATUS_ACCESS_DENIED;
  KeEnterCriticalRegion(k);
  if (!ExAcquireRundownProtection(process.rundownProtect)) {
    yield* KeLeaveCriticalRegion(k);
    return STATUS_PROCESS_IS_TERMINATING;
  }
  yield* erratumGap(k, "D43d:between-rundown-and-link");
  const status = enterJob(k, job, process);
  if (NT_SUCCESS(status)) {
    recordJob(k, process);
    reportNewProcess(k, process);
  }
  ExReleaseRundownProtection(k, process.rundownProtect);
  yield* KeLeaveCriticalRegion(k);
  return status;
}

/** Ends a process that a limit kept out. */
function* endRefused(k: Kernel, process: EProcess, job: number): Blocking<void> {
  const reason = { route: "job", via: "NtAssignProcessToJobObject", job } as const;
  // The own process does not come back to drop its reference, and does not need it.
  if (process === PsGetCurrentThread(k).threadsProcess) yield* ObDereferenceObject(k, process);
  yield* PspTerminateProcess(k, process, ntStatus(ERROR_NOT_ENOUGH_QUOTA), reason);
}
