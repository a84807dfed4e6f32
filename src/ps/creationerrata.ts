/** What the seed's thread creation does wrong. It may be switched on, to show what comes of it. */
import { KeQueryInterruptTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import type { EThread } from "./objects.ts";

/** When the thread is created, for a thread that nobody knows yet.
 * @erratum D50 it is not set before everybody knows the thread
 */
export function createTimeBeforePublication(k: Kernel): number {
  return k.sim.errata.has("D50") ? 0 : KeQueryInterruptTime(k);
}

/** @erratum D50 a thread whose creation has gone well gets its time of creation last of all, and any other never */
export function setCreateTimeLate(k: Kernel, thread: EThread): void {
  if (k.sim.errata.has("D50")) thread.createTime = KeQueryInterruptTime(k);
}
