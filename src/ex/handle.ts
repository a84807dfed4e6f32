/**
 * Handle tables (`HANDLE_TABLE`): numbers for objects. One class serves the handles of a process, the kernel's handles
 * and `PspCidTable`, where the numbers are process and thread ids.
 *
 * Invariants: a handle is a multiple of 4, from 4 up; its low two bits are the caller's to use. An entry holds whatever
 * its creator stored until it is destroyed, and the value is free for reuse from that moment. Free values are reused
 * lowest first; a strict table (`ExSetHandleTableStrictFIFO`) delays reuse instead: it hands out every value of the
 * current page first, then the freed ones in the order in which they became free. A table grows by a page, which takes
 * pool; it never shrinks. The first page comes with the table.
 */
import {
  failure,
  type NtResult,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_QUOTA_EXCEEDED,
  success,
  type NtStatus,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import { ExAllocatePoolWithTag, ExFreePoolWithTag, type PoolBlock, type PoolType } from "./pool.ts";
import { chargeQuota, type QuotaBlock, returnQuota } from "./quota.ts";

/** Attributes of an entry, as in `OBJECT_HANDLE_FLAG_INFORMATION`'s kernel form. */
export const HANDLE_PROTECT_FROM_CLOSE = 1;
export const HANDLE_INHERIT = 2;

/** No table grows beyond this many entries. */
const MAXIMUM_ENTRIES = 1 << 24;
/** Entries in a page of a table: what a strict table uses up before it reuses a value. */
const PAGE_ENTRIES = 512;
const TABLE_BYTES = 0x200;
const PAGE_BYTES = 0x1000;
const TAG_HANDLE_TABLE = "Obtb";

class HandleTableEntry {
  /** Null while the entry is free. */
  object: ObjectBody | null = null;
  grantedAccess = 0;
  attributes = 0;
}

export class HandleTable {
  /** Entry i belongs to handle 4i; entry 0 is never used. */
  readonly entries: HandleTableEntry[] = [new HandleTableEntry()];
  /** Free indices below `entries.length`: a heap with the lowest in front, or a queue if the table is strict. */
  readonly free: number[] = [];
  readonly strictFifo: boolean;
  readonly quota: QuotaBlock | null;
  block: PoolBlock | null = null;
  /** What it has grown by. */
  readonly pages: PoolBlock[] = [];
  /** Entries in use. */
  count = 0;

  constructor(options: { readonly strictFifo?: boolean; readonly quota?: QuotaBlock | null } = {}) {
    this.strictFifo = options.strictFifo ?? false;
    this.quota = options.quota ?? null;
  }
}

/** A table whose handles are charged to `quota`. @returns null if there is no pool for it */
export function ExCreateHandleTable(k: Kernel, quota: QuotaBlock | null): HandleTable | null {
  const block = ExAllocatePoolWithTag(k, TABLE_BYTES, TAG_HANDLE_TABLE, "paged");
  if (block === null) return null;
  const table = new HandleTable({ quota });
  table.block = block;
  return table;
}

/** Gives the table back; whoever owned it has swept it. */
export function ExDestroyHandleTable(k: Kernel, table: HandleTable): void {
  if (table.quota !== null) returnQuota(table.quota, "handles", table.count);
  table.count = 0;
  table.entries.length = 1;
  table.free.length = 0;
  while (table.pages.length > 0) dropPage(k, table);
  if (table.block !== null) ExFreePoolWithTag(k, table.block, TAG_HANDLE_TABLE);
  table.block = null;
}

/**
 * Makes a handle.
 * @param growth the pool that a page would come from
 * @returns QUOTA_EXCEEDED, or INSUFFICIENT_RESOURCES if the table is full or cannot grow
 */
export function ExCreateHandle(
  k: Kernel,
  table: HandleTable,
  object: ObjectBody,
  grantedAccess: number,
  attributes: number,
  growth: PoolType = "paged",
): NtResult<number> {
  const { entries, quota } = table;
  const reuse = table.free.length > 0 && !(table.strictFifo && entries.length % PAGE_ENTRIES !== 0);
  if (quota !== null && !chargeQuota(quota, "handles", 1)) return failure(STATUS_QUOTA_EXCEEDED);
  if (!reuse && entries.length % PAGE_ENTRIES === 0 && !addPage(k, table, growth)) {
    if (quota !== null) returnQuota(quota, "handles", 1);
    return failure(STATUS_INSUFFICIENT_RESOURCES);
  }
  const index = reuse ? takeFree(table) : entries.push(new HandleTableEntry()) - 1;
  const entry = entries[index];
  assert(entry !== undefined && entry.object === null, "a free index names a free entry");
  entry.object = object;
  entry.grantedAccess = grantedAccess;
  entry.attributes = attributes;
  table.count++;
  return success(index * 4);
}

function addPage(k: Kernel, table: HandleTable, type: PoolType): boolean {
  if (table.entries.length >= MAXIMUM_ENTRIES) return false;
  const page = ExAllocatePoolWithTag(k, PAGE_BYTES, TAG_HANDLE_TABLE, type);
  if (page === null) return false;
  table.pages.push(page);
  return true;
}

function dropPage(k: Kernel, table: HandleTable): void {
  const page = table.pages.pop();
  if (page !== undefined) ExFreePoolWithTag(k, page, TAG_HANDLE_TABLE);
}

/** The entry of a handle, or null if it names none. The entry stays as it is until the caller blocks. */
export function ExMapHandleToPointer(table: HandleTable, handle: number): HandleTableEntry | null {
  const entry = table.entries[handle >>> 2];
  return entry === undefined || entry.object === null ? null : entry;
}

/** Frees the handle. @returns false if there was none */
export function ExDestroyHandle(table: HandleTable, handle: number): boolean {
  const index = handle >>> 2;
  const entry = table.entries[index];
  if (entry === undefined || entry.object === null) return false;
  entry.object = null;
  entry.grantedAccess = 0;
  entry.attributes = 0;
  table.count--;
  if (table.quota !== null) returnQuota(table.quota, "handles", 1);
  if (table.strictFifo) table.free.push(index);
  else pushLowest(table.free, index);
  return true;
}

/** Calls `visit` for every handle in ascending order. Handles that appear behind the sweep are not seen. */
export function* ExSweepHandleTable(
  table: HandleTable,
  visit: (handle: number, entry: HandleTableEntry) => Blocking<void>,
): Blocking<void> {
  for (let index = 1; index < table.entries.length; index++) {
    const entry = table.entries[index];
    if (entry !== undefined && entry.object !== null) yield* visit(index * 4, entry);
  }
}

/** Calls `visit` for every handle in ascending order until it answers true. @returns whether it did */
export function ExEnumHandleTable(
  table: HandleTable,
  visit: (handle: number, entry: HandleTableEntry) => boolean,
): boolean {
  for (let index = 1; index < table.entries.length; index++) {
    const entry = table.entries[index];
    if (entry !== undefined && entry.object !== null && visit(index * 4, entry)) return true;
  }
  return false;
}

/**
 * Copies the entries that `wanted` accepts into an empty table, each under the same handle.
 * @returns QUOTA_EXCEEDED or INSUFFICIENT_RESOURCES, with nothing copied, or SUCCESS
 */
export function ExDupHandleTable(
  k: Kernel,
  source: HandleTable,
  target: HandleTable,
  wanted: (entry: HandleTableEntry) => boolean,
): NtStatus {
  assert(target.count === 0 && target.entries.length === 1, "a table is duplicated into an empty one");
  const chosen: number[] = [];
  for (let index = 1; index < source.entries.length; index++) {
    const entry = source.entries[index];
    if (entry !== undefined && entry.object !== null && wanted(entry)) chosen.push(index);
  }
  if (!growFor(k, target, chosen.at(-1) ?? 0)) return STATUS_INSUFFICIENT_RESOURCES;
  if (target.quota !== null && !chargeQuota(target.quota, "handles", chosen.length)) {
    while (target.pages.length > 0) dropPage(k, target);
    return STATUS_QUOTA_EXCEEDED;
  }
  for (const index of chosen) {
    const from = source.entries[index];
    assert(from !== undefined, "a chosen entry exists");
    // Ascending order is a valid heap.
    while (target.entries.length < index) target.free.push(target.entries.push(new HandleTableEntry()) - 1);
    const entry = new HandleTableEntry();
    entry.object = from.object;
    entry.grantedAccess = from.grantedAccess;
    entry.attributes = from.attributes;
    target.entries.push(entry);
  }
  target.count = chosen.length;
  return STATUS_SUCCESS;
}

/** Gives an empty table the pages for its entries up to `last`, or none. */
function growFor(k: Kernel, table: HandleTable, last: number): boolean {
  while (table.pages.length < Math.floor(last / PAGE_ENTRIES)) {
    const page = ExAllocatePoolWithTag(k, PAGE_BYTES, TAG_HANDLE_TABLE, "paged");
    if (page === null) {
      while (table.pages.length > 0) dropPage(k, table);
      return false;
    }
    table.pages.push(page);
  }
  return true;
}

function takeFree(table: HandleTable): number {
  const index = table.strictFifo ? table.free.shift() : popLowest(table.free);
  assert(index !== undefined, "a table with free entries has one to give");
  return index;
}

function pushLowest(heap: number[], value: number): void {
  let index = heap.length;
  heap.push(value);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent] ?? 0;
    if (above <= value) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = value;
}

function popLowest(heap: number[]): number | undefined {
  const lowest = heap[0];
  const last = heap.pop();
  if (lowest === undefined || last === undefined || heap.length === 0) return lowest;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && (heap[child + 1] ?? 0) < (heap[child] ?? 0)) child++;
    const below = heap[child] ?? 0;
    if (below >= last) break;
    heap[index] = below;
    index = child;
  }
  heap[index] = last;
  return lowest;
}
