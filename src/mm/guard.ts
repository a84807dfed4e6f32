/**
 * Guard pages. The first touch of one takes the guard away and is an exception, unless the page is the guard of the
 * current thread's stack: then the stack grows by a page, the guard moves down, and the thread goes on.
 *
 * A stack, from its lowest page: one page that is never committed, pages that are reserved, the guard, committed pages.
 * When the guard can't move down any further, what is left is committed and the thread gets STATUS_STACK_OVERFLOW, with
 * those last pages to handle it.
 */
import { PAGE_GUARD, PAGE_READWRITE, PAGE_SHIFT, PAGE_SIZE } from "../abi/mm.ts";
import type { GuestRam } from "../abi/processor.ts";
import { type NtStatus, STATUS_GUARD_PAGE_VIOLATION, STATUS_STACK_OVERFLOW, STATUS_SUCCESS } from "../abi/status.ts";
import { Teb } from "../abi/teb.ts";
import type { Kernel } from "../kernel.ts";
import type { AddressSpace } from "./space.ts";
import { chargeCommit } from "./commit.ts";
import { findPte, frameOf, protectPages, PTE_PRIVATE, word } from "./pagetable.ts";
import type { MmProcess } from "./process.ts";
import { CHARGED, chargedPages, pageValue, PROTECTION, setRange, type Vad } from "./vad.ts";

/** Handles the touch of a guard page.
 * @returns SUCCESS: it was the stack's, which has grown; GUARD_PAGE_VIOLATION; STACK_OVERFLOW
 */
export function guardPageFault(k: Kernel, process: MmProcess, space: AddressSpace, vad: Vad, page: number): NtStatus {
  k.mm.statistics.guardFaults++;
  const relative = page - vad.startPage;
  const value = pageValue(vad, relative) & ~PAGE_GUARD;
  setRange(vad, relative, relative + 1, value);
  protectPages(k, space, page, page + 1, value & PROTECTION);
  const stack = currentStack(k, process, space, page);
  if (stack === null) return STATUS_GUARD_PAGE_VIOLATION;
  return growStack(k, process, space, vad, page, stack);
}

/** The stack bounds that the current thread's TEB states, in pages. User mode may have written anything there. */
interface StackBounds {
  readonly teb: number;
  readonly lowestPage: number;
  readonly guaranteedPages: number;
}

/** Null if the page is not in the stack of the current thread. */
function currentStack(k: Kernel, process: MmProcess, space: AddressSpace, page: number): StackBounds | null {
  const { ram } = k.mm;
  const thread = k.ke.currentThread;
  if (ram === null || thread === null || thread.teb === 0 || thread.process !== process) return null;
  const { teb } = thread;
  const base = readTeb(ram, space, teb + Teb.StackBase);
  const lowest = readTeb(ram, space, teb + Teb.DeallocationStack);
  const address = page * PAGE_SIZE;
  if (address < lowest || address >= base) return null;
  const guaranteedPages = Math.ceil(readTeb(ram, space, teb + Teb.GuaranteedStackBytes) / PAGE_SIZE);
  return { teb, lowestPage: lowest >>> PAGE_SHIFT, guaranteedPages };
}

function growStack(
  k: Kernel,
  process: MmProcess,
  space: AddressSpace,
  vad: Vad,
  page: number,
  stack: StackBounds,
): NtStatus {
  const guard = page - 1;
  // What lies below the new guard must still hold the guaranteed pages, one page for the overflow, and the lowest one.
  const canGrow = guard > stack.lowestPage + 1 + stack.guaranteedPages && guard >= vad.startPage;
  if (canGrow && commitStack(k, process, space, vad, guard, guard + 1, PAGE_READWRITE | PAGE_GUARD)) {
    writeTeb(k, space, stack.teb + Teb.StackLimit, page * PAGE_SIZE);
    k.mm.statistics.stackExtensions++;
    return STATUS_SUCCESS;
  }
  const lowest = Math.max(stack.lowestPage + 1, vad.startPage);
  if (lowest <= page && commitStack(k, process, space, vad, lowest, page, PAGE_READWRITE)) {
    writeTeb(k, space, stack.teb + Teb.StackLimit, lowest * PAGE_SIZE);
  }
  return STATUS_STACK_OVERFLOW;
}

/** Commits the pages [from, to) of a stack. @returns false if there is no commit left for them */
function commitStack(
  k: Kernel,
  process: MmProcess,
  space: AddressSpace,
  vad: Vad,
  from: number,
  to: number,
  protection: number,
): boolean {
  if (from === to) return true;
  if (vad.view !== null) return false;
  const first = from - vad.startPage;
  const end = to - vad.startPage;
  const pages = end - first - chargedPages(vad, first, end);
  if (chargeCommit(k, process, space, pages) !== STATUS_SUCCESS) return false;
  setRange(vad, first, end, protection | CHARGED);
  protectPages(k, space, from, to, protection);
  return true;
}

/** A TEB never loses its frame, so what is not there is not a TEB. */
function readTeb(ram: GuestRam, space: AddressSpace, address: number): number {
  const index = tebWord(ram, space, address);
  return index < 0 ? 0 : word(ram.i32, index) >>> 0;
}

function writeTeb(k: Kernel, space: AddressSpace, address: number, value: number): void {
  const { ram } = k.mm;
  const index = ram === null ? -1 : tebWord(ram, space, address);
  if (ram === null || index < 0) return;
  ram.i32[index] = value;
  ram.invalidateCode(index >>> 10);
}

function tebWord(ram: GuestRam, space: AddressSpace, address: number): number {
  const pteIndex = findPte(ram, space, address >>> PAGE_SHIFT);
  const pte = pteIndex < 0 ? 0 : word(ram.i32, pteIndex);
  if ((pte & PTE_PRIVATE) === 0) return -1;
  return (frameOf(pte) << 10) + ((address & (PAGE_SIZE - 1)) >>> 2);
}
