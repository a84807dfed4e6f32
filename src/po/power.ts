/** Power: the execution-state requests that a thread or process makes, and the clock resolution that it asked for. */
import { PSF_SET_TIMER_RESOLUTION } from "../abi/ps.ts";
import type { Kernel } from "../kernel.ts";

/** Drops the execution-state requests of a thread or process. Idempotent. */
export function PopCleanupPowerState(holder: { powerState: number }): void {
  holder.powerState = 0;
}

/** Releases a process's request for fast clock ticks. Virtual time has no ticks, so only the flag is left of it. */
export function releaseTimerResolution(_k: Kernel, process: { flags: number }): void {
  process.flags &= ~PSF_SET_TIMER_RESOLUTION;
}
