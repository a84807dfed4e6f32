/** Alerts: a flag a thread that ends an alertable wait, or makes the next one return at once. */
import { type ProcessorMode, ThreadState } from "../abi/ke.ts";
import { STATUS_ALERTED } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import type { KThread } from "./objects.ts";
import { KiUnwaitThread } from "./unwait.ts";

/** Alerts the thread in `mode`. @returns whether it was alerted before */
export function KeAlertThread(k: Kernel, thread: KThread, mode: ProcessorMode): boolean {
  const before = thread.alerted[mode];
  if (before) return true;
  if (thread.state === ThreadState.Waiting && thread.alertable && mode <= thread.waitMode) {
    KiUnwaitThread(k, thread, STATUS_ALERTED, 0);
  } else {
    thread.alerted[mode] = true;
  }
  return false;
}
