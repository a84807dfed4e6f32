/**
 * Job objects: processes that are counted, bounded and ended together. Jobs nest: a job may lie inside another, and then
 * its members are members of that one too, and of all further out.
 *
 * Invariants: a process is a member of its job and of every job around it, and of no other; it stays one until its
 * object is deleted. `activeProcesses` counts the members that are not JOB_NOT_REALLY_ACTIVE. Every change of a job is
 * made by a plain function, so nobody ever sees half of one: what NT keeps a job's lock for.
 */
import { EndOfJobAction } from "../abi/job.ts";
import { DispatcherType } from "../abi/ke.ts";
import type { IoCompletionPort } from "../io/completionport.ts";
import { type IoCounters, newCounters } from "../io/counters.ts";
import { DispatcherHeader } from "../ke/objects.ts";
import type { Kernel } from "../kernel.ts";
import { newObjectId } from "../sim/identity.ts";
import type { EProcess } from "./objects.ts";

/** `JobStatus` bits of a process. The first: it counts no more, because it has exited or its job has ended it. */
export const JOB_NOT_REALLY_ACTIVE = 1;
export const JOB_ACCOUNTING_FOLDED = 2;

/** What a job keeps for one of its members. */
export interface JobMember {
  /** Whether the completion port knows of its birth, of its death, and of its refused memory. */
  newReported: boolean;
  exitReported: boolean;
  memoryReported: boolean;
  /** Pages that it has committed, as this job counts them. */
  committedPages: number;
}

/** Where messages go: the port, referenced, and what its owner recognises the job by. */
export interface JobCompletion {
  readonly port: IoCompletionPort;
  readonly key: number;
}

/** The limits of a job, in NT's units; memory in pages. What no flag speaks of is 0. */
export interface JobLimits {
  readonly flags: number;
  readonly perProcessUserTime100ns: bigint;
  readonly perJobUserTime100ns: bigint;
  readonly minimumWorkingSetBytes: number;
  readonly maximumWorkingSetBytes: number;
  readonly activeProcesses: number;
  readonly affinity: number;
  readonly priorityClass: number;
  readonly schedulingClass: number;
  readonly processMemoryPages: number;
  readonly jobMemoryPages: number;
}

/** What members that are no longer counted one by one have used. */
export interface JobUsage {
  userTime: number;
  kernelTime: number;
  pageFaults: number;
  readonly io: IoCounters;
}

export class Job extends DispatcherHeader {
  /** Jobs are numbered in the order in which they are made, for reports. */
  readonly number: number;
  /** The job around this one, referenced; null for an outermost one. */
  parent: Job | null = null;
  /** The jobs that lie directly in this one; they refer to it, not the other way round. */
  readonly children: Set<Job> = new Set();
  /** In the order in which they came. */
  readonly members: Map<EProcess, JobMember> = new Map();
  totalProcesses = 0;
  activeProcesses = 0;
  /** Processes that a limit of this job has ended. */
  totalTerminatedProcesses = 0;
  limits: JobLimits = NO_JOB_LIMITS;
  uiRestrictions = 0;
  endOfJobAction: EndOfJobAction = EndOfJobAction.Terminate;
  completion: JobCompletion | null = null;
  /** `PS_JOB_FLAGS_CLOSE_DONE`: the last handle is closed. */
  closeDone = false;
  /** While its members are being ended nobody joins it. */
  terminating = false;
  readonly folded: JobUsage = { userTime: 0, kernelTime: 0, pageFaults: 0, io: newCounters() };
  /** User time of the members when the present period began: when a time limit was last set. */
  periodUserTime = 0;
  periodKernelTime = 0;
  /** User time, of the whole life of the job, at which its time is up; Infinity for no limit. */
  endOfTime100ns: number = Infinity;
  committedPages = 0;
  peakCommittedPages = 0;
  peakProcessPages = 0;

  constructor(k: Kernel) {
    // A job is signaled when it is terminated, and stays so.
    super(newObjectId(k), DispatcherType.EventNotification, 0);
    this.number = ++k.ps.lastJobNumber;
  }
}

export const NO_JOB_LIMITS: JobLimits = {
  flags: 0,
  perProcessUserTime100ns: 0n,
  perJobUserTime100ns: 0n,
  minimumWorkingSetBytes: 0,
  maximumWorkingSetBytes: 0,
  activeProcesses: 0,
  affinity: 0,
  priorityClass: 0,
  schedulingClass: 0,
  processMemoryPages: 0,
  jobMemoryPages: 0,
};

/** A job and those around it, innermost first. */
export function jobChain(job: Job | null): Job[] {
  const found: Job[] = [];
  for (let level = job; level !== null; level = level.parent) found.push(level);
  return found;
}

/** A job and all that lie in it. */
export function jobSubtree(job: Job): Job[] {
  const found = [job];
  for (const next of found) found.push(...next.children);
  return found;
}

export function hasJobLimit(job: Job, flag: number): boolean {
  return (job.limits.flags & flag) !== 0;
}

/** Whether a member still counts. */
export function isActiveMember(process: EProcess): boolean {
  return (process.jobStatus & JOB_NOT_REALLY_ACTIVE) === 0;
}
