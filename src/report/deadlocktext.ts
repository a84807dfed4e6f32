/** A deadlock in plain words: who waits for what, who alone could end the wait, and why that thread will not. */
import type { WaitGraphEdge, WaitGraphThread } from "../abi/report.ts";
import { deathClause, threadName } from "./deathwords.ts";
import { cell, type Paint, table } from "./layout.ts";
import type { Report, ReportProcess, ReportThread } from "./report.ts";
import { counted, hex, plain } from "./words.ts";

export interface DeadlockTextOptions {
  readonly color: Paint;
  readonly width: number;
  /** Threads that are listed one by one. */
  readonly listed: number;
}

interface Known {
  readonly process: ReportProcess;
  readonly thread: ReportThread;
  readonly first: boolean;
}

/** What the sentences look up: made once, because a graph may have as many edges as the run has threads. */
interface Context {
  readonly blocked: ReadonlySet<number>;
  /** The latest thread of each id: ids are used again. */
  readonly known: ReadonlyMap<number, Known>;
}

/** No lines if the report tells of no deadlock. */
export function deadlockLines(report: Report, { color, width, listed }: DeadlockTextOptions): string[] {
  const { deadlock } = report;
  if (deadlock === null) return [];
  const context = contextOf(report, deadlock.threads);
  const shown = deadlock.threads.slice(0, listed);
  const rows = shown.map((thread) => [
    cell(`thread ${thread.tid}`),
    cell(waiterName(context, thread), "name"),
    cell(waitWords(context, thread)),
  ]);
  const lines = [`  ${color("bad", "deadlock")}: nothing can run any more`, ...table(rows, 4, width, color)];
  const unlisted = deadlock.threads.length - shown.length;
  if (unlisted > 0) lines.push(color("faint", `    and ${counted(unlisted, "more thread")}`));
  if (deadlock.cycle.length > 0) lines.push(`    ${ringWords(deadlock.cycle)}`);
  return lines;
}

function contextOf(report: Report, blocked: readonly WaitGraphThread[]): Context {
  const known = new Map<number, Known>();
  for (const process of report.processes) {
    for (const [index, thread] of process.threads.entries()) {
      known.set(thread.tid, { process, thread, first: index === 0 });
    }
  }
  return { known, blocked: new Set(blocked.map((thread) => thread.tid)) };
}

function waiterName(context: Context, waiter: WaitGraphThread): string {
  if (waiter.name !== null) return plain(waiter.name);
  const found = context.known.get(waiter.tid);
  return found === undefined ? "" : threadName(found.thread, found.first);
}

function waitWords(context: Context, thread: WaitGraphThread): string {
  if (thread.waitsFor.length === 0) return "waits for nothing that could ever end";
  const shown = thread.waitsFor.slice(0, 4).map((edge) => edgeWords(context, edge));
  const more = thread.waitsFor.length - shown.length;
  return `waits for ${shown.join("; or ")}${more === 0 ? "" : `; or ${more} more`}`;
}

function edgeWords(context: Context, edge: WaitGraphEdge): string {
  const id = edge.id === 0 ? "" : ` ${hex(edge.id)}`;
  const name = edge.name === null ? "" : ` (${plain(edge.name)})`;
  const note = edge.note === "" ? "" : `, ${plain(edge.note)}`;
  if (edge.owner === null) return `${plain(edge.kind)}${id}${name}${note}`;
  const object = edge.kind === "thread" ? `thread ${edge.owner} to end` : `${plain(edge.kind)}${id}${name}`;
  const owned = edge.kind === "thread" ? object : `${object}, owned by thread ${edge.owner}`;
  if (context.blocked.has(edge.owner)) return `${owned}${note}`;
  const found = context.known.get(edge.owner);
  if (found === undefined || found.thread.exitStatus === null) return `${owned}${note}`;
  return `${owned}, which ${deathClause(found.process, found.thread)}${note} — nobody can release it`;
}

function ringWords(cycle: readonly number[]): string {
  if (cycle.length === 1) return `thread ${cycle.join("")} waits for itself`;
  return `each waits for the next: ${[...cycle, ...cycle.slice(0, 1)].map((tid) => `thread ${tid}`).join(" → ")}`;
}
