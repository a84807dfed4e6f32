/**
 * The user half of one process: its page directory and its regions.
 *
 * Regions are kept in an array sorted by address, found by binary search. A bitmap with one bit for each 64 KiB granule
 * finds free room in bounded time however many regions there are.
 *
 * Invariants: regions do not overlap; a granule's bit is set exactly while some region touches the granule.
 */
import {
  ALLOCATION_GRANULARITY,
  MM_HIGHEST_VAD_ADDRESS,
  MM_LOWEST_USER_ADDRESS,
  PAGE_SHIFT,
  PAGE_SIZE,
} from "../abi/mm.ts";
import { assert } from "../rtl/assert.ts";
import type { Vad } from "./vad.ts";

const GRANULE_SHIFT = 16;
const PAGES_PER_GRANULE = ALLOCATION_GRANULARITY / PAGE_SIZE;
/** 2 GiB in granules, 32 to a word. */
const BITMAP_WORDS = 0x8000 / 32;
const LOWEST_GRANULE = MM_LOWEST_USER_ADDRESS >>> GRANULE_SHIFT;
/** The shared page lies in granule 0x7ffe. */
const END_GRANULE = (MM_HIGHEST_VAD_ADDRESS + 1) >>> GRANULE_SHIFT;
const LOWEST_PAGE = MM_LOWEST_USER_ADDRESS >>> PAGE_SHIFT;
const END_PAGE = (MM_HIGHEST_VAD_ADDRESS + 1) >>> PAGE_SHIFT;

export class AddressSpace {
  /** Physical address of the page directory; 0 in a machine without a processor. */
  directory: number;
  /** Sorted by address. */
  readonly vads: Vad[] = [];
  /** The region that was found last. */
  lastVad: Vad | null = null;
  /** Set once, when the process has ended: nothing can be mapped any more. */
  deleted = false;
  /** Pages charged against the commit limit on behalf of this process. */
  committedPages = 0;
  peakCommittedPages = 0;
  /** Bytes of all regions. */
  virtualBytes = 0;
  peakVirtualBytes = 0;
  faults = 0;
  /** No page at or above this one, below the shared page, is free; where the search for a TEB starts. */
  topFreePage: number = END_PAGE;
  readonly #granules: Int32Array = new Int32Array(BITMAP_WORDS);

  constructor(directory: number) {
    this.directory = directory;
  }

  /** The region that holds `address`, or null. */
  find(address: number): Vad | null {
    const page = address >>> PAGE_SHIFT;
    const last = this.lastVad;
    if (last !== null && page >= last.startPage && page < last.endPage) return last;
    const vad = this.vads[this.#lowerBound(page)];
    if (vad === undefined || vad.startPage > page) return null;
    this.lastVad = vad;
    return vad;
  }

  /** The first region that ends above `page`, or null. */
  findFrom(page: number): Vad | null {
    return this.vads[this.#lowerBound(page)] ?? null;
  }

  /** Whether no region touches the pages [startPage, endPage). */
  isFree(startPage: number, endPage: number): boolean {
    const next = this.findFrom(startPage);
    return next === null || next.startPage >= endPage;
  }

  insert(vad: Vad): void {
    const index = this.#lowerBound(vad.startPage);
    const next = this.vads[index];
    assert(next === undefined || next.startPage >= vad.endPage, "regions do not overlap");
    if (index === this.vads.length) this.vads.push(vad);
    else this.vads.splice(index, 0, vad);
    this.#markGranules(vad.startPage, vad.endPage);
    this.virtualBytes += vad.pageCount * PAGE_SIZE;
    if (this.virtualBytes > this.peakVirtualBytes) this.peakVirtualBytes = this.virtualBytes;
  }

  remove(vad: Vad): void {
    const index = this.#lowerBound(vad.startPage);
    assert(this.vads[index] === vad, "a region is removed from the space that holds it");
    this.vads.splice(index, 1);
    if (this.lastVad === vad) this.lastVad = null;
    this.virtualBytes -= vad.pageCount * PAGE_SIZE;
    this.#clearGranules(vad.startPage, vad.endPage);
    if (vad.endPage > this.topFreePage && vad.endPage <= END_PAGE) this.topFreePage = vad.endPage;
  }

  /**
   * Finds room for `bytes` at a multiple of 64 KiB.
   * @param highest the last address that the region may cover
   * @returns the address, or 0 if there is no room
   */
  findRoom(bytes: number, options: { readonly highest: number; readonly topDown: boolean }): number {
    const granules = Math.ceil(bytes / ALLOCATION_GRANULARITY);
    // The last granule may be cut by the highest address, as long as the region itself fits below.
    const end = Math.min(END_GRANULE, Math.floor(options.highest / ALLOCATION_GRANULARITY) + 1);
    const granule = options.topDown ? this.#searchDown(granules, end) : this.#searchUp(granules, end);
    const address = granule * ALLOCATION_GRANULARITY;
    if (granule === 0 || address + bytes - 1 <= options.highest) return address;
    return 0;
  }

  /** Finds `pages` free pages as high as possible below the shared page: where TEBs and the PEB go. @returns page or 0 */
  findTopPages(pages: number): number {
    let end = this.topFreePage;
    let index = this.#lowerBound(end - 1);
    let skippedGap = false;
    for (;;) {
      const above = this.vads[index];
      if (above !== undefined && above.startPage < end) end = above.startPage;
      if (!skippedGap) this.topFreePage = end;
      const below = this.vads[index - 1];
      const low = below === undefined ? LOWEST_PAGE : below.endPage;
      if (end - low >= pages) return end - pages;
      if (below === undefined) return 0;
      if (end > low) skippedGap = true;
      index--;
    }
  }

  /** Index of the first region that ends above `page`. */
  #lowerBound(page: number): number {
    const { vads } = this;
    let low = 0;
    let high = vads.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const vad = vads[middle];
      if (vad !== undefined && vad.endPage <= page) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #markGranules(startPage: number, endPage: number): void {
    const end = Math.ceil(endPage / PAGES_PER_GRANULE);
    fillBits(this.#granules, Math.floor(startPage / PAGES_PER_GRANULE), end, -1);
  }

  /** A granule at either end may still hold a neighbour. */
  #clearGranules(startPage: number, endPage: number): void {
    const first = Math.floor(startPage / PAGES_PER_GRANULE);
    const end = Math.ceil(endPage / PAGES_PER_GRANULE);
    fillBits(this.#granules, first, end, 0);
    this.#restoreGranule(first);
    this.#restoreGranule(end - 1);
  }

  #restoreGranule(granule: number): void {
    const page = granule * PAGES_PER_GRANULE;
    if (!this.isFree(page, page + PAGES_PER_GRANULE)) fillBits(this.#granules, granule, granule + 1, -1);
  }

  /** The lowest run of `count` free granules below `end`, or 0. */
  #searchUp(count: number, end: number): number {
    let run = 0;
    for (let granule = LOWEST_GRANULE; granule < end; granule++) {
      const word = this.#granules[granule >>> 5] ?? -1;
      if ((granule & 31) === 0) {
        if (word === -1) {
          run = 0;
          granule += 31;
          continue;
        }
        if (word === 0 && run + 32 < count) {
          run += 32;
          granule += 31;
          continue;
        }
      }
      if ((word & (1 << (granule & 31))) !== 0) run = 0;
      else if (++run === count) return granule + 1 - count;
    }
    return 0;
  }

  /** The highest run of `count` free granules below `end`, or 0. */
  #searchDown(count: number, end: number): number {
    let run = 0;
    for (let granule = end - 1; granule >= LOWEST_GRANULE; granule--) {
      const word = this.#granules[granule >>> 5] ?? -1;
      if ((granule & 31) === 31 && granule > 32) {
        if (word === -1) {
          run = 0;
          granule -= 31;
          continue;
        }
        if (word === 0 && run + 32 < count) {
          run += 32;
          granule -= 31;
          continue;
        }
      }
      if ((word & (1 << (granule & 31))) !== 0) run = 0;
      else if (++run === count) return granule;
    }
    return 0;
  }
}

/** Sets the bits [from, to) to those of `pattern`, which is 0 or -1. */
function fillBits(words: Int32Array, from: number, to: number, pattern: 0 | -1): void {
  for (let bit = from; bit < to;) {
    const index = bit >>> 5;
    const low = bit & 31;
    const high = Math.min(32, low + to - bit);
    const mask = (high - low === 32 ? -1 : (1 << (high - low)) - 1) << low;
    const old = words[index] ?? 0;
    words[index] = pattern === 0 ? old & ~mask : old | mask;
    bit += high - low;
  }
}
