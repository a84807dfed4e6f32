/**
 * The limits of jobs: what may be set, and what it does to the members at once. In nested jobs the strictest limit of a
 * chain is in force. A limit on the number of members is for those who come; nobody goes because of it.
 *
 * Limits on working sets and scheduling classes are kept and answered, and have no effect: this machine has neither.
 */
import { JOB_OBJECT_BASIC_LIMIT_VALID_FLAGS, JOB_OBJECT_EXTENDED_LIMIT_VALID_FLAGS, JobLimit } from "../abi/job.ts";
import { PAGE_SHIFT, PAGE_SIZE } from "../abi/mm.ts";
import { type NtStatus, STATUS_INVALID_PARAMETER, STATUS_PRIVILEGE_NOT_HELD, STATUS_SUCCESS } from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { KThread } from "../ke/objects.ts";
import type { Kernel } from "../kernel.ts";
import { listOwners } from "../rtl/list.ts";
import { Privilege, SeSinglePrivilegeCheck } from "../se/privilege.ts";
import { hasJobLimit, isActiveMember, type Job, jobChain, type JobLimits } from "./job.ts";
import { setJobTimeLimit } from "./jobtime.ts";
import type { EProcess } from "./objects.ts";

/** Priority classes, least first. */
const PRIORITY_CLASSES = { idle: 1, belowNormal: 5, normal: 2, aboveNormal: 6, high: 3, realTime: 4 } as const;
const BY_PRIORITY: readonly number[] = Object.values(PRIORITY_CLASSES);
const HIGHEST_PRIORITY_CLASS = 6;
/** Scheduling classes are 0 to 9; from here on they are a privilege. */
const DEFAULT_SCHEDULING_CLASS = 5;
const SCHEDULING_CLASSES = 10;

/** What user mode asks for: memory in bytes, fields that no flag speaks of in any state. */
export type JobLimitRequest = Omit<JobLimits, "processMemoryPages" | "jobMemoryPages"> & {
  readonly processMemoryBytes: number;
  readonly jobMemoryBytes: number;
};

/**
 * Replaces the limits of a job, and puts them in force.
 * @param options extended: the class that may set every limit, not only the basic ones
 * @returns INVALID_PARAMETER, with nothing changed, for a flag or a value that is none; PRIVILEGE_NOT_HELD
 */
export function setJobLimits(
  k: Kernel,
  job: Job,
  request: JobLimitRequest,
  options: { readonly extended: boolean },
): NtStatus {
  const valid = options.extended ? JOB_OBJECT_EXTENDED_LIMIT_VALID_FLAGS : JOB_OBJECT_BASIC_LIMIT_VALID_FLAGS;
  if ((request.flags & ~valid) !== 0 || !isConsistent(k, request)) return STATUS_INVALID_PARAMETER;
  if (isPrivileged(request) && !SeSinglePrivilegeCheck(k, Privilege.IncreaseBasePriority, KeGetPreviousMode(k))) {
    return STATUS_PRIVILEGE_NOT_HELD;
  }
  const preserve = (request.flags & JobLimit.PRESERVE_JOB_TIME) !== 0;
  job.limits = keepFlagged(preserve ? preserved(job, request) : request);
  setJobTimeLimit(k, job, { preserve });
  for (const process of job.members.keys()) if (isActiveMember(process)) applyJobLimits(process);
  return STATUS_SUCCESS;
}

/** Whether every limit that is set has a value that can be one. */
function isConsistent(k: Kernel, request: JobLimitRequest): boolean {
  const { flags, minimumWorkingSetBytes: minimum, maximumWorkingSetBytes: maximum } = request;
  const has = (flag: number): boolean => (flags & flag) !== 0;
  if (has(JobLimit.JOB_TIME) && has(JobLimit.PRESERVE_JOB_TIME)) return false;
  if (has(JobLimit.WORKINGSET) && (minimum === 0 || minimum > maximum)) return false;
  if (has(JobLimit.PROCESS_TIME) && request.perProcessUserTime100ns <= 0n) return false;
  if (has(JobLimit.JOB_TIME) && request.perJobUserTime100ns <= 0n) return false;
  if (has(JobLimit.ACTIVE_PROCESS) && request.activeProcesses === 0) return false;
  if (has(JobLimit.AFFINITY) && !isAffinity(k, request.affinity)) return false;
  if (has(JobLimit.PRIORITY_CLASS) && !isPriorityClass(request.priorityClass)) return false;
  if (has(JobLimit.SCHEDULING_CLASS) && request.schedulingClass >= SCHEDULING_CLASSES) return false;
  if (has(JobLimit.PROCESS_MEMORY) && request.processMemoryBytes < PAGE_SIZE) return false;
  return !has(JobLimit.JOB_MEMORY) || request.jobMemoryBytes >= PAGE_SIZE;
}

function isAffinity(k: Kernel, affinity: number): boolean {
  const processors = k.ke.prcbs.length === 32 ? -1 : (1 << k.ke.prcbs.length) - 1;
  return affinity !== 0 && (affinity & ~processors) === 0;
}

function isPriorityClass(value: number): boolean {
  return value > 0 && value <= HIGHEST_PRIORITY_CLASS;
}

/** What would give the members more than everybody else has. */
function isPrivileged({ flags, priorityClass, schedulingClass }: JobLimitRequest): boolean {
  const { high, realTime } = PRIORITY_CLASSES;
  const privileged = priorityClass === high || priorityClass === realTime;
  if ((flags & JobLimit.PRIORITY_CLASS) !== 0 && privileged) return true;
  return (flags & JobLimit.SCHEDULING_CLASS) !== 0 && schedulingClass > DEFAULT_SCHEDULING_CLASS;
}

/** The limit on the job's time stays what it is, whatever the request says of it. */
function preserved({ limits }: Job, request: JobLimitRequest): JobLimitRequest {
  const kept = limits.flags & JobLimit.JOB_TIME;
  const flags = (request.flags & ~(JobLimit.PRESERVE_JOB_TIME | JobLimit.JOB_TIME)) | kept;
  return { ...request, flags, perJobUserTime100ns: limits.perJobUserTime100ns };
}

/** The values that a flag speaks of; the others are forgotten. */
function keepFlagged(request: JobLimitRequest): JobLimits {
  const { flags } = request;
  const kept = (flag: number, value: number): number => ((flags & flag) === 0 ? 0 : value);
  return {
    flags,
    perProcessUserTime100ns: (flags & JobLimit.PROCESS_TIME) === 0 ? 0n : request.perProcessUserTime100ns,
    perJobUserTime100ns: (flags & JobLimit.JOB_TIME) === 0 ? 0n : request.perJobUserTime100ns,
    minimumWorkingSetBytes: kept(JobLimit.WORKINGSET, request.minimumWorkingSetBytes),
    maximumWorkingSetBytes: kept(JobLimit.WORKINGSET, request.maximumWorkingSetBytes),
    activeProcesses: kept(JobLimit.ACTIVE_PROCESS, request.activeProcesses),
    affinity: kept(JobLimit.AFFINITY, request.affinity),
    priorityClass: kept(JobLimit.PRIORITY_CLASS, request.priorityClass),
    schedulingClass: kept(JobLimit.SCHEDULING_CLASS, request.schedulingClass),
    processMemoryPages: kept(JobLimit.PROCESS_MEMORY, request.processMemoryBytes >>> PAGE_SHIFT),
    jobMemoryPages: kept(JobLimit.JOB_MEMORY, request.jobMemoryBytes >>> PAGE_SHIFT),
  };
}

/** Puts the limits that change a process itself in force: its processors and its priority class. */
export function applyJobLimits(process: EProcess): void {
  const affinity = jobAffinity(process);
  if (affinity !== null) setAffinity(process, affinity);
  process.priorityClass = jobPriorityClass(process) ?? process.priorityClass;
}

/** The processors that the jobs of a process leave it, or null if none of them says. */
export function jobAffinity(process: EProcess): number | null {
  let affinity: number | null = null;
  // A job whose processors are none of those around it counts for nothing.
  for (const job of jobChain(process.job).toReversed()) {
    if (!hasJobLimit(job, JobLimit.AFFINITY)) continue;
    affinity = (affinity ?? -1) & job.limits.affinity || affinity;
  }
  return affinity;
}

function setAffinity(process: EProcess, affinity: number): void {
  process.affinity = affinity;
  const threads: readonly KThread[] = listOwners(process.threadListHead);
  for (const thread of threads) thread.affinity = affinity;
}

/** The priority class that the jobs of a process dictate, the least of them; null if none does. */
export function jobPriorityClass(process: EProcess): number | null {
  const classes = jobChain(process.job)
    .filter((job) => hasJobLimit(job, JobLimit.PRIORITY_CLASS))
    .map(({ limits }) => limits.priorityClass);
  return BY_PRIORITY.find((priorityClass) => classes.includes(priorityClass)) ?? null;
}
