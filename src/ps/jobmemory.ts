/**
 * What jobs count and bound of memory: pages that their members have committed.
 *
 * Invariant: what a job counts is the sum over its members, and that is what their address spaces have committed.
 */
import { JobLimit, JobMessage } from "../abi/job.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { CommitLimiter, MmProcess } from "../mm/process.ts";
import { hasJobLimit, type Job, jobChain } from "./job.ts";
import { postJobMessage } from "./jobmessage.ts";
import { EProcess } from "./objects.ts";

const JOB_COMMIT: CommitLimiter = { charge: chargeJobs, release: releaseFromJobs };

/** The process has joined jobs: they count what it has. That may be more than they allow; only further pages are refused. */
export function joinCommit(process: EProcess): void {
  const pages = process.addressSpace?.committedPages ?? 0;
  for (const job of jobChain(process.job)) {
    const member = job.members.get(process);
    assert(member !== undefined, "a process is a member of every job around its own");
    count(job, process, pages - member.committedPages);
  }
  process.commitLimiter = JOB_COMMIT;
}

/** The process leaves its jobs; what it still has is its own affair. */
export function leaveCommit(process: EProcess): void {
  process.commitLimiter = null;
  for (const job of jobChain(process.job)) count(job, process, -(job.members.get(process)?.committedPages ?? 0));
}

/** Asks every job whether its member may have more. */
function chargeJobs(k: Kernel, process: MmProcess, pages: number): boolean {
  assert(process instanceof EProcess, "every process is the process manager's");
  for (let job = process.job; job !== null; job = job.parent) {
    const refusal = refuse(job, process, pages);
    if (refusal === null) continue;
    report(k, job, process, refusal);
    return false;
  }
  for (let job = process.job; job !== null; job = job.parent) count(job, process, pages);
  return true;
}

function refuse(job: Job, process: EProcess, pages: number): JobMessage | null {
  const used = job.members.get(process)?.committedPages ?? 0;
  if (hasJobLimit(job, JobLimit.PROCESS_MEMORY) && used + pages > job.limits.processMemoryPages) {
    return JobMessage.PROCESS_MEMORY_LIMIT;
  }
  if (hasJobLimit(job, JobLimit.JOB_MEMORY) && job.committedPages + pages > job.limits.jobMemoryPages) {
    return JobMessage.JOB_MEMORY_LIMIT;
  }
  return null;
}

/** Once for a process: a program that tries again and again must not fill the port. */
function report(k: Kernel, job: Job, process: EProcess, message: JobMessage): void {
  const member = job.members.get(process);
  if (member === undefined || member.memoryReported) return;
  member.memoryReported = job.completion !== null;
  postJobMessage(k, job, message, process.pid);
}

function releaseFromJobs(process: MmProcess, pages: number): void {
  assert(process instanceof EProcess, "every process is the process manager's");
  for (let job = process.job; job !== null; job = job.parent) count(job, process, -pages);
}

function count(job: Job, process: EProcess, pages: number): void {
  const member = job.members.get(process);
  assert(member !== undefined, "a process is a member of every job around its own");
  member.committedPages += pages;
  job.committedPages += pages;
  assert(member.committedPages >= 0, "no more pages are given back to a job than it counted");
  if (job.committedPages > job.peakCommittedPages) job.peakCommittedPages = job.committedPages;
  if (member.committedPages > job.peakProcessPages) job.peakProcessPages = member.committedPages;
}
