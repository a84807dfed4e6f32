/**
 * Ending a job: its members and those of all jobs in it.
 *
 * Who is to die is settled in one step: from then on those processes count no more, nobody joins the jobs, and no child
 * of theirs is born into them. So nobody escapes, however long it takes to tell everybody. The caller's own process, if
 * it is one of them, is left to the caller: it goes last, when nothing is held any more (D43b).
 */
import { JobLimit } from "../abi/job.ts";
import type { NtStatus } from "../abi/status.ts";
import { KiWaitTest } from "../ke/waittest.ts";
import type { Kernel } from "../kernel.ts";
import { ObDereferenceObject, ObReferenceObjectSafe } from "../ob/reference.ts";
import type { ObProcess } from "../ob/process.ts";
import type { Blocking } from "../sim/blocking.ts";
import { PsGetCurrentThread } from "./current.ts";
import { hasJobLimit, isActiveMember, type Job, jobSubtree } from "./job.ts";
import { endsUnderLock, terminateUnderLock } from "./jobkillerrata.ts";
import { deactivate, reportIfEmpty } from "./jobmembers.ts";
import { PspTerminateProcess } from "./kill.ts";
import type { KillReason } from "./killreason.ts";
import type { EProcess } from "./objects.ts";

/** Exit status of those whose job was closed. */
const CLOSED_WITH = 0 as NtStatus;

/** Those who die with a job. */
interface Doomed {
  /** Referenced; without the caller's own process. */
  readonly processes: readonly EProcess[];
  /** Whether the caller's own process is to die as well. */
  readonly self: boolean;
  /** The jobs that are being ended, and those that have lost members, each once. */
  readonly ended: readonly Job[];
  readonly bereaved: ReadonlySet<Job>;
}

/**
 * Ends all members of a job but the caller's own process, signals the job, and tells it and those around it.
 * @returns whether the caller's own process is a member: the caller then ends it, once it holds nothing any more
 */
export function* PspTerminateAllProcessesInJob(
  k: Kernel,
  job: Job,
  exitStatus: NtStatus,
  reason: KillReason,
): Blocking<boolean> {
  if (endsUnderLock(k, reason)) {
    yield* terminateUnderLock(k, job, exitStatus, reason);
    return false;
  }
  const doomed = settleWhoDies(k, job);
  for (const process of doomed.processes) {
    yield* PspTerminateProcess(k, process, exitStatus, reason);
    yield* ObDereferenceObject(k, process);
  }
  for (const ended of doomed.ended) ended.terminating = false;
  for (const bereaved of doomed.bereaved) reportIfEmpty(k, bereaved);
  for (const ended of doomed.ended) if (doomed.bereaved.has(ended)) signal(k, ended);
  return doomed.self;
}

/** Plain, hence one step. */
function settleWhoDies(k: Kernel, job: Job): Doomed {
  const own = PsGetCurrentThread(k).threadsProcess;
  const processes: EProcess[] = [];
  const bereaved = new Set<Job>();
  let self = false;
  for (const process of job.members.keys()) {
    if (!isActiveMember(process)) continue;
    for (const level of deactivate(process)) bereaved.add(level);
    if (process === own) self = true;
    else if (ObReferenceObjectSafe(process)) processes.push(process);
  }
  // What somebody else is ending already, he also declares ended.
  const ended = jobSubtree(job).filter(({ terminating }) => !terminating);
  for (const level of ended) level.terminating = true;
  return { processes, self, ended, bereaved };
}

/** A job that was ended stays signaled. */
function signal(k: Kernel, job: Job): void {
  if (job.activeProcesses !== 0 || job.signalState !== 0) return;
  job.signalState = 1;
  KiWaitTest(k, job, 0);
}

/**
 * Close procedure of the Job type. With its last handle a job loses its completion port and, if it has
 * KILL_ON_JOB_CLOSE, its members. A member that closes the handle, be it in its last moments (D43c), is not ended from
 * within: it dies by its own kill, or of what it is dying of.
 */
export function* PspCloseJob(
  k: Kernel,
  _process: ObProcess,
  job: Job,
  _grantedAccess: number,
  _processHandleCount: number,
  systemHandleCount: number,
): Blocking<void> {
  if (systemHandleCount !== 1) return;
  job.closeDone = true;
  if (hasJobLimit(job, JobLimit.KILL_ON_JOB_CLOSE)) {
    const reason: KillReason = { route: "job", via: "PspCloseJob", job: job.number };
    const self = yield* PspTerminateAllProcessesInJob(k, job, CLOSED_WITH, reason);
    const own = PsGetCurrentThread(k).threadsProcess;
    if (self) yield* PspTerminateProcess(k, own, CLOSED_WITH, reason);
  }
  const { completion } = job;
  job.completion = null;
  if (completion !== null) yield* ObDereferenceObject(k, completion.port);
}

/** Delete procedure of the Job type: nobody refers to the job, so it has neither members nor jobs in it. */
export function* PspDeleteJob(k: Kernel, job: Job): Blocking<void> {
  k.ps.jobTime.jobs.delete(job);
  const { parent, completion } = job;
  job.completion = null;
  job.parent = null;
  if (completion !== null) yield* ObDereferenceObject(k, completion.port);
  if (parent === null) return;
  parent.children.delete(job);
  yield* ObDereferenceObject(k, parent);
}
