/**
 * A figure: something measured several times, with what it is to reach. Times are processor time, user and system together,
 * since the machine that measures may be busy with other things too; what the clock on the wall said stands beside it.
 */
import { readFileSync } from "node:fs";

export interface Target {
  readonly kind: "at most" | "at least";
  readonly value: number;
}

export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** One for each run, in the order of the runs. */
  readonly samples: readonly number[];
  /** The same by the clock on the wall, if that is something else. */
  readonly wall: readonly number[] | null;
  readonly target: Target | null;
}

/** Figures that are measured together. */
export interface Group {
  readonly name: string;
  readonly measure: (context: Context) => readonly Figure[];
}

export interface Context {
  readonly runs: number;
  /** Says what is going on. */
  readonly progress: (text: string) => void;
}

/** One measurement of how long something took. */
export interface Duration {
  readonly cpuMs: number;
  readonly wallMs: number;
}

export function atMost(value: number): Target {
  return { kind: "at most", value };
}

export function atLeast(value: number): Target {
  return { kind: "at least", value };
}

/** A figure of durations, each turned into what is to be shown. */
export function figureOf(
  name: string,
  unit: string,
  durations: readonly Duration[],
  target: Target | null,
  shown: (milliseconds: number) => number = (milliseconds) => milliseconds,
): Figure {
  return {
    name,
    unit,
    samples: durations.map(({ cpuMs }) => shown(cpuMs)),
    wall: durations.map(({ wallMs }) => shown(wallMs)),
    target,
  };
}

/**
 * Times work in this process. The processor time is that of this thread alone where the host tells it: what the engine's own
 * threads compile and collect meanwhile delays nobody who has a second core, and most of it is over once the code is warm.
 */
export function timed(work: () => void): Duration {
  const cpu = threadMilliseconds();
  const start = performance.now();
  work();
  return { cpuMs: threadMilliseconds() - cpu, wallMs: performance.now() - start };
}

/** Processor time of this thread so far. */
export function threadMilliseconds(): number {
  try {
    const [nanoseconds = ""] = readFileSync(`/proc/self/task/${String(process.pid)}/schedstat`, "latin1").split(" ");
    return Number(nanoseconds) / 1e6;
  } catch {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  }
}

/** What `several` took more than `none` did. */
export function difference(several: Duration, none: Duration): Duration {
  return {
    cpuMs: Math.max(several.cpuMs - none.cpuMs, 0),
    wallMs: Math.max(several.wallMs - none.wallMs, 0),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >>> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

/** Null if nothing is to be reached. */
export function isReached({ samples, target }: Figure): boolean | null {
  if (target === null) return null;
  const value = median(samples);
  return target.kind === "at most" ? value <= target.value : value >= target.value;
}
