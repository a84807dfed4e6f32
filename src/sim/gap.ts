/**
 * Named gaps: places where one thread may be overtaken by another with a defect for a consequence. A scenario's schedule
 * decides at them who goes first; in every other run a gap is nothing.
 */
import type { Kernel } from "../kernel.ts";
import { type Blocking, DONE } from "./blocking.ts";

/** Decides at named gaps who goes on. One belongs to one run. */
export interface Schedule {
  /** The current thread has come to `gap`. Returns when it may go on. */
  reach(k: Kernel, gap: string): Blocking<void>;
}

/**
 * The current thread could be preempted here. What the caller read before is stale afterwards.
 * @param name the erratum and the place, `D02:between-mark-and-queue`
 */
export function erratumGap(k: Kernel, name: string): Blocking<void> {
  const { schedule } = k.sim;
  return schedule === null ? DONE : schedule.reach(k, name);
}
