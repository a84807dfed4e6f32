/** Semaphore objects: a count that waits take from and releases add to, up to a limit. */
import { type NtResult, failure, STATUS_SEMAPHORE_LIMIT_EXCEEDED, success } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { newObjectId } from "../sim/identity.ts";
import { KSemaphore } from "./objects.ts";
import { KiWaitTest } from "./waittest.ts";

export function KeInitializeSemaphore(k: Kernel, count: number, limit: number): KSemaphore {
  return new KSemaphore(newObjectId(k), count, limit);
}

/**
 * Adds `adjustment` to the count.
 * @returns the count before, or SEMAPHORE_LIMIT_EXCEEDED where NT raises it
 */
export function KeReleaseSemaphore(
  k: Kernel,
  semaphore: KSemaphore,
  increment: number,
  adjustment: number,
): NtResult<number> {
  const before = semaphore.signalState;
  if (adjustment <= 0 || before + adjustment > semaphore.limit) return failure(STATUS_SEMAPHORE_LIMIT_EXCEEDED);
  semaphore.signalState = before + adjustment;
  if (before === 0) KiWaitTest(k, semaphore, increment);
  return success(before);
}
