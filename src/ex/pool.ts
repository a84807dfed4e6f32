/**
 * The kernel's pool: only the life and the size of blocks are modelled, their contents are ordinary objects.
 *
 * Invariants: a block is in the ledger exactly while it is allocated; the bytes in use are the sum over the ledger and
 * over the tags. An allocation may always fail: at the limit, or because somebody injects the failure.
 */
import { BugCheckCode } from "../abi/ke.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import type { Kernel } from "../kernel.ts";
import { newObjectId } from "../sim/identity.ts";
import { trace } from "../sim/record.ts";

/** First parameter of BAD_POOL_CALLER. */
const FREED_TWICE = 0x07;
const WRONG_TAG = 0x0a;

/** `NonPagedPoolMustSucceed` is for the few things without which nothing could be freed any more. */
export type PoolType = "nonpaged" | "paged" | "must-succeed";

/** What one tag has allocated. */
export interface PoolTagUsage {
  readonly tag: string;
  allocations: number;
  frees: number;
  bytes: number;
}

export class PoolBlock {
  readonly id: number;
  readonly bytes: number;
  readonly usage: PoolTagUsage;
  readonly type: PoolType;
  freed = false;

  constructor(id: number, bytes: number, usage: PoolTagUsage, type: PoolType) {
    this.id = id;
    this.bytes = bytes;
    this.usage = usage;
    this.type = type;
  }

  get tag(): string {
    return this.usage.tag;
  }
}

export interface PoolState {
  readonly limitBytes: number;
  bytes: number;
  peakBytes: number;
  /** Allocations ever asked for; the ordinal of the last one. */
  allocations: number;
  readonly tags: Map<string, PoolTagUsage>;
  /** Every allocated block by its id, oldest first. */
  readonly live: Map<number, PoolBlock>;
  /** Asked with the ordinal (from 1) and the tag of every allocation; true makes it fail. */
  failure: ((ordinal: number, tag: string) => boolean) | null;
}

export function createPoolState(limitBytes: number): PoolState {
  return { limitBytes, bytes: 0, peakBytes: 0, allocations: 0, tags: new Map(), live: new Map(), failure: null };
}

/** @returns null if the pool is exhausted or the failure is injected, unless it must succeed */
export function ExAllocatePoolWithTag(
  k: Kernel,
  bytes: number,
  tag: string,
  type: PoolType = "nonpaged",
): PoolBlock | null {
  const { pool } = k.ex;
  const ordinal = ++pool.allocations;
  if (type !== "must-succeed" && mayNotHave(pool, bytes, ordinal, tag)) {
    if (k.sim.trace !== null) trace(k, { kind: "pool", act: "fail", id: 0, tag, bytes });
    return null;
  }
  const usage = usageOf(pool, tag);
  const block = new PoolBlock(newObjectId(k), bytes, usage, type);
  usage.allocations++;
  usage.bytes += bytes;
  pool.bytes += bytes;
  if (pool.bytes > pool.peakBytes) pool.peakBytes = pool.bytes;
  pool.live.set(block.id, block);
  if (k.sim.trace !== null) trace(k, { kind: "pool", act: "allocate", id: block.id, tag, bytes });
  return block;
}

function mayNotHave(pool: PoolState, bytes: number, ordinal: number, tag: string): boolean {
  return pool.bytes + bytes > pool.limitBytes || (pool.failure !== null && pool.failure(ordinal, tag));
}

/** Frees a block that was allocated with `tag`. A wrong tag, or a block that is free already, stops the machine. */
export function ExFreePoolWithTag(k: Kernel, block: PoolBlock, tag: string): void {
  if (block.tag !== tag) KeBugCheckEx(k, BugCheckCode.BAD_POOL_CALLER, WRONG_TAG, block.id);
  ExFreePool(k, block);
}

/** Frees a block whatever its tag. */
export function ExFreePool(k: Kernel, block: PoolBlock): void {
  if (block.freed) KeBugCheckEx(k, BugCheckCode.BAD_POOL_CALLER, FREED_TWICE, block.id);
  const { pool } = k.ex;
  const { usage, bytes } = block;
  block.freed = true;
  usage.frees++;
  usage.bytes -= bytes;
  pool.bytes -= bytes;
  pool.live.delete(block.id);
  if (k.sim.trace !== null) trace(k, { kind: "pool", act: "free", id: block.id, tag: usage.tag, bytes });
}

function usageOf(pool: PoolState, tag: string): PoolTagUsage {
  const known = pool.tags.get(tag);
  if (known !== undefined) return known;
  const usage: PoolTagUsage = { tag, allocations: 0, frees: 0, bytes: 0 };
  pool.tags.set(tag, usage);
  return usage;
}
