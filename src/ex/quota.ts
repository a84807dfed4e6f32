/**
 * Quota (`EPROCESS_QUOTA_BLOCK`): how much of what a family of processes may have. A child shares its parent's block,
 * so a guest cannot escape its limits by creating processes; above all blocks stands the machine's.
 *
 * Invariants: what is charged is returned exactly once, so usage returns to 0 with the last user; a charge either
 * succeeds in the block and in all blocks above it, or changes nothing.
 */
import { assert } from "../rtl/assert.ts";

export type QuotaKind = "handles" | "threads" | "processes" | "poolBytes" | "committedPages";

export type QuotaLimits = Readonly<Record<QuotaKind, number>>;

export class QuotaBlock {
  readonly limits: QuotaLimits;
  readonly usage: Record<QuotaKind, number> = noQuota();
  readonly peak: Record<QuotaKind, number> = noQuota();
  readonly parent: QuotaBlock | null;
  /** Processes that charge to this block. */
  references = 1;
  /** Asked at every charge; true refuses it, though there is enough. */
  failure: ((kind: QuotaKind) => boolean) | null = null;

  constructor(limits: QuotaLimits, parent: QuotaBlock | null) {
    this.limits = limits;
    this.parent = parent;
  }
}

function noQuota(): Record<QuotaKind, number> {
  return { handles: 0, threads: 0, processes: 0, poolBytes: 0, committedPages: 0 };
}

/** @returns false, with nothing charged, if this block or one above it has no more to give */
export function chargeQuota(block: QuotaBlock, kind: QuotaKind, amount: number): boolean {
  for (let level: QuotaBlock | null = block; level !== null; level = level.parent) {
    if (level.usage[kind] + amount > level.limits[kind]) return false;
    if (level.failure !== null && level.failure(kind)) return false;
  }
  takeQuota(block, kind, amount);
  return true;
}

/** Charges what the machine must have, whatever the limits say. */
export function takeQuota(block: QuotaBlock, kind: QuotaKind, amount: number): void {
  for (let level: QuotaBlock | null = block; level !== null; level = level.parent) {
    const usage = level.usage[kind] + amount;
    level.usage[kind] = usage;
    if (usage > level.peak[kind]) level.peak[kind] = usage;
  }
}

/** Returns what {@link chargeQuota} took. */
export function returnQuota(block: QuotaBlock, kind: QuotaKind, amount: number): void {
  for (let level: QuotaBlock | null = block; level !== null; level = level.parent) {
    assert(level.usage[kind] >= amount, "no more quota is returned than was charged");
    level.usage[kind] -= amount;
  }
}

/** Another process charges to the block. */
export function referenceQuotaBlock(block: QuotaBlock): QuotaBlock {
  block.references++;
  return block;
}

/** A process is gone; the last one must have returned everything. */
export function dereferenceQuotaBlock(block: QuotaBlock): void {
  assert(block.references > 0, "a quota block is dereferenced once for each of its users");
  block.references--;
  if (block.references > 0) return;
  const { usage } = block;
  assert(usage.handles === 0, "the last process has returned its handles");
  assert(usage.threads === 0, "the last process has returned its threads");
  assert(usage.processes === 0, "the last process has returned its processes");
  assert(usage.poolBytes === 0, "the last process has returned its pool");
  assert(usage.committedPages === 0, "the last process has returned its committed pages");
}
