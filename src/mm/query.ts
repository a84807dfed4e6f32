/** What is at an address (`NtQueryVirtualMemory`), and the counters of an address space. */
import {
  MEM_COMMIT,
  MEM_FREE,
  MEM_RESERVE,
  MM_HIGHEST_USER_ADDRESS,
  PAGE_NOACCESS,
  PAGE_SHIFT,
  PAGE_SIZE,
} from "../abi/mm.ts";
import {
  failure,
  type NtResult,
  STATUS_INVALID_PARAMETER,
  STATUS_PROCESS_IS_TERMINATING,
  success,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import type { AddressSpace } from "./space.ts";
import { findPte, PTE_PRIVATE, word } from "./pagetable.ts";
import type { MmProcess } from "./process.ts";
import { afterCopy, isWriteCopy } from "./protection.ts";
import { isCommitted } from "./segment.ts";
import { endOfRun, forEachRun, pageValue, PROTECTION, RESERVED, runIndex, type Vad } from "./vad.ts";

/** `MEMORY_BASIC_INFORMATION`. */
export interface MemoryBasicInformation {
  readonly baseAddress: number;
  readonly allocationBase: number;
  readonly allocationProtect: number;
  readonly regionSize: number;
  readonly state: number;
  readonly protect: number;
  readonly type: number;
}

/** `MemoryBasicInformation`: the pages from `address` on that are in the same state.
 * @returns INVALID_PARAMETER: not a user address; PROCESS_IS_TERMINATING
 */
export function MmQueryVirtualMemory(k: Kernel, process: MmProcess, address: number): NtResult<MemoryBasicInformation> {
  if (address > MM_HIGHEST_USER_ADDRESS) return failure(STATUS_INVALID_PARAMETER);
  const space = process.addressSpace;
  if (space === null || space.deleted) return failure(STATUS_PROCESS_IS_TERMINATING);
  const page = address >>> PAGE_SHIFT;
  const vad = space.find(address);
  if (vad === null) return success(freeRegion(space, page));
  const first = page - vad.startPage;
  const { state, protection, end: firstEnd } = pageStateAt(k, space, vad, first);
  let end = firstEnd;
  while (end < vad.pageCount) {
    const next = pageStateAt(k, space, vad, end);
    if (next.state !== state || next.protection !== protection) break;
    end = next.end;
  }
  return success({
    baseAddress: page * PAGE_SIZE,
    allocationBase: vad.startPage * PAGE_SIZE,
    allocationProtect: vad.initialProtection,
    regionSize: (end - first) * PAGE_SIZE,
    state,
    protect: state === MEM_COMMIT ? protection : 0,
    type: vad.type,
  });
}

/** State and protection of a page, and where the pages like it end as far as that is known cheaply. */
export interface PageState {
  readonly state: number;
  readonly protection: number;
  /** Relative to the region, exclusive. */
  readonly end: number;
}

/** @param page relative to the region */
export function pageStateAt(k: Kernel, space: AddressSpace, vad: Vad, page: number): PageState {
  const value = pageValue(vad, page);
  const end = endOfRun(vad.ends, runIndex(vad, page));
  if (value === RESERVED) return { state: MEM_RESERVE, protection: 0, end };
  const protection = value & PROTECTION;
  if (vad.view !== null && vad.view.segment.committed !== null) {
    const state = isPageCommitted(vad, page) ? MEM_COMMIT : MEM_RESERVE;
    return { state, protection: state === MEM_COMMIT ? protection : 0, end: page + 1 };
  }
  if (!isWriteCopy(protection)) return { state: MEM_COMMIT, protection, end };
  const copied = isCopied(k, space, vad.startPage + page);
  let same = page + 1;
  while (same < end && isCopied(k, space, vad.startPage + same) === copied) same++;
  return { state: MEM_COMMIT, protection: copied ? afterCopy(protection) : protection, end: same };
}

/** Whether all pages [from, to), relative to the region, are committed. */
export function rangeIsCommitted(vad: Vad, from: number, to: number): boolean {
  let committed = true;
  forEachRun(vad, from, to, (_runFrom, _runTo, value) => {
    if (value === RESERVED) committed = false;
  });
  if (!committed || vad.view === null || vad.view.segment.committed === null) return committed;
  for (let page = from; page < to; page++) if (!isPageCommitted(vad, page)) return false;
  return true;
}

function isPageCommitted(vad: Vad, page: number): boolean {
  return vad.view === null || isCommitted(vad.view.segment, vad.view.firstPage + page);
}

function isCopied(k: Kernel, space: AddressSpace, page: number): boolean {
  const { ram } = k.mm;
  if (ram === null) return false;
  const index = findPte(ram, space, page);
  return index >= 0 && (word(ram.i32, index) & PTE_PRIVATE) !== 0;
}

function freeRegion(space: AddressSpace, page: number): MemoryBasicInformation {
  const next = space.findFrom(page);
  const end = next === null ? (MM_HIGHEST_USER_ADDRESS + 1) / PAGE_SIZE : next.startPage;
  return {
    baseAddress: page * PAGE_SIZE,
    allocationBase: 0,
    allocationProtect: 0,
    regionSize: (end - page) * PAGE_SIZE,
    state: MEM_FREE,
    protect: PAGE_NOACCESS,
    type: 0,
  };
}
