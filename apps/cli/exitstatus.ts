/**
 * The exit statuses of `rundown`: one meaning each, so that a script can tell what happened to the program from what
 * happened to us. Statuses of the guest from 0 to 119 pass through; every other one becomes 1, and the report has it.
 */
import type { MachineEnd } from "../../src/abi/report.ts";

export const ExitStatus = {
  /** The program's own status does not fit. */
  GuestStatusDoesNotFit: 1,
  BugCheck: 120,
  /** What `--fail-on` names was found, or a scenario shows a violation. */
  ForbiddenFinding: 121,
  Deadlock: 122,
  Limit: 124,
  /** We failed, or were called wrongly; with `--check`, the kernel broke a rule of its own. */
  OwnFailure: 125,
  NotRunnable: 126,
  NotFound: 127,
  /** As a shell says it: 128 plus the number of the signal. */
  HungUp: 129,
  Interrupted: 130,
  NobodyReads: 141,
  Terminated: 143,
} as const;
export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus];

const LARGEST_GUEST_STATUS = 119;

/** What people read about it in `--help`. */
export const EXIT_STATUS_HELP = `Exit status:
  0-119  the program's own; any other status of it becomes 1 (the report has all 32 bits)
  120    the kernel gave up (bugcheck)
  121    what --fail-on forbids was found, or the scenario's violation
  122    deadlock: nothing could run any more
  124    a limit was reached
  125    rundown itself failed, or was called wrongly; with --check, its kernel broke a rule of its own
  126    not a program that can run here
  127    no such program
  129, 130, 143  stopped by a hang-up, Ctrl-C, a termination request
  141    stopped because nobody reads its output any more`;

/** The status for a run that came to its own end. */
export function statusOfEnd(end: MachineEnd, forbidden: boolean): number {
  if (end.outcome === "bugcheck") return ExitStatus.BugCheck;
  if (end.outcome === "deadlock") return ExitStatus.Deadlock;
  if (end.outcome === "limit") return ExitStatus.Limit;
  if (forbidden) return ExitStatus.ForbiddenFinding;
  return end.exitStatus <= LARGEST_GUEST_STATUS ? end.exitStatus : ExitStatus.GuestStatusDoesNotFit;
}
