/** Timers for what can only come about while somebody runs, such as the use of processor time. */
import type { Kernel } from "../kernel.ts";
import type { KDpc, KTimer } from "./objects.ts";
import { KeQueryInterruptTime } from "./time.ts";
import { insertTimer, nextTimer, removeTimer } from "./timers.ts";

/**
 * Sets a timer for when `due100ns` of work may have been done. In a machine at rest none is: there it is put off behind
 * the next timer that may end the rest, and if there is no such timer it is not set, for then nobody will run again.
 */
export function KeSetWorkTimer(k: Kernel, timer: KTimer, due100ns: number, dpc: KDpc): void {
  removeTimer(k, timer);
  timer.dpc = dpc;
  if (!isAtRest(k)) {
    insertTimer(k, timer, KeQueryInterruptTime(k) + due100ns);
    return;
  }
  // To find the machine at rest is not how the rest began.
  if (k.ke.quietSince === timer.dueTime * 100) k.ke.quietSince = null;
  const next = nextTimer(k);
  if (next !== null) insertTimer(k, timer, next.dueTime + due100ns);
}

function isAtRest(k: Kernel): boolean {
  return k.ke.readySummary === 0 && k.ke.prcbs.every(({ currentThread }) => currentThread === null);
}
