/** What `NtQueryInformationJobObject` answers, in the layouts of 32-bit Windows. */
import { JOB_OBJECT_BASIC_LIMIT_VALID_FLAGS, JobInformation } from "../../abi/job.ts";
import { PAGE_SIZE } from "../../abi/mm.ts";
import type { Job } from "../../ps/job.ts";
import { jobAccounting, jobIoCounters, jobProcessIds } from "../../ps/jobaccounting.ts";
import { Encoder } from "../capture.ts";
import { encodeIoCounters } from "./iocounters.ts";

/** An answer, and whether it is all there is to say. */
export interface JobAnswer {
  readonly bytes: Uint8Array;
  readonly complete: boolean;
}

export interface JobQuery {
  /** Bytes that the buffer must have: exactly, or at least if the answer is of variable length. */
  readonly bytes: number;
  readonly variable: boolean;
  readonly encode: (job: Job, length: number) => JobAnswer;
}

/** An answer of fixed length. */
function fixed(bytes: number, fill: (out: Encoder, job: Job) => void): JobQuery {
  const encode = (job: Job): JobAnswer => {
    const out = new Encoder(bytes);
    fill(out, job);
    return { bytes: out.bytes, complete: true };
  };
  return { bytes, variable: false, encode };
}

const ACCOUNTING_BYTES = 48;
const LIMIT_BYTES = 48;
const IO_BYTES = 48;

export const JOB_QUERIES: ReadonlyMap<number, JobQuery> = new Map<number, JobQuery>([
  [JobInformation.BasicAccounting, fixed(ACCOUNTING_BYTES, accounting)],
  [
    JobInformation.BasicLimit,
    fixed(LIMIT_BYTES, (out, job) => basicLimits(out, job, job.limits.flags & JOB_OBJECT_BASIC_LIMIT_VALID_FLAGS)),
  ],
  [JobInformation.BasicProcessIdList, { bytes: 12, variable: true, encode: processIds }],
  [JobInformation.BasicUIRestrictions, fixed(4, (out, job) => out.u32(0, job.uiRestrictions))],
  [JobInformation.EndOfJobTime, fixed(4, (out, job) => out.u32(0, job.endOfJobAction))],
  [
    JobInformation.BasicAndIoAccounting,
    fixed(ACCOUNTING_BYTES + IO_BYTES, (out, job) => {
      accounting(out, job);
      encodeIoCounters(out, ACCOUNTING_BYTES, jobIoCounters(job));
    }),
  ],
  [JobInformation.ExtendedLimit, fixed(LIMIT_BYTES + IO_BYTES + 16, extendedLimits)],
  // The one group of processors that there is, by its number.
  [JobInformation.Group, { bytes: 2, variable: true, encode: () => ({ bytes: new Uint8Array(2), complete: true }) }],
]);

function accounting(out: Encoder, job: Job): void {
  const { total, period, pageFaults, ...processes } = jobAccounting(job);
  const times = [total.user, total.kernel, period.user, period.kernel];
  for (const [index, time] of times.entries()) out.u64(8 * index, Math.floor(time));
  out.u32(32, pageFaults).u32(36, processes.totalProcesses);
  out.u32(40, processes.activeProcesses).u32(44, processes.totalTerminatedProcesses);
}

function basicLimits(out: Encoder, { limits }: Job, flags: number): void {
  out.u64(0, limits.perProcessUserTime100ns).u64(8, limits.perJobUserTime100ns).u32(16, flags);
  out.u32(20, limits.minimumWorkingSetBytes).u32(24, limits.maximumWorkingSetBytes).u32(28, limits.activeProcesses);
  out.u32(32, limits.affinity).u32(36, limits.priorityClass).u32(40, limits.schedulingClass);
}

/** The I/O counters among the limits are reserved, and 0. */
function extendedLimits(out: Encoder, job: Job): void {
  const { limits, peakProcessPages, peakCommittedPages } = job;
  basicLimits(out, job, limits.flags);
  const pages = [limits.processMemoryPages, limits.jobMemoryPages, peakProcessPages, peakCommittedPages];
  for (const [index, count] of pages.entries()) out.u32(LIMIT_BYTES + IO_BYTES + 4 * index, count * PAGE_SIZE);
}

/** As many ids as there is room for; the number of all of them comes first. */
function processIds(job: Job, length: number): JobAnswer {
  const ids = jobProcessIds(job);
  const listed = ids.slice(0, Math.floor((length - 8) / 4));
  const out = new Encoder(8 + 4 * listed.length).u32(0, ids.length).u32(4, listed.length);
  for (const [index, id] of listed.entries()) out.u32(8 + 4 * index, id);
  return { bytes: out.bytes, complete: listed.length === ids.length };
}
