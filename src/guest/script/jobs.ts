/** The system services on jobs, and on the completion ports that jobs report to, as scripts see them. */
import { JOB_OBJECT_ALL_ACCESS } from "../../abi/job.ts";
import { type NtResult, type NtStatus, ntStatus, success } from "../../abi/status.ts";
import { type CompletionPacket, IO_COMPLETION_ALL_ACCESS } from "../../io/completionport.ts";
import { NtCreateIoCompletion, NtRemoveIoCompletion } from "../../io/completionservice.ts";
import type { IoCounters } from "../../io/counters.ts";
import type { Kernel } from "../../kernel.ts";
import { type Job, type JobLimits, NO_JOB_LIMITS } from "../../ps/job.ts";
import { type JobAccounting, jobAccounting, jobIoCounters, jobProcessIds } from "../../ps/jobaccounting.ts";
import { NtAssignProcessToJobObject } from "../../ps/jobassign.ts";
import { type JobSetting, NtQueryInformationJobObject, NtSetInformationJobObject } from "../../ps/jobinfo.ts";
import type { JobLimitRequest } from "../../ps/joblimits.ts";
import { NtCreateJobObject, NtIsProcessInJob, NtOpenJobObject, NtTerminateJobObject } from "../../ps/jobservices.ts";
import type { Blocking } from "../../sim/blocking.ts";
import type { Script } from "./context.ts";
import { handleOf, openNamed, service } from "./service.ts";

/** Everything that a job answers about itself. */
export interface ScriptJob extends JobAccounting {
  readonly io: IoCounters;
  /** Those who count. */
  readonly processIds: readonly number[];
  readonly limits: JobLimits;
  readonly uiRestrictions: number;
  readonly peakProcessPages: number;
  readonly peakJobPages: number;
}

/** Services on jobs. A handle of 0 queries the job of the caller's process, and asks for membership in any job. */
export interface ScriptJobServices {
  readonly NtCreateJobObject: (name?: string | null, desiredAccess?: number) => Script<NtResult<number>>;
  readonly NtOpenJobObject: (name: string, desiredAccess?: number) => Script<NtResult<number>>;
  readonly NtAssignProcessToJobObject: (job: number, process: number) => Script<NtStatus>;
  readonly NtTerminateJobObject: (job: number, status: number) => Script<NtStatus>;
  readonly NtIsProcessInJob: (process: number, job?: number) => Script<NtStatus>;
  readonly NtSetInformationJobObject: (job: number, setting: JobSetting) => Script<NtStatus>;
  readonly NtQueryInformationJobObject: (job: number) => Script<NtResult<ScriptJob>>;
  readonly NtCreateIoCompletion: () => Script<NtResult<number>>;
  readonly NtRemoveIoCompletion: (port: number, timeout100ns?: number | null) => Script<NtResult<CompletionPacket>>;
}

/** The setting of some limits; those that are not given are 0. */
export function limitsOf(limits: Partial<JobLimitRequest>): JobSetting {
  const request = { ...NO_JOB_LIMITS, processMemoryBytes: 0, jobMemoryBytes: 0, ...limits };
  return { kind: "limits", extended: true, limits: request };
}

function* createJob(
  k: Kernel,
  name: string | null = null,
  desiredAccess: number = JOB_OBJECT_ALL_ACCESS,
): Blocking<NtResult<number>> {
  return handleOf(yield* NtCreateJobObject(k, desiredAccess, openNamed(name)));
}

function* createPort(k: Kernel): Blocking<NtResult<number>> {
  return handleOf(yield* NtCreateIoCompletion(k, IO_COMPLETION_ALL_ACCESS, null, 0));
}

function describeJob(job: Job): NtResult<ScriptJob> {
  return success({
    ...jobAccounting(job),
    io: jobIoCounters(job),
    processIds: jobProcessIds(job),
    limits: job.limits,
    uiRestrictions: job.uiRestrictions,
    peakProcessPages: job.peakProcessPages,
    peakJobPages: job.peakCommittedPages,
  });
}

export const jobServices: ScriptJobServices = {
  NtCreateJobObject: service("NtCreateJobObject", createJob),
  NtOpenJobObject: service("NtOpenJobObject", (k, name: string, desiredAccess: number = JOB_OBJECT_ALL_ACCESS) =>
    NtOpenJobObject(k, desiredAccess, { ...openNamed(name), attributes: 0 }),
  ),
  NtAssignProcessToJobObject: service("NtAssignProcessToJobObject", NtAssignProcessToJobObject),
  NtTerminateJobObject: service("NtTerminateJobObject", (k, job: number, status: number) =>
    NtTerminateJobObject(k, job, ntStatus(status)),
  ),
  NtIsProcessInJob: service("NtIsProcessInJob", (k, process: number, job: number = 0) =>
    NtIsProcessInJob(k, process, job),
  ),
  NtSetInformationJobObject: service("NtSetInformationJobObject", NtSetInformationJobObject),
  NtQueryInformationJobObject: service("NtQueryInformationJobObject", (k, job: number) =>
    NtQueryInformationJobObject(k, job, describeJob),
  ),
  NtCreateIoCompletion: service("NtCreateIoCompletion", createPort),
  NtRemoveIoCompletion: service("NtRemoveIoCompletion", (k, port: number, timeout100ns: number | null = null) =>
    NtRemoveIoCompletion(k, port, timeout100ns),
  ),
};
