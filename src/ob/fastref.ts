/** Fast references to objects: see `ex/fastref.ts` for the cache itself. */
import {
  ExAcquireFastReference,
  ExCompareSwapFastReference,
  type ExFastRef,
  ExInsertFastReference,
  ExReleaseFastReference,
  MAX_FAST_REFS,
} from "../ex/fastref.ts";
import type { Kernel } from "../kernel.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import { ObDereferenceObject, ObDereferenceObjectEx, ObReferenceObjectEx } from "./reference.ts";

/** Fills an empty cache. The cache takes references of its own; the caller keeps his. */
export function ObInitializeFastReference<T extends ObjectBody>(reference: ExFastRef<T>, object: T): void {
  // One for the pointer itself, the others prepaid.
  ObReferenceObjectEx(object, 1 + MAX_FAST_REFS);
  ExCompareSwapFastReference(reference, object, MAX_FAST_REFS);
}

/** The object, with a reference for the caller; null if there is none. Refills a cache that has run dry. */
export function ObFastReferenceObject<T extends ObjectBody>(reference: ExFastRef<T>): T | null {
  const cached = ExAcquireFastReference(reference);
  const object = cached ?? reference.object;
  if (object === null) return null;
  if (cached === null) {
    ObReferenceObjectEx(object, 1 + MAX_FAST_REFS);
    ExInsertFastReference(reference, object, MAX_FAST_REFS);
  } else if (reference.prepaid === 0) {
    ObReferenceObjectEx(object, MAX_FAST_REFS);
    ExInsertFastReference(reference, object, MAX_FAST_REFS);
  }
  return object;
}

/** Gives a reference back, to the cache if it has room for it. */
export function* ObFastDereferenceObject<T extends ObjectBody>(
  k: Kernel,
  reference: ExFastRef<T>,
  object: T,
): Blocking<void> {
  if (!ExReleaseFastReference(reference, object)) yield* ObDereferenceObject(k, object);
}

/** Puts another object (or none) into the cache. @returns the old one with one reference, which is the caller's now */
export function ObFastReplaceObject<T extends ObjectBody>(
  k: Kernel,
  reference: ExFastRef<T>,
  object: T | null,
): T | null {
  if (object !== null) ObReferenceObjectEx(object, 1 + MAX_FAST_REFS);
  const before = ExCompareSwapFastReference(reference, object, MAX_FAST_REFS);
  if (before.object !== null && before.prepaid > 0) ObDereferenceObjectEx(k, before.object, before.prepaid);
  return before.object;
}
