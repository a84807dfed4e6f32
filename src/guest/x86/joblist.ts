/** `PS_ATTRIBUTE_JOB_LIST`: the jobs that a new process is born into. */
import { JOB_OBJECT_ASSIGN_PROCESS } from "../../abi/job.ts";
import { failure, type NtResult, STATUS_INVALID_PARAMETER, success } from "../../abi/status.ts";
import { KeGetPreviousMode } from "../../ke/current.ts";
import type { Kernel } from "../../kernel.ts";
import type { UserMemory } from "../../mm/usermemory.ts";
import { ObReferenceObjectByHandle } from "../../ob/handle.ts";
import { ObDereferenceObject } from "../../ob/reference.ts";
import type { Job } from "../../ps/job.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { findAttribute, PsAttribute, type PsAttributeEntry } from "./attributes.ts";

const MOST_JOBS = 64;

/** Reads the handles of the list; none without such an attribute. Check `user.faulted` as well. */
export function readJobList(user: UserMemory, attributes: readonly PsAttributeEntry[]): NtResult<readonly number[]> {
  const entry = findAttribute(attributes, PsAttribute.JobList);
  if (entry === null) return success([]);
  const count = entry.size / 4;
  if (!Number.isInteger(count) || count === 0 || count > MOST_JOBS) return failure(STATUS_INVALID_PARAMETER);
  return success(Array.from({ length: count }, (_, index) => user.readU32(entry.value + 4 * index)));
}

/** References the jobs of handles that may assign processes to them: all, or none and why. */
export function* referenceJobs(k: Kernel, handles: readonly number[]): Blocking<NtResult<readonly Job[]>> {
  const jobs: Job[] = [];
  for (const handle of handles) {
    const mode = KeGetPreviousMode(k);
    const job = ObReferenceObjectByHandle<Job>(k, handle, JOB_OBJECT_ASSIGN_PROCESS, k.ps.jobType, mode);
    if (job.ok) {
      jobs.push(job.value);
      continue;
    }
    yield* dereferenceJobs(k, jobs);
    return job;
  }
  return success(jobs);
}

export function* dereferenceJobs(k: Kernel, jobs: readonly Job[]): Blocking<void> {
  for (const job of jobs) yield* ObDereferenceObject(k, job);
}
