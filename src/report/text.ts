/**
 * A report as text for people: how the program ended, who ended each thread, what was left behind, and why nothing could
 * run any more. A pure function of the report.
 *
 * Invariant: the length of the text is bounded however many threads the run had; what is left out is counted.
 */
import { deadlockLines } from "./deadlocktext.ts";
import { deathSentence, threadName } from "./deathwords.ts";
import { type Cell, cell, type Paint, type Style, table, wrap } from "./layout.ts";
import type { Report, ReportProcess, ReportThread } from "./report.ts";
import { counted, duration100ns, durationOf, hex, longStatus, plain, quantity, shortStatus } from "./words.ts";

export type { Style };

export interface TextOptions {
  /** Puts colour on a piece of text; the identity for none. */
  readonly color: Paint;
  /** Columns to break lines at; a paragraph is broken at 150 otherwise. */
  readonly width?: number;
  /** Time that the run took on the host. */
  readonly hostMilliseconds?: number;
  /** Says when each death went through each stage, and lists everything. */
  readonly verbose?: boolean;
}

const LISTED_THREADS = 40;
const LISTED_PROCESSES = 20;
const LISTED_LEAKS = 20;
const SYSTEM_PID = 4;

/** The report as lines, each ended by a newline. */
export function reportText(report: Report, options: TextOptions): string {
  const width = options.width ?? 150;
  const lines = [
    ...headLines(report, options, width),
    ...violationLines(report, options.color, width),
    ...processLines(report, options, width),
    ...bugcheckLines(report, options.color, width),
    ...deadlockLines(report, {
      color: options.color,
      width,
      listed: options.verbose === true ? Infinity : LISTED_THREADS,
    }),
    ...leakLines(report, options, width),
    ...notImplementedLines(report, options.color, width),
    ...replayLines(report, options),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function headLines(report: Report, options: TextOptions, width: number): string[] {
  const { color, hostMilliseconds } = options;
  const facts = [`${quantity(report.instructions)} instructions`, `${duration100ns(report.virtualTime100ns)} virtual`];
  if (options.verbose === true) {
    facts.push(`${quantity(report.systemCalls)} system calls`, `${quantity(report.contextSwitches)} context switches`);
  }
  if (hostMilliseconds !== undefined) facts.push(durationOf(Math.max(1, Math.round(hostMilliseconds))));
  const { words, style } = endWords(report);
  const [first = "", ...more] = wrap(words, width);
  const end = [color(style, first), ...more.map((line) => `  ${color(style, line)}`)];
  const last = end.pop() ?? "";
  return [...end, `${color("name", plain(report.program))} ${last}${color("faint", ` · ${facts.join(" · ")}`)}`];
}

function endWords(report: Report): { words: string; style: Style } {
  const detail = report.detail === "" ? "" : `: ${plain(report.detail)}`;
  switch (report.outcome) {
    case "exited":
      return {
        words: `ended with ${longStatus(report.exitStatus)}`,
        style: report.exitStatus === 0 ? "good" : "warning",
      };
    case "crashed":
      return { words: `crashed with ${longStatus(report.exitStatus)}${detail}`, style: "bad" };
    case "bugcheck":
      return { words: "stopped the machine", style: "bad" };
    case "deadlock":
      return { words: "hangs", style: "bad" };
    case "limit":
      return { words: `was stopped${detail}`, style: "bad" };
  }
}

/** What a scenario showed. */
function violationLines({ violation, errata = [] }: Report, color: Paint, width: number): string[] {
  const on = errata.length === 0 ? "without errata" : `with ${errata.join(", ")}`;
  if (violation === undefined) return errata.length === 0 ? [] : [color("warning", `  ${on}`)];
  if (violation === null) return [color("good", `  ${on} nothing is wrong`)];
  return wrap(`${on}: ${plain(violation)}`, width - 2).map((line) => `  ${color("bad", line)}`);
}

function processLines(report: Report, options: TextOptions, width: number): string[] {
  const told =
    options.verbose === true ? report.processes : report.processes.filter((process) => !isBackground(process));
  const shown = options.verbose === true ? told : told.slice(0, LISTED_PROCESSES);
  const blocked = new Set(report.deadlock?.threads.map((thread) => thread.tid));
  const heads = table(
    shown.map((process) => processCells(process, blocked)),
    2,
    Infinity,
    options.color,
  );
  const lines: string[] = [];
  for (const [index, process] of shown.entries()) {
    lines.push(heads[index] ?? "", ...threadLines(process, blocked, options, width));
  }
  const unlisted = told.length - shown.length + report.omitted.processes;
  if (unlisted > 0) lines.push(options.color("faint", `  and ${counted(unlisted, "more process")}`));
  if (report.omitted.threads > 0) {
    const more = counted(report.omitted.threads, "more thread");
    lines.push(options.color("faint", `  and ${more} beyond what a report holds`));
  }
  return lines;
}

/** The kernel's own process is no news, unless it ended. */
function isBackground(process: ReportProcess): boolean {
  return process.pid === SYSTEM_PID && process.exitStatus === null;
}

function processCells(process: ReportProcess, blocked: ReadonlySet<number>): Cell[] {
  const status = process.exitStatus === null ? "-" : shortStatus(process.exitStatus);
  return [
    cell(`process ${process.pid}`),
    cell(plain(process.image), "name"),
    cell(status, statusStyle(process.exitStatus)),
    cell(processStatusWords(process, blocked), "faint"),
  ];
}

/** Which decision the exit status of a process comes from. */
function processStatusWords(process: ReportProcess, blocked: ReadonlySet<number>): string {
  const job = process.job === null ? "" : ` · in job ${process.job}`;
  const hangs = process.threads.some((thread) => blocked.has(thread.tid));
  if (process.exitStatus === null) return `${hangs ? "hangs" : "still alive when the run ended"}${job}`;
  const last = process.threads.findLast((thread) => thread.tid === process.lastThread && thread.exitStatus !== null);
  if (last === undefined) return `no thread of it ever ran${job}`;
  const request = last.death?.requested ?? null;
  if (request === null || last.death?.status !== process.exitStatus) return `its last thread was ${last.tid}${job}`;
  if (last.death.route === "exception") return `status of the exception that ended its last thread, ${last.tid}${job}`;
  if (last.death.route === "returned") return `status from the return of its last thread, ${last.tid}${job}`;
  const { killer } = last.death;
  const itself = killer === null || (killer.pid === process.pid && killer.tid === last.tid);
  const elsewhere = killer === null || killer.pid === process.pid ? "" : ` of process ${killer.pid}`;
  const who = itself ? `its last thread, ${last.tid}` : `thread ${killer.tid}${elsewhere}`;
  return `status from ${plain(request.via)} by ${who}${job}`;
}

/** Threads that only wait are told of with the deadlock. */
function threadLines(
  process: ReportProcess,
  blocked: ReadonlySet<number>,
  options: TextOptions,
  width: number,
): string[] {
  const told = process.threads.filter((thread) => thread.death !== null || !blocked.has(thread.tid));
  const entries = told.map((thread) => ({
    thread,
    likewise: 0,
    last: thread.tid,
    words: threadWords(process, thread, options),
  }));
  const groups = options.verbose === true ? entries : alikeTogether(entries);
  const shown = options.verbose === true ? groups : groups.slice(0, LISTED_THREADS);
  if (shown.length === 0) return [];
  const rows = shown.map(({ thread, likewise, last, words }) => [
    cell(`thread ${thread.tid}`),
    cell(threadName(thread, thread === process.threads[0]), "name"),
    cell(thread.exitStatus === null ? "-" : shortStatus(thread.exitStatus), statusStyle(thread.exitStatus)),
    cell(likewise === 0 ? words : `${words} (and so ${counted(likewise, "more thread")}, up to ${last})`),
  ]);
  const lines = table(rows, 4, width, options.color);
  const unlisted = groups.slice(shown.length).reduce((sum, { likewise }) => sum + 1 + likewise, 0);
  if (unlisted > 0) lines.push(options.color("faint", `    and ${counted(unlisted, "more thread")}`));
  return lines;
}

function threadWords(process: ReportProcess, thread: ReportThread, options: TextOptions): string {
  return deathSentence(process, thread) + (options.verbose === true ? stageWords(thread) : "");
}

interface ThreadEntry {
  readonly thread: ReportThread;
  readonly words: string;
  /** Threads after it that are told of with it. */
  readonly likewise: number;
  readonly last: number;
}

/** Neighbours of the same name and fate that are so many that they get one line. */
const CROWD = 4;

/** Tells of a crowd in one entry: a program with a thousand workers has one thing to tell. */
function alikeTogether(entries: readonly ThreadEntry[]): ThreadEntry[] {
  const runs: ThreadEntry[][] = [];
  for (const entry of entries) {
    const run = runs.at(-1);
    const first = run?.[0];
    if (run !== undefined && first !== undefined && areAlike(first, entry)) run.push(entry);
    else runs.push([entry]);
  }
  return runs.flatMap((run) => {
    const [first, last] = [run[0], run.at(-1)];
    if (run.length < CROWD || first === undefined || last === undefined) return run;
    return [{ ...first, likewise: run.length - 1, last: last.thread.tid }];
  });
}

function areAlike(first: ThreadEntry, second: ThreadEntry): boolean {
  const [one, other] = [first.thread, second.thread];
  const sameName = one.name === other.name && (one.name !== null || one.start === other.start);
  return sameName && one.exitStatus === other.exitStatus && first.words === second.words;
}

function stageWords(thread: ReportThread): string {
  const { death } = thread;
  const stages: [string, number | null][] = [
    ["created", thread.createTime],
    ["requested", death?.requested?.time ?? null],
    ["delivered", death?.delivered ?? null],
    ["exited", death?.exited ?? null],
    ["signaled", death?.signaled ?? null],
    ["reaped", death?.reaped ?? null],
    ["deleted", death?.deleted ?? null],
  ];
  const known = stages.flatMap(([stage, time]) => (time === null ? [] : [`${stage} ${duration100ns(time)}`]));
  return ` [${known.join(", ")}]`;
}

function statusStyle(status: number | null): Style {
  if (status === null) return "warning";
  return status >= 0x80000000 ? "bad" : "none";
}

function bugcheckLines(report: Report, color: Paint, width: number): string[] {
  const { bugcheck } = report;
  if (bugcheck === null) return [];
  const words = `bugcheck ${hex(bugcheck.code)} ${bugcheck.name} (${bugcheck.parameters.map(hex).join(", ")})`;
  return wrap(words, width - 2).map((line) => `  ${color("bad", line)}`);
}

function leakLines(report: Report, options: TextOptions, width: number): string[] {
  const { color } = options;
  if (report.leaks.length === 0) {
    const over = report.outcome === "exited" || report.outcome === "crashed";
    return over ? [`  left behind: ${color("good", "nothing")}`] : [];
  }
  const shown = options.verbose === true ? report.leaks : report.leaks.slice(0, LISTED_LEAKS);
  const rows = shown.map((leak) => [
    cell(`${plain(leak.kind)} ${leak.id}`),
    cell(plain(leak.type), "name"),
    cell(leak.pinnedBy.length === 0 ? "held by nobody" : `held by ${plain(leak.pinnedBy.join(", "))}`),
  ]);
  const head = `  left behind: ${color("bad", counted(report.leaks.length, "thing"))}`;
  const lines = [head, ...table(rows, 4, width, color)];
  if (shown.length < report.leaks.length) {
    lines.push(color("faint", `    and ${report.leaks.length - shown.length} more`));
  }
  return lines;
}

function notImplementedLines(report: Report, color: Paint, width: number): string[] {
  if (report.notImplemented.length === 0) return [];
  const words = wrap(report.notImplemented.map(plain).join(", "), width - 19);
  return words.map((line, index) =>
    index === 0 ? `  ${color("warning", "not implemented")}: ${line}` : `${" ".repeat(19)}${line}`,
  );
}

function replayLines(report: Report, options: TextOptions): string[] {
  if (report.replay === null || options.verbose !== true) return [];
  return [options.color("faint", `  replay: ${plain(report.replay)}`)];
}
