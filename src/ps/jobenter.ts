/**
 * Into which jobs a process may come. It moves only inwards: from no job into one, or from its job into one that lies in
 * it. A job that is empty and lies nowhere yet is put into the job of its first member, and so jobs nest.
 */
import { JobLimit } from "../abi/job.ts";
import {
  NT_SUCCESS,
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { dropReference, ObReferenceObject } from "../ob/reference.ts";
import { assert } from "../rtl/assert.ts";
import { hasJobLimit, isActiveMember, type Job, jobChain } from "./job.ts";
import { PspAddProcessToJob } from "./jobmembers.ts";
import type { EProcess } from "./objects.ts";

/** Every level counts each process that is further in, so a guest may not nest without bound. */
const DEEPEST_NESTING = 64;

/**
 * Brings a process into a job and all jobs around it.
 * @returns INVALID_PARAMETER for a job that is being ended or closed; PROCESS_IS_TERMINATING for a process that its jobs
 *   count no more; ACCESS_DENIED if the process may not come there; INSUFFICIENT_RESOURCES for jobs nested too deeply;
 *   QUOTA_EXCEEDED: the process is to be ended
 */
export function enterJob(k: Kernel, job: Job, process: EProcess): NtStatus {
  if (jobChain(job).some(isClosing)) return STATUS_INVALID_PARAMETER;
  if (!isActiveMember(process)) return STATUS_PROCESS_IS_TERMINATING;
  const before = process.job;
  if (before === null || jobChain(job.parent).includes(before)) return moveInto(k, job, process);
  if (!mayLieIn(job, before)) return STATUS_ACCESS_DENIED;
  if (jobChain(before).length >= DEEPEST_NESTING) return STATUS_INSUFFICIENT_RESOURCES;
  nest(job, before);
  const status = moveInto(k, job, process);
  if (!NT_SUCCESS(status)) unnest(job, before);
  return status;
}

function isClosing(job: Job): boolean {
  return job.terminating || (job.closeDone && hasJobLimit(job, JobLimit.KILL_ON_JOB_CLOSE));
}

/** Whether a job may become one in `outer`. Jobs that restrict what their members do to windows do not nest. */
function mayLieIn(job: Job, outer: Job): boolean {
  if (job.uiRestrictions !== 0 || outer.uiRestrictions !== 0) return false;
  return job.parent === null && job.members.size === 0 && job.children.size === 0;
}

function nest(job: Job, outer: Job): void {
  ObReferenceObject(outer);
  job.parent = outer;
  outer.children.add(job);
}

function unnest(job: Job, outer: Job): void {
  outer.children.delete(job);
  job.parent = null;
  assert(dropReference(outer), "a job with members is referenced by them");
}

function moveInto(k: Kernel, job: Job, process: EProcess): NtStatus {
  const before = process.job;
  const status = PspAddProcessToJob(k, job, process);
  if (!NT_SUCCESS(status)) return status;
  if (before !== null) assert(dropReference(before), "a job is referenced by the jobs in it");
  return STATUS_SUCCESS;
}
