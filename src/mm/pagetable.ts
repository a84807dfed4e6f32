/**
 * Page directories and page tables in guest memory, as the processor reads them.
 *
 * An entry says whether its page has a frame and who owns the frame:
 * - 0: the page was never touched, or lost its frame;
 * - bit 9 ({@link PTE_PRIVATE}): the frame belongs to this entry and is freed with it; without the present bit the page
 *   keeps its content and refuses access (no-access and guard pages);
 * - present without bit 9: the frame belongs to a segment or to the machine.
 * Page tables are made on demand and live as long as their address space.
 */
import type { GuestRam } from "../abi/processor.ts";
import type { Kernel } from "../kernel.ts";
import type { AddressSpace } from "./space.ts";
import { allocateZeroedFrame, freeFrame } from "./frames.ts";
import { afterCopy, isReadable, isWritable } from "./protection.ts";
import { PAGE_GUARD } from "../abi/mm.ts";

export const PTE_PRESENT = 0x1;
export const PTE_WRITE = 0x2;
export const PTE_USER = 0x4;
/** One of the three bits that the processor leaves to the system. */
export const PTE_PRIVATE = 0x200;
const PDE_FLAGS = PTE_PRESENT | PTE_WRITE | PTE_USER;
/** User mode reaches the lower half; slot 1023 is the processor's own. */
const USER_PDES = 512;
const SUPERVISOR_SLOT = 1023;

/** Reads a word whose index is known to be inside guest memory. */
export function word(words: Int32Array, index: number): number {
  return words[index] ?? 0;
}

export function frameOf(pte: number): number {
  return pte >>> 12;
}

/** Index of the entry of `page` in the words of guest memory, or -1 if there is no page table for it. */
export function findPte(ram: GuestRam, space: AddressSpace, page: number): number {
  const pde = word(ram.i32, (space.directory >>> 2) + (page >>> 10));
  return (pde & PTE_PRESENT) === 0 ? -1 : ((pde >>> 12) << 10) + (page & 0x3ff);
}

/** As {@link findPte}, but makes the page table. @returns -1 if physical memory is used up */
export function makePte(k: Kernel, ram: GuestRam, space: AddressSpace, page: number): number {
  const found = findPte(ram, space, page);
  if (found >= 0) return found;
  const table = allocateZeroedFrame(k, ram);
  if (table === 0) return -1;
  ram.i32[(space.directory >>> 2) + (page >>> 10)] = (table << 12) | PDE_FLAGS;
  return (table << 10) + (page & 0x3ff);
}

/** A page directory that maps nothing but the processor's own area. @returns its frame, or 0 */
export function createDirectory(k: Kernel, ram: GuestRam): number {
  const frame = allocateZeroedFrame(k, ram);
  if (frame !== 0) ram.i32[(frame << 10) + SUPERVISOR_SLOT] = ram.supervisorPde;
  return frame;
}

/** The entry that gives `frame` to a page with `protection`. */
export function pteFor(frame: number, protection: number, owner: "private" | "shared"): number {
  const entry = (frame << 12) | (owner === "private" ? PTE_PRIVATE : 0);
  if (!isReadable(protection) || (protection & PAGE_GUARD) !== 0) return owner === "private" ? entry : 0;
  const writable = isWritable(owner === "private" ? afterCopy(protection) : protection);
  return entry | PTE_PRESENT | PTE_USER | (writable ? PTE_WRITE : 0);
}

/** Calls `visit` for every entry that is not 0 among the pages [from, to). */
function forEachPte(
  ram: GuestRam,
  space: AddressSpace,
  from: number,
  to: number,
  visit: (pteIndex: number, page: number) => void,
): void {
  for (let page = from; page < to;) {
    const tableEnd = Math.min((page | 0x3ff) + 1, to);
    const first = findPte(ram, space, page);
    if (first >= 0) {
      let words = ram.i32;
      for (let at = page; at < tableEnd; at++) {
        const index = first + at - page;
        if (word(words, index) === 0) continue;
        visit(index, at);
        words = ram.i32;
      }
    }
    page = tableEnd;
  }
}

/** Takes the frames away from the pages [from, to): private ones are freed, shared ones stay with their owner. */
export function dropPages(k: Kernel, space: AddressSpace, from: number, to: number): void {
  const { ram } = k.mm;
  if (ram === null) return;
  forEachPte(ram, space, from, to, (index, page) => {
    const pte = word(ram.i32, index);
    ram.i32[index] = 0;
    forgetTranslation(k, ram, space, page);
    if ((pte & PTE_PRIVATE) !== 0) freeFrame(k, ram, frameOf(pte));
  });
}

/** Rewrites the entries of the pages [from, to) for a new protection. */
export function protectPages(k: Kernel, space: AddressSpace, from: number, to: number, protection: number): void {
  const { ram } = k.mm;
  if (ram === null) return;
  forEachPte(ram, space, from, to, (index, page) => {
    const pte = word(ram.i32, index);
    // A shared page comes back with its new rights at its next fault, which also tells its segment about the writer.
    ram.i32[index] = (pte & PTE_PRIVATE) !== 0 ? pteFor(frameOf(pte), protection, "private") : 0;
    forgetTranslation(k, ram, space, page);
  });
}

/** Must follow every change that takes something away. A space that is not loaded has no translations to forget. */
export function forgetTranslation(k: Kernel, ram: GuestRam, space: AddressSpace, page: number): void {
  if (k.mm.loadedDirectory === space.directory) ram.invalidatePage((page << 12) | 0);
}

/** Frees every page, private frame and page table of the user half. The directory stays. */
export function dropUserHalf(k: Kernel, space: AddressSpace): void {
  const { ram } = k.mm;
  if (ram === null) return;
  const directory = space.directory >>> 2;
  for (let slot = 0; slot < USER_PDES; slot++) {
    const pde = word(ram.i32, directory + slot);
    if (pde === 0) continue;
    const table = frameOf(pde);
    for (let index = table << 10; index < (table + 1) << 10; index++) {
      const pte = word(ram.i32, index);
      if ((pte & PTE_PRIVATE) !== 0) freeFrame(k, ram, frameOf(pte));
    }
    ram.i32[directory + slot] = 0;
    freeFrame(k, ram, table);
  }
  if (k.mm.loadedDirectory === space.directory) ram.flushTranslations();
}
