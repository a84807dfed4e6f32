/**
 * The report of a run: the stable, versioned form that `--json` writes and `schema/report-1.schema.json` describes.
 *
 * Invariants: everything in it follows from the program, its input and its choices, never from the host. Times are
 * virtual, in units of 100 ns since the machine booted; null says that it did not happen. Statuses are unsigned.
 */
import type { LeakEntry, MachineOutcome, WaitGraph } from "../abi/report.ts";
import type { DeathRoute, HeldResource, WaitedFor } from "../sim/record.ts";

export const REPORT_FORMAT = "rundown.report/1";

/** Where a death was asked for. */
export interface ReportRequest {
  readonly time: number;
  /** System service or kernel routine. */
  readonly via: string;
  /** Library routine that the program called to get there, if known. */
  readonly api: string | null;
  /** The caller in user mode, as `image+0xoffset` or a bare address; null if the kernel decided by itself. */
  readonly from: string | null;
}

/** How a thread died. */
export interface ReportDeath {
  /** Null for a thread that went away without anybody asking: its creation failed. */
  readonly route: DeathRoute | null;
  readonly killer: { readonly pid: number; readonly tid: number } | null;
  /** The job that ended its members; null if none did. */
  readonly job: number | null;
  /** The status that was asked for; the thread's own exit status may differ. */
  readonly status: number | null;
  readonly requested: ReportRequest | null;
  /** What it was blocked on when its death was decided. */
  readonly waiting: readonly WaitedFor[];
  readonly delivered: number | null;
  readonly exited: number | null;
  readonly signaled: number | null;
  readonly reaped: number | null;
  readonly deleted: number | null;
  readonly held: readonly HeldResource[];
  /** How many more things it held than are listed. */
  readonly heldOmitted: number;
}

export interface ReportThread {
  readonly tid: number;
  readonly name: string | null;
  /** Start routine, as `image+0xoffset` or a bare address. */
  readonly start: string;
  readonly createTime: number;
  /** Null while it lives. */
  readonly exitStatus: number | null;
  /** Null while nobody has asked for its death. */
  readonly death: ReportDeath | null;
}

export interface ReportProcess {
  readonly pid: number;
  readonly parentPid: number;
  readonly image: string;
  readonly exitStatus: number | null;
  readonly createTime: number;
  readonly exitTime: number | null;
  readonly signaled: number | null;
  readonly deleted: number | null;
  /** The innermost job that it was a member of. Jobs are numbered in the order in which they were made. */
  readonly job: number | null;
  /** The thread that exited last, whose exit ended the process. */
  readonly lastThread: number | null;
  readonly threads: readonly ReportThread[];
}

export interface ReportBugcheck {
  readonly code: number;
  readonly name: string;
  readonly parameters: readonly number[];
}

export interface Report {
  readonly format: typeof REPORT_FORMAT;
  readonly program: string;
  readonly arguments: readonly string[];
  readonly outcome: MachineOutcome;
  readonly exitStatus: number;
  /** One clause in plain words about the end, or empty. */
  readonly detail: string;
  readonly instructions: number;
  readonly systemCalls: number;
  readonly contextSwitches: number;
  readonly virtualTime100ns: number;
  /** Repeats this run; null if the run was not made to be repeated. */
  readonly replay: string | null;
  /** System services that the program called and that answered STATUS_NOT_IMPLEMENTED. */
  readonly notImplemented: readonly string[];
  readonly processes: readonly ReportProcess[];
  /** Processes and threads that lived but are not listed, because the run made more than a report holds. */
  readonly omitted: { readonly processes: number; readonly threads: number };
  readonly leaks: readonly LeakEntry[];
  readonly bugcheck: ReportBugcheck | null;
  readonly deadlock: WaitGraph | null;
  /** Errata that were on; absent if none was. */
  readonly errata?: readonly string[];
  /** What a scenario shows to be wrong, or null; absent for programs. */
  readonly violation?: string | null;
}
