/**
 * Rundown protection: many users hold an object open, one thread waits until the last of them has let go, and from then
 * on nobody gets in.
 *
 * Invariants: once `active` is set no acquisition succeeds; there is a waiter only while `active` is set and users are
 * left; there is one waiter at most.
 */
import { WaitReason } from "../abi/ke.ts";
import { KeSetEvent } from "../ke/event.ts";
import { KeGetCurrentThread } from "../ke/current.ts";
import { type HeldLock, type LockEvent, newLockEvent } from "../ke/lockevent.ts";
import type { KThread } from "../ke/objects.ts";
import { waitInKernel } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";

/** `EX_RUNDOWN_REF`. */
export class ExRundown implements HeldLock {
  readonly lockName = "rundown protection";
  /** Acquisitions that were not released yet. */
  count = 0;
  /** Whether rundown has begun. */
  active = false;
  waiter: LockEvent | null = null;

  /** Unknown: rundown protection counts its users and does not name them. */
  holders(): readonly KThread[] {
    return [];
  }
}

/** @returns false if rundown has begun, in which case there is nothing to release */
export function ExAcquireRundownProtection(rundown: ExRundown): boolean {
  if (rundown.active) return false;
  rundown.count++;
  return true;
}

export function ExReleaseRundownProtection(k: Kernel, rundown: ExRundown): void {
  assert(rundown.count > 0, "rundown protection is released once for each time it was acquired");
  rundown.count--;
  if (rundown.count > 0 || rundown.waiter === null) return;
  KeSetEvent(k, rundown.waiter, 0);
  rundown.waiter = null;
}

/** Lets nobody in any more and waits until everybody is out; returns at once if that happened before.
 * @irql <= APC_LEVEL
 */
export function* ExWaitForRundownProtectionRelease(k: Kernel, rundown: ExRundown): Blocking<void> {
  assert(rundown.waiter === null, "one thread at most waits for rundown");
  rundown.active = true;
  if (rundown.count === 0) return;
  const event = newLockEvent(k, rundown, KeGetCurrentThread(k), { exclusive: true });
  rundown.waiter = event;
  yield* waitInKernel(k, event, WaitReason.WrRundown);
}

/** Marks rundown as over; a later wait returns at once. */
export function ExRundownCompleted(rundown: ExRundown): void {
  assert(rundown.count === 0, "rundown is completed when nobody is left inside");
  rundown.active = true;
}

/** Opens it again after a completed rundown. */
export function ExReInitializeRundownProtection(rundown: ExRundown): void {
  assert(rundown.active && rundown.count === 0, "only a completed rundown is begun anew");
  rundown.active = false;
}
