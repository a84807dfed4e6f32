/**
 * `rep stosd` of zero over memory that was never touched. Such pages are zero already, so the processor need not touch
 * them: programs zero hundreds of pages of stack for every thread, and each would cost a fault, a frame and a fill.
 */
import { MM_USER_PROBE_ADDRESS, PAGE_GUARD, PAGE_SHIFT, PAGE_SIZE } from "../abi/mm.ts";
import type { GuestRam } from "../abi/processor.ts";
import type { Kernel } from "../kernel.ts";
import type { AddressSpace } from "./space.ts";
import { findPte, word } from "./pagetable.ts";
import type { MmProcess } from "./process.ts";
import { isWritable } from "./protection.ts";
import { endOfRun, pageValue, runIndex } from "./vad.ts";

/**
 * How many of the dwords from `address` on need not be written. The caller has made sure that the faulting instruction is
 * `rep stosd` with EAX 0, EDI at `address` and the direction flag clear; it takes the answer off ECX and adds it to EDI.
 * @returns 0 if the page is not a writable private page without a frame
 */
export function skipZeroFill(k: Kernel, process: MmProcess, address: number, dwords: number): number {
  const { ram } = k.mm;
  const space = process.addressSpace;
  if (ram === null || space === null || space.deleted || address >= MM_USER_PROBE_ADDRESS) return 0;
  const vad = space.find(address);
  if (vad === null || vad.view !== null) return 0;
  const page = address >>> PAGE_SHIFT;
  const relative = page - vad.startPage;
  const value = pageValue(vad, relative);
  if (!isWritable(value) || (value & PAGE_GUARD) !== 0) return 0;
  const runEnd = vad.startPage + endOfRun(vad.ends, runIndex(vad, relative));
  const wantedEnd = Math.ceil((address + dwords * 4) / PAGE_SIZE);
  const end = firstTouchedPage(ram, space, page, Math.min(runEnd, wantedEnd));
  if (end === page) return 0;
  const skipped = Math.min(dwords, (end * PAGE_SIZE - address) >>> 2);
  k.mm.statistics.zeroFillDwordsSkipped += skipped;
  return skipped;
}

/** The first page of [from, to) that has an entry, or `to`. */
function firstTouchedPage(ram: GuestRam, space: AddressSpace, from: number, to: number): number {
  for (let page = from; page < to;) {
    const tableEnd = Math.min((page | 0x3ff) + 1, to);
    const first = findPte(ram, space, page);
    if (first >= 0) {
      for (let at = page; at < tableEnd; at++) if (word(ram.i32, first + at - page) !== 0) return at;
    }
    page = tableEnd;
  }
  return to;
}
