/**
 * User-mode stacks. A stack is one region: reserved at the bottom, committed at the top, with a guard page in between
 * that makes it grow (guard.ts).
 */
import { ALLOCATION_GRANULARITY, MEM_RELEASE, PAGE_GUARD, PAGE_READWRITE, PAGE_SHIFT, PAGE_SIZE } from "../abi/mm.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_NO_MEMORY,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { highestAddress, pageAlign } from "./addresses.ts";
import { chargeCommit, mayAddRegion } from "./commit.ts";
import { MmFreeVirtualMemory } from "./free.ts";
import type { MmProcess } from "./process.ts";
import { CHARGED, chargedPages, type PageRuns, RESERVED, Vad } from "./vad.ts";

/** `INITIAL_TEB`. */
export interface UserStack {
  /** Where the stack begins: its highest address, exclusive. */
  readonly base: number;
  /** The lowest committed address above the guard. */
  readonly limit: number;
  /** The lowest address of the region, which `DeallocationStack` names. */
  readonly allocation: number;
}

export interface StackSizes {
  /** Bytes; 0 takes the image's. */
  readonly reserve: number;
  /** Bytes; 0 takes the image's; "all" commits everything but the lowest pages, as some ntdlls rely on. */
  readonly commit: number | "all";
  readonly zeroBits?: number;
}

const DEFAULT_RESERVE = 0x100000;
const DEFAULT_COMMIT = PAGE_SIZE;
const STACK_PROTECTION = PAGE_READWRITE | CHARGED;
/** Pages of a wholly committed stack that count against the commit limit: 64 KiB. */
const CHARGED_STACK_PAGES = 16;

/** Makes a stack.
 * @returns PROCESS_IS_TERMINATING; NO_MEMORY: no room; COMMITMENT_LIMIT, PAGEFILE_QUOTA: no commit
 */
export function MmCreateUserStack(k: Kernel, process: MmProcess, sizes: StackSizes): NtResult<UserStack> {
  const space = process.addressSpace;
  if (space === null || space.deleted) return failure(STATUS_PROCESS_IS_TERMINATING);
  const { reserve, commit } = stackPages(process, sizes);
  const highest = highestAddress(sizes.zeroBits ?? 0);
  const allocation = space.findRoom(reserve * PAGE_SIZE, { highest, topDown: false });
  if (allocation === 0 || !mayAddRegion(k, space)) return failure(STATUS_NO_MEMORY);
  const startPage = allocation >>> PAGE_SHIFT;
  const endPage = startPage + reserve;
  const vad = new Vad({ startPage, endPage, protection: PAGE_READWRITE, runs: stackRuns(sizes, reserve, commit) });
  const charged = chargeCommit(k, process, space, chargedPages(vad, 0, reserve));
  if (charged !== STATUS_SUCCESS) return failure(charged);
  space.insert(vad);
  const base = endPage * PAGE_SIZE;
  return success({ base, limit: base - commit * PAGE_SIZE, allocation });
}

/** Frees the stack that `DeallocationStack` names. Any value may be there, so it fails softly.
 * @returns as MmFreeVirtualMemory
 */
export function MmFreeUserStack(k: Kernel, process: MmProcess, allocation: number): NtStatus {
  const freed = MmFreeVirtualMemory(k, process, { base: allocation, size: 0, freeType: MEM_RELEASE });
  return freed.ok ? STATUS_SUCCESS : freed.status;
}

/** Both sizes in pages. A stack that commits all it reserves gets a reserve of the next whole megabyte. */
function stackPages(process: MmProcess, sizes: StackSizes): { readonly reserve: number; readonly commit: number } {
  const image = process.sectionObject?.segment.image?.information;
  const wanted = sizes.reserve !== 0 ? sizes.reserve : (image?.stackReserve ?? DEFAULT_RESERVE);
  let reserve = roundUp(wanted === 0 ? DEFAULT_RESERVE : wanted, ALLOCATION_GRANULARITY);
  if (sizes.commit === "all") return { reserve: reserve / PAGE_SIZE, commit: reserve / PAGE_SIZE - 2 };
  const commit = pageAlign(sizes.commit !== 0 ? sizes.commit : (image?.stackCommit ?? DEFAULT_COMMIT));
  if (commit >= reserve) reserve = roundUp(commit + 1, DEFAULT_RESERVE);
  return { reserve: reserve / PAGE_SIZE, commit: Math.max(1, commit / PAGE_SIZE) };
}

function stackRuns(sizes: StackSizes, reserve: number, commit: number): PageRuns {
  const guard = reserve - commit - 1;
  const guardProtection = STACK_PROTECTION | PAGE_GUARD;
  // With a single page to spare, that page is the guard and the stack can't grow.
  if (guard === 0) return { ends: [1, reserve], values: [guardProtection, STACK_PROTECTION] };
  // A stack that is committed whole is hardly ever used whole: what lies deep is not charged before it is touched.
  if (sizes.commit === "all" && commit > CHARGED_STACK_PAGES) {
    const shallow = reserve - CHARGED_STACK_PAGES;
    const values = [RESERVED, guardProtection, PAGE_READWRITE, STACK_PROTECTION];
    return { ends: [guard, guard + 1, shallow, reserve], values };
  }
  return { ends: [guard, guard + 1, reserve], values: [RESERVED, guardProtection, STACK_PROTECTION] };
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
