/**
 * Ctrl-C and its relatives. The first one asks the run to stop at its next slice, so that the report still comes; the
 * second one ends the process at once.
 *
 * Invariant: handlers are there only while a run that lasts is under way. A short run never installs them, and while
 * input is read from a terminal the signal keeps its usual effect.
 */
import { ExitStatus } from "./exitstatus.ts";

type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP";
const SIGNALS: Readonly<Record<StopSignal, number>> = {
  SIGINT: ExitStatus.Interrupted,
  SIGTERM: ExitStatus.Terminated,
  SIGHUP: ExitStatus.HungUp,
};
const NAMES: readonly StopSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** The part of `process` that delivers signals. */
export interface SignalSource {
  on(signal: StopSignal, handler: (signal: StopSignal) => void): unknown;
  off(signal: StopSignal, handler: (signal: StopSignal) => void): unknown;
}

export class Interruption {
  /** The exit status that the first signal asks for; null if there was none. */
  status: number | null = null;
  private listening = false;
  private readonly source: SignalSource;
  private readonly quit: (status: number) => void;

  constructor(source: SignalSource, quit: (status: number) => void) {
    this.source = source;
    this.quit = quit;
  }

  listen(): void {
    if (this.listening) return;
    this.listening = true;
    for (const name of NAMES) this.source.on(name, this.handle);
  }

  ignore(): void {
    if (!this.listening) return;
    this.listening = false;
    for (const name of NAMES) this.source.off(name, this.handle);
  }

  /** Does something that blocks the whole process, during which a signal must end it as if we did not listen. */
  whileDeaf<T>(work: () => T): T {
    const before = this.listening;
    this.ignore();
    const result = work();
    if (before) this.listen();
    return result;
  }

  private readonly handle = (signal: StopSignal): void => {
    if (this.status !== null) return this.quit(SIGNALS[signal]);
    this.status = SIGNALS[signal];
  };
}
