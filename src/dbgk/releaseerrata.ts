/** Letting go of debuggees as the seed may be read to do it, defect by defect: nothing of it happens unless an erratum is on. */
import type { Kernel } from "../kernel.ts";
import type { DebugEvent } from "./objects.ts";

/**
 * Whether the end of the debugging ends an event.
 * @erratum D13 not one that a thread waits for: it goes on waiting for a debugger that is gone, and the last thread for it
 * @erratum D34 not one that was made up on attaching: it goes on holding the rundown protection of its thread
 */
export function isReleased(k: Kernel, event: DebugEvent): boolean {
  return !k.sim.errata.has(event.continueEvent === null ? "D34" : "D13");
}
