/**
 * What a job tells its completion port. Each member is told of twice, born and gone, or not at all: whoever counts the
 * messages comes to 0. A message is lost if there is no pool for it, as NT allows.
 *
 * A packet carries the key of the association, the id of the process in place of an `OVERLAPPED`, and the message in
 * place of a number of bytes.
 */
import { JobMessage } from "../abi/job.ts";
import {
  type NtStatus,
  STATUS_ACCESS_VIOLATION,
  STATUS_ARRAY_BOUNDS_EXCEEDED,
  STATUS_BREAKPOINT,
  STATUS_CONTROL_C_EXIT,
  STATUS_DATATYPE_MISALIGNMENT,
  STATUS_FLOAT_DENORMAL_OPERAND,
  STATUS_FLOAT_DIVIDE_BY_ZERO,
  STATUS_FLOAT_INEXACT_RESULT,
  STATUS_FLOAT_INVALID_OPERATION,
  STATUS_FLOAT_OVERFLOW,
  STATUS_FLOAT_STACK_CHECK,
  STATUS_FLOAT_UNDERFLOW,
  STATUS_GUARD_PAGE_VIOLATION,
  STATUS_ILLEGAL_INSTRUCTION,
  STATUS_IN_PAGE_ERROR,
  STATUS_INTEGER_DIVIDE_BY_ZERO,
  STATUS_INTEGER_OVERFLOW,
  STATUS_INVALID_DISPOSITION,
  STATUS_NONCONTINUABLE_EXCEPTION,
  STATUS_PRIVILEGED_INSTRUCTION,
  STATUS_SINGLE_STEP,
  STATUS_STACK_OVERFLOW,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import { IoSetIoCompletion } from "../io/completionport.ts";
import type { Kernel } from "../kernel.ts";
import { endsSilently } from "./joberrata.ts";
import { isActiveMember, type Job, jobChain } from "./job.ts";
import type { EProcess } from "./objects.ts";

/** Exit statuses that say of themselves that something went wrong. */
const ABNORMAL: ReadonlySet<NtStatus> = new Set([
  ...[STATUS_ACCESS_VIOLATION, STATUS_IN_PAGE_ERROR, STATUS_GUARD_PAGE_VIOLATION, STATUS_DATATYPE_MISALIGNMENT],
  ...[STATUS_ILLEGAL_INSTRUCTION, STATUS_PRIVILEGED_INSTRUCTION, STATUS_BREAKPOINT, STATUS_SINGLE_STEP],
  ...[STATUS_NONCONTINUABLE_EXCEPTION, STATUS_INVALID_DISPOSITION, STATUS_ARRAY_BOUNDS_EXCEEDED],
  ...[STATUS_FLOAT_DENORMAL_OPERAND, STATUS_FLOAT_DIVIDE_BY_ZERO, STATUS_FLOAT_INEXACT_RESULT],
  ...[STATUS_FLOAT_INVALID_OPERATION, STATUS_FLOAT_OVERFLOW, STATUS_FLOAT_STACK_CHECK, STATUS_FLOAT_UNDERFLOW],
  ...[STATUS_INTEGER_DIVIDE_BY_ZERO, STATUS_INTEGER_OVERFLOW, STATUS_STACK_OVERFLOW, STATUS_CONTROL_C_EXIT],
]);

/** Tells the job's port, if it has one. @param pid the process it is about; 0 for none */
export function postJobMessage(k: Kernel, job: Job, message: JobMessage, pid: number): void {
  if (job.completion === null) return;
  const { port, key } = job.completion;
  IoSetIoCompletion(k, port, key, pid, STATUS_SUCCESS, message);
}

/** Tells every job of a process that does not know it yet that the process is one of its members. */
export function reportNewProcess(k: Kernel, process: EProcess): void {
  if (!isActiveMember(process)) return;
  for (const job of jobChain(process.job)) reportMember(k, job, process);
}

/** Tells one job of a member, once. */
export function reportMember(k: Kernel, job: Job, process: EProcess): void {
  const member = job.members.get(process);
  if (member === undefined || member.newReported || job.completion === null || !isActiveMember(process)) return;
  member.newReported = true;
  postJobMessage(k, job, JobMessage.NEW_PROCESS, process.pid);
}

/**
 * Tells every job that knows of the process that it is gone, innermost first, and once. The last thread does so before
 * the process is signaled (X6): whoever has waited for the process finds the message in the port.
 */
export function reportExit(k: Kernel, process: EProcess): void {
  if (endsSilently(k)) return;
  const message = ABNORMAL.has(process.exitStatus) ? JobMessage.ABNORMAL_EXIT_PROCESS : JobMessage.EXIT_PROCESS;
  for (const job of jobChain(process.job)) {
    const member = job.members.get(process);
    if (member === undefined || !member.newReported || member.exitReported) continue;
    member.exitReported = true;
    postJobMessage(k, job, message, process.pid);
  }
}

/** A new port hears of everybody who is there; an old one of nobody any more. */
export function forgetReports(job: Job): void {
  for (const member of job.members.values()) {
    member.newReported = false;
    member.exitReported = false;
    member.memoryReported = false;
  }
}
