/** What happens when a time limit of a job is used up: carried out by a worker, because processes are ended. */
import { EndOfJobAction, ERROR_NOT_ENOUGH_QUOTA, JobLimit, JobMessage } from "../abi/job.ts";
import { PSF_PROCESS_DELETE } from "../abi/ps.ts";
import { ntStatus } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { ObDereferenceObject, ObReferenceObjectSafe } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import { hasProcessFlag } from "./flags.ts";
import { hasJobLimit, isActiveMember, type Job } from "./job.ts";
import { jobTimes, processTimes } from "./jobaccounting.ts";
import { PspTerminateAllProcessesInJob } from "./jobkill.ts";
import { postJobMessage } from "./jobmessage.ts";
import { watchJobTime } from "./jobtime.ts";
import { PspTerminateProcess } from "./kill.ts";
import type { KillReason } from "./killreason.ts";

const OVER_LIMIT = ntStatus(ERROR_NOT_ENOUGH_QUOTA);

/** Work routine of the watch: looks at every job that has a time limit. */
export function* PspJobTimeLimitsWork(k: Kernel): Blocking<void> {
  const watch = k.ps.jobTime;
  for (const job of [...watch.jobs]) {
    if (!ObReferenceObjectSafe(job)) continue;
    yield* enforceProcessTime(k, job);
    yield* enforceJobTime(k, job);
    yield* ObDereferenceObject(k, job);
  }
  watch.working = false;
  watchJobTime(k);
}

/** Ends each member that has used more than each of them may. */
function* enforceProcessTime(k: Kernel, job: Job): Blocking<void> {
  if (!hasJobLimit(job, JobLimit.PROCESS_TIME)) return;
  const limit = Number(job.limits.perProcessUserTime100ns);
  for (const process of [...job.members.keys()]) {
    if (!job.members.has(process) || !isActiveMember(process)) continue;
    if (hasProcessFlag(process, PSF_PROCESS_DELETE) || processTimes(process).user < limit) continue;
    if (!ObReferenceObjectSafe(process)) continue;
    job.totalTerminatedProcesses++;
    yield* PspTerminateProcess(k, process, OVER_LIMIT, reasonOf(job, "PROCESS_TIME"));
    postJobMessage(k, job, JobMessage.END_OF_PROCESS_TIME, process.pid);
    yield* ObDereferenceObject(k, process);
  }
}

/** The members together have used what they may: ends them all, or only says so. */
function* enforceJobTime(k: Kernel, job: Job): Blocking<void> {
  if (job.activeProcesses === 0 || jobTimes(job).user < job.endOfTime100ns) return;
  if (job.endOfJobAction === EndOfJobAction.Post && job.completion !== null) {
    job.endOfTime100ns = Infinity;
    job.limits = { ...job.limits, flags: job.limits.flags & ~JobLimit.JOB_TIME, perJobUserTime100ns: 0n };
    postJobMessage(k, job, JobMessage.END_OF_JOB_TIME, 0);
    return;
  }
  job.totalTerminatedProcesses += job.activeProcesses;
  yield* PspTerminateAllProcessesInJob(k, job, OVER_LIMIT, reasonOf(job, "JOB_TIME"));
}

function reasonOf(job: Job, limit: string): KillReason {
  return { route: "job", via: `limit ${limit}`, job: job.number };
}
