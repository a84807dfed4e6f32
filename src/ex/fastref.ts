/**
 * Fast references (`EX_FAST_REF`): a pointer with a few prepaid references in its low bits, so that taking and giving
 * back a reference need not touch the object. Prepaid references are real: they show in the object's pointer count.
 *
 * Invariants: `0 <= prepaid <= MAX_FAST_REFS`, and 0 while there is no object.
 */
import type { ObjectBody } from "../rtl/body.ts";

/** Three low bits of a 32-bit pointer. */
export const MAX_FAST_REFS = 7;

export class ExFastRef<T extends ObjectBody> {
  object: T | null = null;
  /** References that were taken in advance and belong to nobody yet. */
  prepaid = 0;
}

/** Takes one prepaid reference. @returns null if there is no object, or none is prepaid any more */
export function ExAcquireFastReference<T extends ObjectBody>(reference: ExFastRef<T>): T | null {
  if (reference.prepaid === 0) return null;
  reference.prepaid--;
  return reference.object;
}

/** Gives one reference back to the cache. @returns false if the cache is full or now holds another object */
export function ExReleaseFastReference<T extends ObjectBody>(reference: ExFastRef<T>, object: T): boolean {
  if (reference.object !== object || reference.prepaid === MAX_FAST_REFS) return false;
  reference.prepaid++;
  return true;
}

/** Adds up to `count` references that were just taken. @returns how many the cache did not take */
export function ExInsertFastReference<T extends ObjectBody>(reference: ExFastRef<T>, object: T, count: number): number {
  if (reference.object !== object) return count;
  const taken = Math.min(count, MAX_FAST_REFS - reference.prepaid);
  reference.prepaid += taken;
  return count - taken;
}

/** What was in the cache before. */
export interface SwappedFastReference<T> {
  readonly object: T | null;
  readonly prepaid: number;
}

/** Puts another object into the cache, which must bring `prepaid` references of its own. */
export function ExCompareSwapFastReference<T extends ObjectBody>(
  reference: ExFastRef<T>,
  object: T | null,
  prepaid: number,
): SwappedFastReference<T> {
  const before = { object: reference.object, prepaid: reference.prepaid };
  reference.object = object;
  reference.prepaid = object === null ? 0 : prepaid;
  return before;
}
