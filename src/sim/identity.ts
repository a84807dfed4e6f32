/** Gives every object of a machine a number for the record. */
import type { Kernel } from "../kernel.ts";

/** The next object id. */
export function newObjectId(k: Kernel): number {
  return ++k.sim.lastObjectId;
}
