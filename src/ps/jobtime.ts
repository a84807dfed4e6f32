/**
 * Time limits of jobs: on the user time of each member, and of all members together. A timer looks whether one may be
 * used up by now; a worker then does what is to be done (`jobtimelimits.ts`).
 *
 * Invariant: the timer runs only while a job with a time limit has active members, and goes off no sooner than a limit
 * can be reached: time is not used faster than the processors' clocks go.
 */
import { JobLimit } from "../abi/job.ts";
import { ExQueueWorkItem, type ExWorkItem, WorkQueueType } from "../ex/work.ts";
import { KDpc, type KTimer } from "../ke/objects.ts";
import { KeInitializeTimer } from "../ke/timer.ts";
import { removeTimer } from "../ke/timers.ts";
import { KeSetWorkTimer } from "../ke/worktimer.ts";
import type { Kernel } from "../kernel.ts";
import { hasJobLimit, isActiveMember, type Job } from "./job.ts";
import { PSF_PROCESS_DELETE } from "../abi/ps.ts";
import { hasProcessFlag } from "./flags.ts";
import { jobTimes, processTimes } from "./jobaccounting.ts";

/** Who watches the time limits of all jobs. */
export interface JobTimeWatch {
  /** Jobs that have a time limit; the watch does not keep them alive. */
  readonly jobs: Set<Job>;
  /** Made when it is first needed. */
  timer: KTimer | null;
  readonly item: ExWorkItem;
  /** Whether the worker has been told and is not done. */
  working: boolean;
}

/** Looking more often than this is idle: 100 us. */
const SHORTEST_100NS = 1_000;

/** The limits of a job have been replaced: begins a new period if there is a new limit on its time. */
export function setJobTimeLimit(k: Kernel, job: Job, options: { readonly preserve: boolean }): void {
  const { user, kernel } = jobTimes(job);
  if (hasJobLimit(job, JobLimit.JOB_TIME) && !options.preserve) {
    job.periodUserTime = user;
    job.periodKernelTime = kernel;
    job.endOfTime100ns = user + Number(job.limits.perJobUserTime100ns);
  } else if (!options.preserve) {
    job.endOfTime100ns = Infinity;
  }
  if (job.endOfTime100ns !== Infinity || hasJobLimit(job, JobLimit.PROCESS_TIME)) k.ps.jobTime.jobs.add(job);
  else k.ps.jobTime.jobs.delete(job);
  watchJobTime(k);
}

/** Sets the timer for when a limit can be reached at the earliest. */
export function watchJobTime(k: Kernel): void {
  const watch = k.ps.jobTime;
  if (watch.jobs.size === 0 || watch.working) return;
  let left = Infinity;
  for (const job of watch.jobs) left = Math.min(left, timeLeft(job));
  if (left === Infinity) {
    if (watch.timer !== null) removeTimer(k, watch.timer);
    return;
  }
  watch.timer ??= KeInitializeTimer(k, "notification");
  KeSetWorkTimer(k, watch.timer, Math.max(SHORTEST_100NS, Math.ceil(left / k.ke.prcbs.length)), DPC);
}

const DPC: KDpc = new KDpc(PspJobTimeLimitsDpc, null);

/** The timer went off: somebody has used up a limit, or there is still time. */
function PspJobTimeLimitsDpc(k: Kernel): void {
  const watch = k.ps.jobTime;
  for (const job of watch.jobs) {
    if (timeLeft(job) > 0) continue;
    watch.working = true;
    ExQueueWorkItem(k, watch.item, WorkQueueType.Delayed);
    return;
  }
  watchJobTime(k);
}

/** User time that the members may use before the first limit of the job is reached; Infinity if nobody counts. */
function timeLeft(job: Job): number {
  if (job.activeProcesses === 0) return Infinity;
  let left = job.endOfTime100ns === Infinity ? Infinity : job.endOfTime100ns - jobTimes(job).user;
  if (!hasJobLimit(job, JobLimit.PROCESS_TIME)) return left;
  const limit = Number(job.limits.perProcessUserTime100ns);
  for (const process of job.members.keys()) {
    if (!isActiveMember(process) || hasProcessFlag(process, PSF_PROCESS_DELETE)) continue;
    left = Math.min(left, limit - processTimes(process).user);
  }
  return left;
}
