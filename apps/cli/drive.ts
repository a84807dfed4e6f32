/**
 * Runs a machine to its end, in slices of about 20 ms. Between slices the host gets its turn: signals arrive, output goes
 * out, the time limit is looked at.
 *
 * Invariant: where slices end has no effect on the guest. A run that ends within its first slice pays for nothing: no
 * handler, no timer, no round of the event loop.
 */
import type { MachineEnd } from "../../src/abi/report.ts";
import type { Interruption } from "./interruption.ts";

/** The part of a machine that is driven. */
export interface Runnable {
  run(slice: { readonly turns: number; readonly stop: () => boolean }): MachineEnd | null;
  stop(why: string): MachineEnd;
}

export interface DriveOptions {
  /** Milliseconds of the host that the run may take; null for any number. */
  readonly timeoutMilliseconds: number | null;
  readonly interruption: Pick<Interruption, "listen" | "ignore" | "status">;
  /** Milliseconds on a clock that never goes back. */
  readonly clock: () => number;
  /** Lets the host's events happen. */
  readonly pause: () => Promise<void>;
  /** Done after each slice; returns true if nobody reads the guest's output any more. */
  readonly afterSlice: () => boolean;
}

export interface DriveEnd {
  readonly end: MachineEnd;
  /** Why it was stopped from outside, or null if it came to its own end. */
  readonly stopped: "interrupted" | "timeout" | "nobody-reads" | null;
}

const SLICE_MILLISECONDS = 20;
/** A short run comes to its own end, and has its own exit status, even if nobody reads what it writes. */
const PATIENCE_MILLISECONDS = 500;
/** Turns between two looks at the clock, at the most. */
const LARGEST_STRIDE = 256;

export async function drive(machine: Runnable, options: DriveOptions): Promise<DriveEnd> {
  const start = options.clock();
  const timer = new SliceTimer(options.clock);
  for (;;) {
    const end = machine.run({ turns: Number.MAX_SAFE_INTEGER, stop: timer.begin() });
    // Whoever sees the first output of a run that lasts can be sure that a signal will be heard.
    if (end === null) options.interruption.listen();
    const nobodyReads = options.afterSlice();
    if (end !== null) {
      options.interruption.ignore();
      return { end, stopped: null };
    }
    await options.pause();
    const stopped = reasonToStop(options, nobodyReads, options.clock() - start);
    if (stopped === null) continue;
    options.interruption.ignore();
    return { end: machine.stop(stopWords(stopped, options)), stopped };
  }
}

function reasonToStop(options: DriveOptions, nobodyReads: boolean, elapsed: number): DriveEnd["stopped"] {
  if (options.interruption.status !== null) return "interrupted";
  if (nobodyReads && elapsed >= PATIENCE_MILLISECONDS) return "nobody-reads";
  const { timeoutMilliseconds } = options;
  return timeoutMilliseconds !== null && elapsed >= timeoutMilliseconds ? "timeout" : null;
}

function stopWords(stopped: "interrupted" | "timeout" | "nobody-reads", options: DriveOptions): string {
  if (stopped === "interrupted") return "interrupted by the user";
  if (stopped === "nobody-reads") return "nobody reads its output any more";
  return `--timeout of ${(options.timeoutMilliseconds ?? 0) / 1000} s on this machine`;
}

/** Says when a slice is over. Reading the clock after every turn would cost more than many a turn does. */
class SliceTimer {
  private deadline = 0;
  private lastLook = 0;
  private stride = 1;
  private turnsLeft = 0;
  private readonly clock: () => number;

  constructor(clock: () => number) {
    this.clock = clock;
  }

  begin(): () => boolean {
    this.lastLook = this.clock();
    this.deadline = this.lastLook + SLICE_MILLISECONDS;
    this.turnsLeft = this.stride;
    return () => --this.turnsLeft <= 0 && this.look();
  }

  private look(): boolean {
    const now = this.clock();
    const elapsed = now - this.lastLook;
    this.lastLook = now;
    if (elapsed > SLICE_MILLISECONDS / 4) this.stride = 1;
    else if (elapsed < SLICE_MILLISECONDS / 16) this.stride = Math.min(LARGEST_STRIDE, this.stride * 2);
    this.turnsLeft = this.stride;
    return now >= this.deadline;
  }
}
