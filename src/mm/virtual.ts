/**
 * Private memory: reserving and committing it (`NtAllocateVirtualMemory`). Freeing is in free.ts, protecting in
 * protect.ts, asking in query.ts. None of them touches user memory; the system service does.
 */
import {
  ALLOCATION_GRANULARITY,
  MEM_COMMIT,
  MEM_LARGE_PAGES,
  MEM_PHYSICAL,
  MEM_RESERVE,
  MEM_RESET,
  MEM_TOP_DOWN,
  MEM_WRITE_WATCH,
  MM_HIGHEST_VAD_ADDRESS,
  MM_LOWEST_USER_ADDRESS,
  PAGE_SHIFT,
  PAGE_SIZE,
  STATUS_ALREADY_COMMITTED,
} from "../abi/mm.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_COMMITMENT_LIMIT,
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PAGE_PROTECTION,
  STATUS_INVALID_PARAMETER_2,
  STATUS_INVALID_PARAMETER_3,
  STATUS_INVALID_PARAMETER_4,
  STATUS_INVALID_PARAMETER_5,
  STATUS_NO_MEMORY,
  STATUS_NOT_IMPLEMENTED,
  STATUS_PRIVILEGE_NOT_HELD,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { highestAddress, MAXIMUM_ZERO_BITS, pageAlign } from "./addresses.ts";
import type { AddressSpace } from "./space.ts";
import { chargeCommit, chargeMachineCommit, mayAddRegion } from "./commit.ts";
import { dropPages, protectPages } from "./pagetable.ts";
import type { MmProcess } from "./process.ts";
import { isValidProtection, isWriteCopy } from "./protection.ts";
import type { SectionView } from "./section.ts";
import { CHARGED, chargedPages, RESERVED, setRange, Vad } from "./vad.ts";

export interface AllocateArguments {
  /** 0 lets the kernel choose. */
  readonly base: number;
  readonly zeroBits: number;
  readonly size: number;
  /** `MEM_*`. */
  readonly allocationType: number;
  readonly protection: number;
}

/** The pages that a call has dealt with. */
export interface Region {
  readonly base: number;
  readonly size: number;
}

const LEGAL_TYPES =
  MEM_COMMIT | MEM_RESERVE | MEM_RESET | MEM_TOP_DOWN | MEM_WRITE_WATCH | MEM_PHYSICAL | MEM_LARGE_PAGES;

/** Reserves, commits, or both; or declares the content of pages worthless.
 * @returns INVALID_PARAMETER_2..5, INVALID_PAGE_PROTECTION: the arguments; PRIVILEGE_NOT_HELD: large pages;
 * NOT_IMPLEMENTED: write watching and physical mappings; PROCESS_IS_TERMINATING; CONFLICTING_ADDRESSES,
 * ALREADY_COMMITTED: something else is there; NO_MEMORY, INSUFFICIENT_RESOURCES: no room; COMMITMENT_LIMIT,
 * PAGEFILE_QUOTA: no commit
 */
export function MmAllocateVirtualMemory(k: Kernel, process: MmProcess, args: AllocateArguments): NtResult<Region> {
  const illegal = checkArguments(args);
  if (illegal !== STATUS_SUCCESS) return failure(illegal);
  const space = process.addressSpace;
  if (space === null || space.deleted) return failure(STATUS_PROCESS_IS_TERMINATING);
  const { base, allocationType } = args;
  if ((allocationType & MEM_RESET) !== 0) return resetPages(k, space, args);
  if (base === 0 || (allocationType & MEM_RESERVE) !== 0) return reserve(k, process, space, args);
  return commitExisting(k, process, space, args);
}

function checkArguments(args: AllocateArguments): NtStatus {
  const { base, zeroBits, size, allocationType: type, protection } = args;
  if (zeroBits > MAXIMUM_ZERO_BITS) return STATUS_INVALID_PARAMETER_3;
  const action = type & (MEM_COMMIT | MEM_RESERVE | MEM_RESET);
  if ((type & ~LEGAL_TYPES) !== 0 || action === 0) return STATUS_INVALID_PARAMETER_5;
  if (action >= MEM_RESET && type !== MEM_RESET) return STATUS_INVALID_PARAMETER_5;
  if ((type & (MEM_WRITE_WATCH | MEM_PHYSICAL)) !== 0 && (type & MEM_RESERVE) === 0) return STATUS_INVALID_PARAMETER_5;
  if (!isValidProtection(protection)) return STATUS_INVALID_PAGE_PROTECTION;
  if (base > MM_HIGHEST_VAD_ADDRESS) return STATUS_INVALID_PARAMETER_2;
  if (size === 0 || size > MM_HIGHEST_VAD_ADDRESS + 1 - base) return STATUS_INVALID_PARAMETER_4;
  if ((type & MEM_LARGE_PAGES) !== 0) return STATUS_PRIVILEGE_NOT_HELD;
  return (type & (MEM_WRITE_WATCH | MEM_PHYSICAL)) !== 0 ? STATUS_NOT_IMPLEMENTED : STATUS_SUCCESS;
}

function reserve(k: Kernel, process: MmProcess, space: AddressSpace, args: AllocateArguments): NtResult<Region> {
  const { allocationType, protection } = args;
  // A private page has nothing to be copied from.
  if (isWriteCopy(protection)) return failure(STATUS_INVALID_PAGE_PROTECTION);
  const region = args.base === 0 ? findRoom(space, args) : takeRoom(space, args);
  if (!region.ok) return region;
  const { base, size } = region.value;
  if (!mayAddRegion(k, space)) return failure(STATUS_INSUFFICIENT_RESOURCES);
  const pages = size / PAGE_SIZE;
  const commit = (allocationType & MEM_COMMIT) !== 0;
  const charged = commit ? chargeCommit(k, process, space, pages) : STATUS_SUCCESS;
  if (charged !== STATUS_SUCCESS) return failure(charged);
  const startPage = base >>> PAGE_SHIFT;
  const value = commit ? protection | CHARGED : RESERVED;
  space.insert(new Vad({ startPage, endPage: startPage + pages, protection, value }));
  return region;
}

function findRoom(space: AddressSpace, args: AllocateArguments): NtResult<Region> {
  const size = pageAlign(args.size);
  const topDown = (args.allocationType & MEM_TOP_DOWN) !== 0;
  const base = space.findRoom(size, { highest: highestAddress(args.zeroBits), topDown });
  return base === 0 ? failure(STATUS_NO_MEMORY) : success({ base, size });
}

/** The region that the caller asked for starts at the 64 KiB boundary below. */
function takeRoom(space: AddressSpace, args: AllocateArguments): NtResult<Region> {
  const base = args.base - (args.base % ALLOCATION_GRANULARITY);
  if (base < MM_LOWEST_USER_ADDRESS) return failure(STATUS_INVALID_PARAMETER_2);
  const end = pageAlign(args.base + args.size);
  if (end - 1 > highestAddress(args.zeroBits)) return failure(STATUS_INVALID_PARAMETER_3);
  if (!space.isFree(base >>> PAGE_SHIFT, end >>> PAGE_SHIFT)) return failure(STATUS_CONFLICTING_ADDRESSES);
  return success({ base, size: end - base });
}

/** Commits pages of one region; pages that are committed already take the new protection. */
function commitExisting(k: Kernel, process: MmProcess, space: AddressSpace, args: AllocateArguments): NtResult<Region> {
  const found = findPages(space, args);
  if (!found.ok) return found;
  const { vad, from, to, region } = found.value;
  if (vad.noChange) return failure(STATUS_INVALID_PAGE_PROTECTION);
  if (vad.view !== null) {
    const status = commitView(k, vad.view, from, to);
    return status === STATUS_SUCCESS ? success(region) : failure(status);
  }
  const { protection } = args;
  if (isWriteCopy(protection)) return failure(STATUS_INVALID_PAGE_PROTECTION);
  const pages = to - from - chargedPages(vad, from, to);
  const charged = chargeCommit(k, process, space, pages);
  if (charged !== STATUS_SUCCESS) return failure(charged);
  setRange(vad, from, to, protection | CHARGED);
  protectPages(k, space, vad.startPage + from, vad.startPage + to, protection);
  return success(region);
}

/** Commits pages of a SEC_RESERVE section, for everybody who maps it. Any other view is committed by nature. */
function commitView(k: Kernel, view: SectionView, from: number, to: number): NtStatus {
  const { segment } = view;
  const { committed } = segment;
  if (committed === null) return STATUS_ALREADY_COMMITTED;
  const first = view.firstPage + from;
  const end = view.firstPage + to;
  const pages = uncommittedPages(committed, first, end);
  if (!chargeMachineCommit(k, pages)) return STATUS_COMMITMENT_LIMIT;
  segment.chargedPages += pages;
  for (let page = first; page < end; page++) committed.add(page);
  return STATUS_SUCCESS;
}

function uncommittedPages(committed: ReadonlySet<number>, first: number, end: number): number {
  let pages = 0;
  for (let page = first; page < end; page++) if (!committed.has(page)) pages++;
  return pages;
}

/**
 * Gives up the content of private pages; they read as zero when they are touched next.
 * @deviates NT keeps the content until it needs the frames, which a program must not rely on either.
 */
function resetPages(k: Kernel, space: AddressSpace, args: AllocateArguments): NtResult<Region> {
  const found = findPages(space, args);
  if (!found.ok) return found;
  const { vad, from, to, region } = found.value;
  if (vad.noChange) return failure(STATUS_INVALID_PAGE_PROTECTION);
  if (vad.view !== null) return failure(STATUS_CONFLICTING_ADDRESSES);
  dropPages(k, space, vad.startPage + from, vad.startPage + to);
  return success(region);
}

interface PagesOfVad {
  readonly vad: Vad;
  /** Relative to the region. */
  readonly from: number;
  readonly to: number;
  readonly region: Region;
}

/** The pages that the arguments cover, if one region holds them all. */
function findPages(space: AddressSpace, args: AllocateArguments): NtResult<PagesOfVad> {
  const base = args.base - (args.base % PAGE_SIZE);
  const end = pageAlign(args.base + args.size);
  const vad = space.find(base);
  if (vad === null || end > vad.endPage * PAGE_SIZE) return failure(STATUS_CONFLICTING_ADDRESSES);
  const from = (base >>> PAGE_SHIFT) - vad.startPage;
  const to = end / PAGE_SIZE - vad.startPage;
  return success({ vad, from, to, region: { base, size: end - base } });
}
