/**
 * The cancel spin lock: whoever sets or takes a cancel routine while the request may be cancelled at the same time holds
 * it. `IoCancelIrp` calls the cancel routine with the lock held, and the routine releases it.
 *
 * A plain function is atomic, so the lock protects nothing here that is not protected already. What is kept are its
 * rules, which a driver must obey on a real machine: it is held at DISPATCH_LEVEL, over no wait, by one at a time.
 */
import { BugCheckCode, DISPATCH_LEVEL, type Irql } from "../abi/ke.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import { KeRaiseIrql } from "../ke/irql.ts";
import type { Kernel } from "../kernel.ts";

/**
 * Takes the lock. Bug check 0x0F if it is held already: a real processor would spin for ever.
 * @irql <= DISPATCH_LEVEL; DISPATCH_LEVEL on return
 * @returns the level before, for {@link IoReleaseCancelSpinLock}
 */
export function IoAcquireCancelSpinLock(k: Kernel): Irql {
  if (k.io.cancelSpinLockHeld) KeBugCheckEx(k, BugCheckCode.SPIN_LOCK_ALREADY_OWNED);
  k.io.cancelSpinLockHeld = true;
  return KeRaiseIrql(k, DISPATCH_LEVEL);
}

/**
 * Releases the lock and goes back to `irql`. Kernel APCs that came meanwhile are delivered where the caller next waits or
 * lowers its level. Bug check 0x10 if the lock is not held.
 */
export function IoReleaseCancelSpinLock(k: Kernel, irql: Irql): void {
  if (!k.io.cancelSpinLockHeld) KeBugCheckEx(k, BugCheckCode.SPIN_LOCK_NOT_OWNED);
  k.io.cancelSpinLockHeld = false;
  k.ke.prcb.irql = irql;
}
