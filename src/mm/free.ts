/**
 * Decommitting and releasing private memory (`NtFreeVirtualMemory`). Every page that goes gives back exactly the commit
 * that was charged for it, and what is left of a region is regions of its own.
 */
import {
  MEM_DECOMMIT,
  MEM_RELEASE,
  MM_HIGHEST_VAD_ADDRESS,
  PAGE_SHIFT,
  PAGE_SIZE,
  STATUS_UNABLE_TO_DELETE_SECTION,
} from "../abi/mm.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_FREE_VM_NOT_AT_BASE,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PAGE_PROTECTION,
  STATUS_INVALID_PARAMETER_2,
  STATUS_INVALID_PARAMETER_3,
  STATUS_INVALID_PARAMETER_4,
  STATUS_MEMORY_NOT_ALLOCATED,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  STATUS_UNABLE_TO_FREE_VM,
  success,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import type { AddressSpace } from "./space.ts";
import { mayAddRegion, returnCommit } from "./commit.ts";
import { dropPages } from "./pagetable.ts";
import type { MmProcess } from "./process.ts";
import { chargedPages, copyRuns, RESERVED, setRange, Vad } from "./vad.ts";
import type { Region } from "./virtual.ts";

export interface FreeArguments {
  readonly base: number;
  /** 0: the whole region, of which `base` must be the start. */
  readonly size: number;
  /** MEM_DECOMMIT or MEM_RELEASE. */
  readonly freeType: number;
}

/** Frees pages. Releasing a part of a region leaves the rest, as one region or two.
 * @returns INVALID_PARAMETER_2..4: the arguments; PROCESS_IS_TERMINATING; MEMORY_NOT_ALLOCATED, UNABLE_TO_FREE_VM: the
 * range is in no region, or in more than one; FREE_VM_NOT_AT_BASE: size 0 and not the start; UNABLE_TO_DELETE_SECTION:
 * it is a view; INVALID_PAGE_PROTECTION: it may not be freed; INSUFFICIENT_RESOURCES: no room for what is left
 */
export function MmFreeVirtualMemory(k: Kernel, process: MmProcess, args: FreeArguments): NtResult<Region> {
  const illegal = checkArguments(args);
  if (illegal !== STATUS_SUCCESS) return failure(illegal);
  const space = process.addressSpace;
  if (space === null || space.deleted) return failure(STATUS_PROCESS_IS_TERMINATING);
  const vad = space.find(args.base);
  if (vad === null) return failure(STATUS_MEMORY_NOT_ALLOCATED);
  const startPage = args.base >>> PAGE_SHIFT;
  const endPage = args.size === 0 ? vad.endPage : Math.ceil((args.base + args.size) / PAGE_SIZE);
  if (endPage > vad.endPage) return failure(STATUS_UNABLE_TO_FREE_VM);
  if (args.size === 0 && startPage !== vad.startPage) return failure(STATUS_FREE_VM_NOT_AT_BASE);
  if (vad.noChange) return failure(STATUS_INVALID_PAGE_PROTECTION);
  if (vad.view !== null) return failure(STATUS_UNABLE_TO_DELETE_SECTION);
  const splits = args.freeType === MEM_RELEASE && startPage > vad.startPage && endPage < vad.endPage;
  if (splits && !mayAddRegion(k, space)) return failure(STATUS_INSUFFICIENT_RESOURCES);
  if (args.freeType === MEM_DECOMMIT) decommit(k, process, space, vad, startPage, endPage);
  else release(k, process, space, vad, startPage, endPage);
  return success({ base: startPage * PAGE_SIZE, size: (endPage - startPage) * PAGE_SIZE });
}

function checkArguments(args: FreeArguments): NtStatus {
  if (args.freeType !== MEM_DECOMMIT && args.freeType !== MEM_RELEASE) return STATUS_INVALID_PARAMETER_4;
  if (args.base > MM_HIGHEST_VAD_ADDRESS) return STATUS_INVALID_PARAMETER_2;
  return args.size > MM_HIGHEST_VAD_ADDRESS + 1 - args.base ? STATUS_INVALID_PARAMETER_3 : STATUS_SUCCESS;
}

function decommit(
  k: Kernel,
  process: MmProcess,
  space: AddressSpace,
  vad: Vad,
  startPage: number,
  endPage: number,
): void {
  const from = startPage - vad.startPage;
  const to = endPage - vad.startPage;
  dropPages(k, space, startPage, endPage);
  returnCommit(k, process, space, chargedPages(vad, from, to));
  setRange(vad, from, to, RESERVED);
}

/** Takes the pages out of the region; what is left of it becomes regions of their own. */
export function release(
  k: Kernel,
  process: MmProcess,
  space: AddressSpace,
  vad: Vad,
  startPage: number,
  endPage: number,
): void {
  dropPages(k, space, startPage, endPage);
  returnCommit(k, process, space, chargedPages(vad, startPage - vad.startPage, endPage - vad.startPage));
  space.remove(vad);
  if (startPage > vad.startPage) space.insert(partOf(vad, vad.startPage, startPage));
  if (endPage < vad.endPage) space.insert(partOf(vad, endPage, vad.endPage));
}

function partOf(vad: Vad, startPage: number, endPage: number): Vad {
  const runs = copyRuns(vad, startPage - vad.startPage, endPage - vad.startPage);
  return new Vad({ startPage, endPage, protection: vad.initialProtection, runs });
}
