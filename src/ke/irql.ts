/**
 * IRQL. A plain function is atomic, so it needs no level to protect itself; levels matter where a routine blocks, and for
 * the delivery of kernel APCs when the level falls below APC_LEVEL.
 */
import { APC_LEVEL, type Irql } from "../abi/ke.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { type Blocking, DONE } from "../sim/blocking.ts";
import { deliverKernelApcs } from "./apc.ts";

/** The level of this processor. */
export function KeGetCurrentIrql(k: Kernel): Irql {
  return k.ke.prcb.irql;
}

/** @returns the level before */
export function KeRaiseIrql(k: Kernel, level: Irql): Irql {
  const old = k.ke.prcb.irql;
  assert(level >= old, "KeRaiseIrql never lowers the level");
  k.ke.prcb.irql = level;
  return old;
}

/** Lowers the level; below APC_LEVEL pending kernel APCs are delivered first. */
export function KeLowerIrql(k: Kernel, level: Irql): Blocking<void> {
  assert(level <= k.ke.prcb.irql, "KeLowerIrql never raises the level");
  k.ke.prcb.irql = level;
  return level < APC_LEVEL ? deliverKernelApcs(k) : DONE;
}
