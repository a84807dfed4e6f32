/** Typed services that set and query what a job is told and what it knows. */
import { EndOfJobAction, JOB_OBJECT_QUERY, JOB_OBJECT_SET_ATTRIBUTES, JOB_OBJECT_UI_VALID_FLAGS } from "../abi/job.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { IO_COMPLETION_MODIFY_STATE, type IoCompletionPort } from "../io/completionport.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import { PsGetCurrentThread } from "./current.ts";
import type { Job } from "./job.ts";
import { type JobLimitRequest, setJobLimits } from "./joblimits.ts";
import { forgetReports, reportMember } from "./jobmessage.ts";

/** What can be set of a job. */
export type JobSetting =
  | { readonly kind: "limits"; readonly extended: boolean; readonly limits: JobLimitRequest }
  | { readonly kind: "ui-restrictions"; readonly flags: number }
  | { readonly kind: "end-of-job-time"; readonly action: number }
  /** `port`: a handle, or 0 for none any more. */
  | { readonly kind: "completion-port"; readonly port: number; readonly key: number };

/**
 * Sets something of a job.
 * @returns errors of the handle; INVALID_PARAMETER, PRIVILEGE_NOT_HELD, ACCESS_DENIED; errors of the port's handle
 */
export function* NtSetInformationJobObject(k: Kernel, handle: number, setting: JobSetting): Blocking<NtStatus> {
  const access = JOB_OBJECT_SET_ATTRIBUTES;
  const job = ObReferenceObjectByHandle<Job>(k, handle, access, k.ps.jobType, KeGetPreviousMode(k));
  if (!job.ok) return job.status;
  const status = yield* apply(k, job.value, setting);
  yield* ObDereferenceObject(k, job.value);
  return status;
}

function* apply(k: Kernel, job: Job, setting: JobSetting): Blocking<NtStatus> {
  switch (setting.kind) {
    case "limits":
      return setJobLimits(k, job, setting.limits, { extended: setting.extended });
    case "ui-restrictions":
      return setUiRestrictions(job, setting.flags);
    case "end-of-job-time":
      if (setting.action !== EndOfJobAction.Terminate && setting.action !== EndOfJobAction.Post) {
        return STATUS_INVALID_PARAMETER;
      }
      job.endOfJobAction = setting.action;
      return STATUS_SUCCESS;
    case "completion-port":
      return setting.port === 0 ? yield* dissociatePort(k, job) : yield* associatePort(k, job, setting);
  }
}

/** There are no windows here to keep members from; the restrictions are kept, and keep the job from nesting. */
function setUiRestrictions(job: Job, flags: number): NtStatus {
  if ((flags & ~JOB_OBJECT_UI_VALID_FLAGS) !== 0) return STATUS_INVALID_PARAMETER;
  if (flags !== 0 && (job.parent !== null || job.children.size > 0)) return STATUS_ACCESS_DENIED;
  job.uiRestrictions = flags;
  return STATUS_SUCCESS;
}

/** Gives the job its port, which hears at once of the members that are there. A job has one port at a time. */
function* associatePort(k: Kernel, job: Job, { port, key }: { port: number; key: number }): Blocking<NtStatus> {
  const mode = KeGetPreviousMode(k);
  const type = k.io.completionType;
  const completion = ObReferenceObjectByHandle<IoCompletionPort>(k, port, IO_COMPLETION_MODIFY_STATE, type, mode);
  if (!completion.ok) return completion.status;
  if (job.completion !== null || job.closeDone) {
    yield* ObDereferenceObject(k, completion.value);
    return STATUS_INVALID_PARAMETER;
  }
  job.completion = { port: completion.value, key };
  for (const process of job.members.keys()) reportMember(k, job, process);
  return STATUS_SUCCESS;
}

function* dissociatePort(k: Kernel, job: Job): Blocking<NtStatus> {
  const { completion } = job;
  job.completion = null;
  forgetReports(job);
  if (completion !== null) yield* ObDereferenceObject(k, completion.port);
  return STATUS_SUCCESS;
}

/**
 * Reads something of a job, at once.
 * @param handle 0 for the job of the caller's process
 * @returns errors of the handle; ACCESS_DENIED if the caller's process is in no job
 */
export function* NtQueryInformationJobObject<R>(
  k: Kernel,
  handle: number,
  read: (job: Job) => NtResult<R>,
): Blocking<NtResult<R>> {
  const job = referenceJob(k, handle);
  if (!job.ok) return job;
  const result = read(job.value);
  yield* ObDereferenceObject(k, job.value);
  return result;
}

function referenceJob(k: Kernel, handle: number): NtResult<Job> {
  if (handle !== 0) {
    return ObReferenceObjectByHandle<Job>(k, handle, JOB_OBJECT_QUERY, k.ps.jobType, KeGetPreviousMode(k));
  }
  const { job } = PsGetCurrentThread(k).threadsProcess;
  if (job === null) return failure(STATUS_ACCESS_DENIED);
  ObReferenceObject(job);
  return success(job);
}
