/**
 * Power: the execution-state requests that threads make, and the clock resolution that processes ask for.
 *
 * Invariant: what a thread or process contributes is taken back exactly once, when it asks for less or exits.
 */
import { PSF_SET_TIMER_RESOLUTION } from "../abi/ps.ts";
import { failure, type NtResult, STATUS_INVALID_PARAMETER, success } from "../abi/status.ts";
import { KeMaximumIncrement } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { STATUS_TIMER_RESOLUTION_NOT_SET } from "./status.ts";

/** `EXECUTION_STATE`. */
export const ES_SYSTEM_REQUIRED = 0x1;
export const ES_DISPLAY_REQUIRED = 0x2;
export const ES_USER_PRESENT = 0x4;
export const ES_CONTINUOUS = 0x80000000;
const ES_VALID = ES_SYSTEM_REQUIRED | ES_DISPLAY_REQUIRED | ES_USER_PRESENT | ES_CONTINUOUS;

/** The finest resolution that a clock has, in 100 ns. */
export const MINIMUM_INCREMENT = 5_000;

/** Whoever can make execution-state requests. */
interface PowerHolder {
  powerState: number;
}

/**
 * Sets the execution state of a thread; without ES_CONTINUOUS only its idle timers would be reset, and there are none.
 * @returns the state before; INVALID_PARAMETER for unknown flags, or for a user that is present continuously
 */
export function PoSetThreadExecutionState(k: Kernel, thread: PowerHolder, flags: number): NtResult<number> {
  const continuous = (flags & ES_CONTINUOUS) !== 0;
  if ((flags & ~ES_VALID) !== 0 || (continuous && (flags & ES_USER_PRESENT) !== 0)) {
    return failure(STATUS_INVALID_PARAMETER);
  }
  const before = (thread.powerState | ES_CONTINUOUS) >>> 0;
  if (continuous) changeState(k, thread, flags & (ES_SYSTEM_REQUIRED | ES_DISPLAY_REQUIRED));
  return success(before);
}

/** Drops the execution-state requests of a thread or process. Idempotent. */
export function PopCleanupPowerState(k: Kernel, holder: PowerHolder): void {
  if (holder.powerState !== 0) changeState(k, holder, 0);
}

function changeState(k: Kernel, holder: PowerHolder, state: number): void {
  const before = holder.powerState;
  holder.powerState = state;
  k.po.systemRequired += (state & ES_SYSTEM_REQUIRED) - (before & ES_SYSTEM_REQUIRED);
  k.po.displayRequired += ((state & ES_DISPLAY_REQUIRED) - (before & ES_DISPLAY_REQUIRED)) >> 1;
}

/** Whoever can ask for a clock resolution. */
interface ResolutionHolder {
  flags: number;
}

/** The resolution that the clock has: the finest that anybody asked for. Virtual time passes the same with any. */
export function currentTimerResolution(k: Kernel): number {
  let finest = KeMaximumIncrement;
  for (const request of k.po.timerRequests.values()) finest = Math.min(finest, request);
  return finest;
}

/**
 * Asks for a resolution, or with `set` false takes the process's request back.
 * @returns the resolution that the clock has now, in 100 ns; TIMER_RESOLUTION_NOT_SET if there is nothing to take back
 */
export function PoSetTimerResolution(
  k: Kernel,
  process: ResolutionHolder,
  request: { readonly resolution100ns: number; readonly set: boolean },
): NtResult<number> {
  if (request.set) {
    process.flags |= PSF_SET_TIMER_RESOLUTION;
    const wanted = Math.max(MINIMUM_INCREMENT, Math.min(KeMaximumIncrement, request.resolution100ns));
    k.po.timerRequests.set(process, wanted);
  } else {
    if ((process.flags & PSF_SET_TIMER_RESOLUTION) === 0) return failure(STATUS_TIMER_RESOLUTION_NOT_SET);
    releaseTimerResolution(k, process);
  }
  return success(currentTimerResolution(k));
}

/** Takes back a process's request for fast clock ticks. */
export function releaseTimerResolution(k: Kernel, process: ResolutionHolder): void {
  process.flags &= ~PSF_SET_TIMER_RESOLUTION;
  k.po.timerRequests.delete(process);
}
