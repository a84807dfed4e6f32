/**
 * Changing page protections (`NtProtectVirtualMemory`). A page is charged before it can become a private copy, so a
 * later write never fails for lack of commit.
 */
import { MM_HIGHEST_VAD_ADDRESS, PAGE_SHIFT, PAGE_SIZE } from "../abi/mm.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_INVALID_PAGE_PROTECTION,
  STATUS_INVALID_PARAMETER_2,
  STATUS_INVALID_PARAMETER_3,
  STATUS_NOT_COMMITTED,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SECTION_PROTECTION,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { chargeCommit } from "./commit.ts";
import { isSharedRange } from "./image.ts";
import { protectPages } from "./pagetable.ts";
import type { MmProcess } from "./process.ts";
import { asWriteCopy, isCompatibleWithSection, isValidProtection, isWriteCopy } from "./protection.ts";
import { pageStateAt, rangeIsCommitted } from "./query.ts";
import { CHARGED, forEachRun, PROTECTION, updateRange, type Vad } from "./vad.ts";
import type { Region } from "./virtual.ts";

export interface ProtectArguments {
  readonly base: number;
  readonly size: number;
  readonly protection: number;
}

export interface ProtectedRegion extends Region {
  /** The protection that the first page had. */
  readonly oldProtection: number;
}

/** Changes the protection of committed pages.
 * @returns INVALID_PARAMETER_2, 3, INVALID_PAGE_PROTECTION: the arguments, or the region may not be changed;
 * PROCESS_IS_TERMINATING; CONFLICTING_ADDRESSES: not one region; NOT_COMMITTED; SECTION_PROTECTION: the section allows
 * less; COMMITMENT_LIMIT, PAGEFILE_QUOTA: no commit for the copies
 */
export function MmProtectVirtualMemory(
  k: Kernel,
  process: MmProcess,
  args: ProtectArguments,
): NtResult<ProtectedRegion> {
  const illegal = checkArguments(args);
  if (illegal !== STATUS_SUCCESS) return failure(illegal);
  const space = process.addressSpace;
  if (space === null || space.deleted) return failure(STATUS_PROCESS_IS_TERMINATING);
  const startPage = args.base >>> PAGE_SHIFT;
  const endPage = Math.ceil((args.base + args.size) / PAGE_SIZE);
  const vad = space.find(args.base);
  if (vad === null || endPage > vad.endPage) return failure(STATUS_CONFLICTING_ADDRESSES);
  if (vad.noChange) return failure(STATUS_INVALID_PAGE_PROTECTION);
  const from = startPage - vad.startPage;
  const to = endPage - vad.startPage;
  if (!rangeIsCommitted(vad, from, to)) return failure(STATUS_NOT_COMMITTED);
  const protection = protectionForVad(vad, from, to, args.protection);
  if (!protection.ok) return protection;
  const oldProtection = pageStateAt(k, space, vad, from).protection;
  const charge = isWriteCopy(protection.value) ? unchargedPages(vad, from, to) : 0;
  const charged = chargeCommit(k, process, space, charge);
  if (charged !== STATUS_SUCCESS) return failure(charged);
  const flags = isWriteCopy(protection.value) ? CHARGED : 0;
  // What was charged once stays charged: a copied page keeps its frame whatever its protection becomes.
  updateRange(vad, from, to, (value) => (value & ~PROTECTION) | flags | protection.value);
  protectPages(k, space, startPage, endPage, protection.value);
  return success({ base: startPage * PAGE_SIZE, size: (endPage - startPage) * PAGE_SIZE, oldProtection });
}

function checkArguments(args: ProtectArguments): NtStatus {
  const { base, size, protection } = args;
  if (!isValidProtection(protection)) return STATUS_INVALID_PAGE_PROTECTION;
  if (base > MM_HIGHEST_VAD_ADDRESS) return STATUS_INVALID_PARAMETER_2;
  return size === 0 || size > MM_HIGHEST_VAD_ADDRESS + 1 - base ? STATUS_INVALID_PARAMETER_3 : STATUS_SUCCESS;
}

/** What the wanted protection means in this region. */
function protectionForVad(vad: Vad, from: number, to: number, wanted: number): NtResult<number> {
  if (vad.view === null) return isWriteCopy(wanted) ? failure(STATUS_INVALID_PAGE_PROTECTION) : success(wanted);
  // Writing to an image always means a copy, unless its author declared the pages shared.
  const { image } = vad.view.segment;
  if (image !== null) return success(isSharedRange(image, from, to) ? wanted : asWriteCopy(wanted));
  const allowed = isCompatibleWithSection(wanted, vad.view.section.protection);
  return allowed ? success(wanted) : failure(STATUS_SECTION_PROTECTION);
}

function unchargedPages(vad: Vad, from: number, to: number): number {
  let pages = 0;
  forEachRun(vad, from, to, (runFrom, runTo, value) => {
    if ((value & CHARGED) === 0) pages += runTo - runFrom;
  });
  return pages;
}
