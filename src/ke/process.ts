/**
 * Processes as the dispatcher sees them: objects that are signaled once, when the last thread has gone, and stay so.
 */
import type { Kernel } from "../kernel.ts";
import type { KProcess } from "./objects.ts";
import { KiWaitTest } from "./waittest.ts";

/** Signals the process object and wakes everybody who waits for it. @returns the state before */
export function KeSetProcess(k: Kernel, process: KProcess, increment: number): number {
  const before = process.signalState;
  process.signalState = 1;
  if (before === 0) KiWaitTest(k, process, increment);
  return before;
}
