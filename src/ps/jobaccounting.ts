/** What jobs have used: what was folded into them when members exited, and what those that still run have used so far. */
import { listOwners } from "../rtl/list.ts";
import { addCounters, type IoCounters, newCounters } from "../io/counters.ts";
import { isActiveMember, type Job, JOB_ACCOUNTING_FOLDED } from "./job.ts";
import type { EProcess } from "./objects.ts";

/** Times in 100 ns. */
export interface Times {
  readonly user: number;
  readonly kernel: number;
}

/** What a process has used: its threads, those that have ended and those that run. */
export function processTimes(process: EProcess): Times {
  let user = process.userTime;
  let kernel = process.kernelTime;
  for (const thread of listOwners(process.threadListHead)) {
    user += thread.userTime;
    kernel += thread.kernelTime;
  }
  return { user, kernel };
}

export function pageFaultsOf(process: EProcess): number {
  return process.addressSpace?.faults ?? 0;
}

/** What the members of a job have used while they were members or before. */
export function jobTimes(job: Job): Times {
  let { userTime: user, kernelTime: kernel } = job.folded;
  for (const process of unfolded(job)) {
    const times = processTimes(process);
    user += times.user;
    kernel += times.kernel;
  }
  return { user, kernel };
}

function unfolded(job: Job): EProcess[] {
  return [...job.members.keys()].filter(({ jobStatus }) => (jobStatus & JOB_ACCOUNTING_FOLDED) === 0);
}

/** `JOBOBJECT_BASIC_ACCOUNTING_INFORMATION`. */
export interface JobAccounting {
  readonly total: Times;
  readonly period: Times;
  readonly pageFaults: number;
  readonly totalProcesses: number;
  readonly activeProcesses: number;
  readonly totalTerminatedProcesses: number;
}

export function jobAccounting(job: Job): JobAccounting {
  const total = jobTimes(job);
  const { totalProcesses, activeProcesses, totalTerminatedProcesses, periodUserTime, periodKernelTime } = job;
  return {
    total,
    period: { user: total.user - periodUserTime, kernel: total.kernel - periodKernelTime },
    pageFaults: unfolded(job).reduce((sum, process) => sum + pageFaultsOf(process), job.folded.pageFaults),
    totalProcesses,
    activeProcesses,
    totalTerminatedProcesses,
  };
}

/** `IO_COUNTERS` of all members, past and present. */
export function jobIoCounters(job: Job): IoCounters {
  const sum = newCounters();
  addCounters(sum, job.folded.io);
  for (const process of unfolded(job)) addCounters(sum, process.ioCounters);
  return sum;
}

/** The ids of the members that count. */
export function jobProcessIds(job: Job): number[] {
  return [...job.members.keys()].filter(isActiveMember).map(({ pid }) => pid);
}
