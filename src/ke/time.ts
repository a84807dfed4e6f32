/**
 * Virtual time. A processor's clock counts nanoseconds; one user instruction is one. Interrupt time is in 100 ns since
 * boot, system time in 100 ns since 1601. Nothing here reads a clock of the host.
 */
import type { Kernel } from "../kernel.ts";

/** Every machine boots at 2020-01-01T00:00:00Z, so that two runs agree on the date. */
export const BOOT_SYSTEM_TIME = 132_223_104_000_000_000n;

/** 100 ns between clock interrupts (`KeMaximumIncrement`): 15.625 ms. */
export const KeMaximumIncrement = 156_250;

/** 100 ns since boot, as the current processor sees it. */
export function KeQueryInterruptTime(k: Kernel): number {
  return Math.floor(k.ke.prcb.clock / 100);
}

/** The system time at which so many 100 ns had passed since boot. */
export function systemTimeOf(interruptTime: number): bigint {
  return BOOT_SYSTEM_TIME + BigInt(Math.floor(interruptTime));
}

/** 100 ns since 1601. */
export function KeQuerySystemTime(k: Kernel): bigint {
  return BOOT_SYSTEM_TIME + BigInt(KeQueryInterruptTime(k));
}

/** Lets `nanoseconds` of virtual time pass on the current processor. */
export function chargeTime(k: Kernel, nanoseconds: number): void {
  k.ke.prcb.clock += nanoseconds;
}
