/**
 * Giving the processor back without waiting. The thread stays ready, so nothing that it holds is handed on meanwhile.
 */
import type { Blocking } from "../sim/blocking.ts";

/** Lets the run loop look at timers, other processors and better threads; comes back when it is this thread's turn. */
export function* KiPreempt(): Blocking<void> {
  yield "preempt";
}
