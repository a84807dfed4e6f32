/** Into which jobs a process is born: those of its parent, unless they let their children go, and those it is given. */
import { JobLimit } from "../abi/job.ts";
import {
  failure,
  type NtResult,
  NT_SUCCESS,
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { isActiveMember, type Job } from "./job.ts";
import { enterJob } from "./jobenter.ts";
import type { EProcess } from "./objects.ts";

/** How a process is born, as far as jobs are concerned. */
export interface JobBirth {
  readonly parent: EProcess | null;
  /** `CREATE_BREAKAWAY_FROM_JOB`. */
  readonly breakaway: boolean;
  /** Jobs to be born into besides, outermost first; referenced by the caller. */
  readonly jobs: readonly Job[];
}

/**
 * Brings a new process into its jobs. Nobody is told: that is for when its first thread is there.
 * @returns ACCESS_DENIED if it may not break away; PROCESS_IS_TERMINATING if the parent's job has ended the parent, so
 *   that no child escapes; and as {@link enterJob}
 */
export function PspInheritJobs(k: Kernel, process: EProcess, birth: JobBirth): NtStatus {
  const { parent, breakaway, jobs } = birth;
  const inherited = parent === null ? success(null) : jobOfChildren(parent, breakaway);
  if (!inherited.ok) return inherited.status;
  if (parent !== null && inherited.value !== null && !isActiveMember(parent)) return STATUS_PROCESS_IS_TERMINATING;
  for (const job of inherited.value === null ? jobs : [inherited.value, ...jobs]) {
    const status = enterJob(k, job, process);
    if (!NT_SUCCESS(status)) return status;
  }
  return STATUS_SUCCESS;
}

/** The innermost job of the parent that keeps this child. The child leaves job after job until one does not allow it. */
function jobOfChildren(parent: EProcess, breakaway: boolean): NtResult<Job | null> {
  const freedom = JobLimit.SILENT_BREAKAWAY_OK | (breakaway ? JobLimit.BREAKAWAY_OK : 0);
  let { job } = parent;
  if (breakaway && job !== null && (job.limits.flags & freedom) === 0) return failure(STATUS_ACCESS_DENIED);
  while (job !== null && (job.limits.flags & freedom) !== 0) job = job.parent;
  return success(job);
}
