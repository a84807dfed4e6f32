/**
 * Turns the record of a run into its report, while the run goes on. Nothing is kept but one row a thread and one small
 * object a process; events that a report does not need fall through.
 *
 * Invariants: thread and process ids name the living only, since NT reuses them: an id leads to a row until the object
 * is deleted. What does not fit into the bounds is counted, not kept.
 */
import type { BugCheckCode as BugCheckCodeValue } from "../abi/ke.ts";
import { BugCheckCode } from "../abi/ke.ts";
import type { LeakEntry, MachineEnd, WaitGraph } from "../abi/report.ts";
import type { KernelEvent } from "../sim/record.ts";
import type { RecordSink } from "../sim/state.ts";
import { CertificateTable, TIME, type Time } from "./certificates.ts";
import { baseName, type ImageLocation, ImageMap, type Locator } from "./images.ts";
import { type Report, REPORT_FORMAT, type ReportBugcheck, type ReportProcess } from "./report.ts";
import { withCycle } from "./waitgraph.ts";
import { hex } from "./words.ts";

export interface ReportBuilderOptions {
  /** Finds the image of an address. Without it, the record's own `image-mapped` events are used. */
  readonly locate?: Locator;
  /** Threads that get a certificate; more are counted only. */
  readonly maximumThreads?: number;
  readonly maximumProcesses?: number;
}

/** What the record does not say about a run. */
export interface RunFacts {
  readonly program: string;
  readonly arguments: readonly string[];
  readonly end: MachineEnd;
  readonly statistics: {
    readonly instructions: number;
    readonly systemCalls: number;
    readonly virtualTime100ns: number;
    readonly contextSwitches: number;
  };
  readonly replay: string | null;
  readonly notImplemented: readonly string[];
  readonly leaks: readonly LeakEntry[];
  /** Asked for only after a deadlock. */
  readonly waitGraph: WaitGraph | null;
  /** Errata that were on. */
  readonly errata?: readonly string[];
  /** What a scenario shows to be wrong, or null; absent for programs. */
  readonly violation?: string | null;
}

interface ProcessRow {
  readonly pid: number;
  readonly parentPid: number;
  readonly image: string;
  readonly createTime: number;
  exitStatus: number | null;
  exitTime: number | null;
  signaled: number | null;
  deleted: number | null;
  job: number | null;
  lastThread: number | null;
  readonly rows: number[];
}

type EventOf<Kind extends KernelEvent["kind"]> = Extract<KernelEvent, { readonly kind: Kind }>;

export class ReportBuilder {
  private readonly table: CertificateTable = new CertificateTable();
  private readonly images: ImageMap = new ImageMap();
  private readonly locate: Locator;
  private readonly maximumThreads: number;
  private readonly maximumProcesses: number;
  private readonly processes: ProcessRow[] = [];
  private readonly processByPid: Map<number, ProcessRow> = new Map<number, ProcessRow>();
  private readonly rowByTid: Map<number, number> = new Map<number, number>();
  private omittedProcesses = 0;
  private omittedThreads = 0;
  private bugcheck: ReportBugcheck | null = null;

  constructor(options: ReportBuilderOptions = {}) {
    this.locate = options.locate ?? this.images.locate;
    this.maximumThreads = options.maximumThreads ?? 200_000;
    this.maximumProcesses = options.maximumProcesses ?? 20_000;
  }

  /** Give this to the machine as its record. */
  readonly sink: RecordSink = (event) => {
    switch (event.kind) {
      case "thread-created":
        return this.threadCreated(event);
      case "thread-named":
        return this.onThread(event.tid, (row) => this.table.rename(row, event.name));
      case "thread-marked":
        return this.threadMarked(event);
      case "thread-delivered":
        return this.stamp(event.tid, TIME.delivered, event.time);
      case "thread-held":
        return this.onThread(event.tid, (row) => this.table.hold(row, event.held));
      case "thread-exited":
        return this.threadExited(event);
      case "thread-signaled":
        return this.stamp(event.tid, TIME.signaled, event.time);
      case "thread-reaped":
        return this.stamp(event.tid, TIME.reaped, event.time);
      case "thread-deleted":
        this.stamp(event.tid, TIME.deleted, event.time);
        this.rowByTid.delete(event.tid);
        return;
      case "bugcheck":
        this.bugcheck = { code: event.code, name: bugcheckName(event.code), parameters: fourOf(event.parameters) };
        return;
      default:
        return this.processEvent(event);
    }
  };

  finish(facts: RunFacts): Report {
    return {
      format: REPORT_FORMAT,
      program: facts.program,
      arguments: facts.arguments,
      outcome: facts.end.outcome,
      exitStatus: facts.end.exitStatus >>> 0,
      detail: facts.end.detail,
      ...facts.statistics,
      replay: facts.replay,
      notImplemented: facts.notImplemented,
      processes: this.processes.map((process) => this.reportProcess(process)),
      omitted: { processes: this.omittedProcesses, threads: this.omittedThreads },
      leaks: facts.leaks,
      bugcheck: this.bugcheck,
      deadlock: facts.waitGraph === null ? null : withCycle(facts.waitGraph),
      ...(facts.errata === undefined || facts.errata.length === 0 ? {} : { errata: facts.errata }),
      ...(facts.violation === undefined ? {} : { violation: facts.violation }),
    };
  }

  private processEvent(event: KernelEvent): void {
    switch (event.kind) {
      case "process-created":
        return this.processCreated(event);
      case "process-job":
        return this.onProcess(event.pid, (process) => (process.job = event.job));
      case "process-exiting":
        return this.onProcess(event.pid, (process) => {
          process.exitStatus = event.status >>> 0;
          process.exitTime = event.time;
        });
      case "process-signaled":
        return this.onProcess(event.pid, (process) => (process.signaled = event.time));
      case "image-mapped":
      case "image-unmapped":
        return this.images.consume(event);
      case "process-deleted":
        this.images.consume(event);
        this.onProcess(event.pid, (process) => (process.deleted = event.time));
        this.processByPid.delete(event.pid);
        return;
      default:
        // Fine-grained events belong to traces; a report is made of lives and deaths.
        return;
    }
  }

  private processCreated(event: EventOf<"process-created">): void {
    if (this.processes.length >= this.maximumProcesses) {
      this.omittedProcesses++;
      return;
    }
    const process: ProcessRow = {
      pid: event.pid,
      parentPid: event.parentPid,
      image: baseName(event.image),
      createTime: event.time,
      exitStatus: null,
      exitTime: null,
      signaled: null,
      deleted: null,
      job: null,
      lastThread: null,
      rows: [],
    };
    this.processes.push(process);
    this.processByPid.set(event.pid, process);
  }

  private threadCreated(event: EventOf<"thread-created">): void {
    const process = this.processByPid.get(event.pid);
    if (process === undefined || this.table.length >= this.maximumThreads) {
      this.omittedThreads++;
      return;
    }
    const row = this.table.add(event.tid, event.time, event.start, this.locate(event.pid, event.start));
    process.rows.push(row);
    this.rowByTid.set(event.tid, row);
  }

  private threadMarked(event: EventOf<"thread-marked">): void {
    this.onThread(event.tid, (row) => {
      const { killer, from } = event.request;
      const calledFrom: ImageLocation | null = killer === null || from === 0 ? null : this.locate(killer.pid, from);
      this.table.request(row, event.time, event.request, calledFrom);
      if (event.waiting !== undefined && event.waiting.length > 0) this.table.setWaiting(row, event.waiting);
    });
  }

  private threadExited(event: EventOf<"thread-exited">): void {
    this.onThread(event.tid, (row) => this.table.exit(row, event.time, event.status));
    this.onProcess(event.pid, (process) => (process.lastThread = event.tid));
  }

  private stamp(tid: number, time: Time, value: number): void {
    this.onThread(tid, (row) => this.table.stamp(row, time, value));
  }

  private onThread(tid: number, use: (row: number) => void): void {
    const row = this.rowByTid.get(tid);
    if (row !== undefined) use(row);
  }

  private onProcess(pid: number, use: (process: ProcessRow) => void): void {
    const process = this.processByPid.get(pid);
    if (process !== undefined) use(process);
  }

  private reportProcess({ rows, lastThread, ...process }: ProcessRow): ReportProcess {
    const threads = rows.map((row) => this.table.thread(row));
    // A thread that exited before the last one was the latest so far: only the end of the process makes it the last.
    return { ...process, lastThread: process.exitTime === null ? null : lastThread, threads };
  }
}

/** NT's name of a bugcheck code, or its number. */
export function bugcheckName(code: number): string {
  return BUGCHECK_NAMES.get(code) ?? hex(code);
}

const BUGCHECK_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(BugCheckCode).map(([name, code]): [BugCheckCodeValue, string] => [code, name]),
);

function fourOf(parameters: readonly number[]): number[] {
  return [0, 1, 2, 3].map((index) => (parameters[index] ?? 0) >>> 0);
}
