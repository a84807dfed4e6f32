/**
 * Jobs, as far as processes that end need them: accounting and the messages that a member's end sends. A member stays
 * linked until its object is deleted.
 */
import { DispatcherType } from "../abi/ke.ts";
import { DispatcherHeader } from "../ke/objects.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import { newObjectId } from "../sim/identity.ts";
import type { EProcess } from "./objects.ts";

/** `JobStatus` bits of a process. */
const JOB_NOT_REALLY_ACTIVE = 1;
const ACCOUNTING_FOLDED = 2;

/** `JOB_OBJECT_MSG_*`. */
export type JobMessage = "new-process" | "exit-process" | "abnormal-exit-process" | "active-process-zero";

export class Job extends DispatcherHeader {
  readonly processes: Set<EProcess> = new Set();
  totalProcesses = 0;
  activeProcesses = 0;
  userTime = 0;
  kernelTime = 0;
  /** Receives the job's messages; null while no completion port is associated. */
  completion: ((message: JobMessage, pid: number) => void) | null = null;

  constructor(k: Kernel) {
    super(newObjectId(k), DispatcherType.EventNotification, 0);
  }
}

/** The exit message, before the process is signaled (X6). */
export function PspSendExitMessage(_k: Kernel, job: Job, process: EProcess): void {
  job.completion?.("exit-process", process.pid);
}

/** The last thread leaves: folds the accounting and counts the process out (E40). */
// eslint-disable-next-line require-yield
export function* PspExitProcessFromJob(_k: Kernel, job: Job, process: EProcess): Blocking<void> {
  foldAccounting(job, process);
  deactivate(job, process);
}

/** The object goes away (DP3). */
// eslint-disable-next-line require-yield
export function* PspRemoveProcessFromJob(_k: Kernel, process: EProcess, job: Job): Blocking<void> {
  deactivate(job, process);
  job.processes.delete(process);
}

function foldAccounting(job: Job, process: EProcess): void {
  if ((process.jobStatus & ACCOUNTING_FOLDED) !== 0) return;
  process.jobStatus |= ACCOUNTING_FOLDED;
  job.userTime += process.userTime;
  job.kernelTime += process.kernelTime;
}

function deactivate(job: Job, process: EProcess): void {
  if ((process.jobStatus & JOB_NOT_REALLY_ACTIVE) !== 0) return;
  process.jobStatus |= JOB_NOT_REALLY_ACTIVE;
  job.activeProcesses--;
  assert(job.activeProcesses >= 0, "an active member was counted");
  if (job.activeProcesses === 0) job.completion?.("active-process-zero", 0);
}
