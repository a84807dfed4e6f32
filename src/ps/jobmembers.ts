/** Who is a member of a job: joining, leaving, and no longer counting. */
import { JobLimit, JobMessage } from "../abi/job.ts";
import { type NtStatus, STATUS_QUOTA_EXCEEDED, STATUS_SUCCESS } from "../abi/status.ts";
import { addCounters } from "../io/counters.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObject } from "../ob/reference.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import { emit } from "../sim/record.ts";
import { jobTimes, pageFaultsOf, processTimes } from "./jobaccounting.ts";
import { endsSilently, forgetsLateMember } from "./joberrata.ts";
import {
  hasJobLimit,
  isActiveMember,
  type Job,
  JOB_ACCOUNTING_FOLDED,
  JOB_NOT_REALLY_ACTIVE,
  jobChain,
  type JobMember,
} from "./job.ts";
import { applyJobLimits } from "./joblimits.ts";
import { joinCommit, leaveCommit } from "./jobmemory.ts";
import { postJobMessage, reportExit } from "./jobmessage.ts";
import { watchJobTime } from "./jobtime.ts";
import type { EProcess } from "./objects.ts";

/**
 * Makes the process a member of a job and of all around it that it is not in yet. It must be in none, or in one of
 * those. Nobody is told yet.
 * @returns QUOTA_EXCEEDED if a job has as many active processes as it may, or has used up its time: then the process is
 *   no member, and is to be ended
 */
export function PspAddProcessToJob(k: Kernel, job: Job, process: EProcess): NtStatus {
  const joined = jobChain(job).filter((level) => !level.members.has(process));
  for (const level of joined) level.totalProcesses++;
  const full = joined.find((level) => isFull(level) || isOutOfTime(level));
  if (full !== undefined) {
    full.totalTerminatedProcesses++;
    if (isFull(full)) postJobMessage(k, full, JobMessage.ACTIVE_PROCESS_LIMIT, 0);
    return STATUS_QUOTA_EXCEEDED;
  }
  for (const level of joined) {
    level.members.set(process, newMember());
    level.activeProcesses++;
  }
  ObReferenceObject(job);
  process.job = job;
  joinCommit(process);
  applyJobLimits(process);
  watchJobTime(k);
  return STATUS_SUCCESS;
}

/** Names the innermost job of a process in the record, once the record knows the process. */
export function recordJob(k: Kernel, process: EProcess): void {
  if (process.job !== null) emit(k, { kind: "process-job", pid: process.pid, job: process.job.number });
}

function isFull(job: Job): boolean {
  return hasJobLimit(job, JobLimit.ACTIVE_PROCESS) && job.activeProcesses >= job.limits.activeProcesses;
}

function isOutOfTime(job: Job): boolean {
  return job.endOfTime100ns !== Infinity && jobTimes(job).user >= job.endOfTime100ns;
}

function newMember(): JobMember {
  return { newReported: false, exitReported: false, memoryReported: false, committedPages: 0 };
}

/**
 * The last thread leaves (E40): what the process used goes to its jobs, and it counts no more. One that joined after
 * its exit message was due is reported as gone now, if it was reported as born (D43d).
 */
// eslint-disable-next-line require-yield
export function* PspExitProcessFromJob(k: Kernel, process: EProcess): Blocking<void> {
  if (!forgetsLateMember(k)) reportExit(k, process);
  foldAccounting(process);
  for (const job of deactivate(process)) reportIfEmpty(k, job);
}

/** The object goes away (DP3): the process is no member any more. The caller drops the job's reference. */
// eslint-disable-next-line require-yield
export function* PspRemoveProcessFromJob(k: Kernel, process: EProcess, job: Job): Blocking<void> {
  reportExit(k, process);
  foldAccounting(process);
  for (const level of deactivate(process)) reportIfEmpty(k, level);
  leaveCommit(process);
  for (const level of jobChain(job)) {
    assert(level.members.delete(process), "a process is a member of every job around its own");
  }
}

function foldAccounting(process: EProcess): void {
  if ((process.jobStatus & JOB_ACCOUNTING_FOLDED) !== 0) return;
  const used = { ...processTimes(process), faults: pageFaultsOf(process) };
  process.jobStatus |= JOB_ACCOUNTING_FOLDED;
  for (const { folded } of jobChain(process.job)) {
    folded.userTime += used.user;
    folded.kernelTime += used.kernel;
    folded.pageFaults += used.faults;
    addCounters(folded.io, process.ioCounters);
  }
}

/** The process counts no more, in any of its jobs. @returns those jobs; none if it did not count */
export function deactivate(process: EProcess): Job[] {
  if (!isActiveMember(process)) return [];
  process.jobStatus |= JOB_NOT_REALLY_ACTIVE;
  const jobs = jobChain(process.job);
  for (const job of jobs) {
    job.activeProcesses--;
    assert(job.activeProcesses >= 0, "an active member was counted");
  }
  return jobs;
}

/** Tells a job that has just lost a member that it was the last one. */
export function reportIfEmpty(k: Kernel, job: Job): void {
  if (job.activeProcesses === 0 && !endsSilently(k)) postJobMessage(k, job, JobMessage.ACTIVE_PROCESS_ZERO, 0);
}
