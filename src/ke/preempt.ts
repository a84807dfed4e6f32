/** Giving the processor back without waiting. */
import type { Blocking } from "../sim/blocking.ts";

/** Lets the run loop look at timers, other processors and better threads; comes back when it is this thread's turn. */
export function* KiPreempt(): Blocking<void> {
  yield "preempt";
}
