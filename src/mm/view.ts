/**
 * Views: mapping a section into a process and taking it away again (`NtMapViewOfSection`, `NtUnmapViewOfSection`).
 *
 * Invariant: a view holds one reference on its section from the moment its region exists until it has been removed.
 */
import {
  ALLOCATION_GRANULARITY,
  MEM_DOS_LIM,
  MEM_IMAGE,
  MEM_MAPPED,
  MEM_RESERVE,
  MEM_TOP_DOWN,
  MM_HIGHEST_VAD_ADDRESS,
  MM_LOWEST_USER_ADDRESS,
  PAGE_EXECUTE_WRITECOPY,
  PAGE_SHIFT,
  PAGE_SIZE,
  STATUS_INVALID_PARAMETER_8,
  STATUS_INVALID_PARAMETER_9,
  STATUS_MAPPED_ALIGNMENT,
  ViewShare,
  ViewUnmap,
} from "../abi/mm.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_IMAGE_NOT_AT_BASE,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PAGE_PROTECTION,
  STATUS_INVALID_PARAMETER_3,
  STATUS_INVALID_PARAMETER_4,
  STATUS_INVALID_VIEW_SIZE,
  STATUS_NO_MEMORY,
  STATUS_NOT_MAPPED_VIEW,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SECTION_PROTECTION,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import { emit } from "../sim/record.ts";
import { highestAddress, MAXIMUM_ZERO_BITS, pageAlign } from "./addresses.ts";
import type { AddressSpace } from "./space.ts";
import { chargeCommit, mayAddRegion, returnCommit } from "./commit.ts";
import type { SharedImage } from "./image.ts";
import { dropPages } from "./pagetable.ts";
import type { MmProcess } from "./process.ts";
import { isCompatibleWithSection, isValidProtection, isWriteCopy } from "./protection.ts";
import type { SectionObject } from "./section.ts";
import { CHARGED, chargedPages, Vad, type VadInit } from "./vad.ts";

export interface MapViewArguments {
  /** Where to map it; 0 lets the kernel choose. */
  readonly base: number;
  readonly zeroBits: number;
  /** Offset in the section: a multiple of 64 KiB. */
  readonly offset: number;
  /** 0: to the end of the section. */
  readonly viewSize: number;
  readonly inheritDisposition: number;
  readonly allocationType: number;
  readonly protection: number;
}

export interface MappedView {
  readonly base: number;
  readonly size: number;
  /** SUCCESS, or IMAGE_NOT_AT_BASE: the loader has to relocate the image. */
  readonly status: NtStatus;
}

const LEGAL_TYPES = MEM_DOS_LIM | MEM_TOP_DOWN | MEM_RESERVE;

/** Maps a section. The caller has checked that its handle grants what the protection needs.
 * @returns INVALID_PARAMETER_n, INVALID_PAGE_PROTECTION, MAPPED_ALIGNMENT, INVALID_VIEW_SIZE: the arguments;
 * SECTION_PROTECTION: the section allows less; PROCESS_IS_TERMINATING; CONFLICTING_ADDRESSES, NO_MEMORY,
 * INSUFFICIENT_RESOURCES: no room;
 * COMMITMENT_LIMIT, PAGEFILE_QUOTA: no commit
 */
export function MmMapViewOfSection(
  k: Kernel,
  process: MmProcess,
  section: SectionObject,
  args: MapViewArguments,
): NtResult<MappedView> {
  const illegal = checkArguments(args);
  if (illegal !== STATUS_SUCCESS) return failure(illegal);
  const space = process.addressSpace;
  if (space === null || space.deleted) return failure(STATUS_PROCESS_IS_TERMINATING);
  const { image } = section.segment;
  if (image === null) return mapData(k, process, space, section, args);
  const mapped = mapImage(k, process, space, section, args, image);
  if (mapped.ok) {
    const { base, size } = mapped.value;
    emit(k, { kind: "image-mapped", pid: process.pid, base, size, name: section.fileName });
  }
  return mapped;
}

/** Removes the view that `address` lies in.
 * @returns NOT_MAPPED_VIEW: there is none; INVALID_PAGE_PROTECTION: it may not be removed; PROCESS_IS_TERMINATING
 */
export function* MmUnmapViewOfSection(k: Kernel, process: MmProcess, address: number): Blocking<NtStatus> {
  const space = process.addressSpace;
  if (space === null || space.deleted) return STATUS_PROCESS_IS_TERMINATING;
  if (address > MM_HIGHEST_VAD_ADDRESS) return STATUS_NOT_MAPPED_VIEW;
  const vad = space.find(address);
  if (vad === null || vad.view === null) return STATUS_NOT_MAPPED_VIEW;
  if (vad.noChange) return STATUS_INVALID_PAGE_PROTECTION;
  const { section, segment } = vad.view;
  if (segment.image !== null) emit(k, { kind: "image-unmapped", pid: process.pid, base: vad.startPage * PAGE_SIZE });
  removeVad(k, process, space, vad);
  // The last reference may run the section's delete procedure, and that of its file.
  yield* ObDereferenceObject(k, section);
  return STATUS_SUCCESS;
}

/** Takes a whole region away. The caller lets go of the section, if it was a view. */
function removeVad(k: Kernel, process: MmProcess, space: AddressSpace, vad: Vad): void {
  dropPages(k, space, vad.startPage, vad.endPage);
  returnCommit(k, process, space, chargedPages(vad, 0, vad.pageCount));
  space.remove(vad);
}

function checkArguments(args: MapViewArguments): NtStatus {
  const { base, zeroBits, protection, offset, viewSize } = args;
  if (args.inheritDisposition !== ViewShare && args.inheritDisposition !== ViewUnmap) return STATUS_INVALID_PARAMETER_8;
  if ((args.allocationType & ~LEGAL_TYPES) !== 0) return STATUS_INVALID_PARAMETER_9;
  if (!isValidProtection(protection)) return STATUS_INVALID_PAGE_PROTECTION;
  if (zeroBits > MAXIMUM_ZERO_BITS) return STATUS_INVALID_PARAMETER_4;
  if (base > MM_HIGHEST_VAD_ADDRESS) return STATUS_INVALID_PARAMETER_3;
  if (viewSize > MM_HIGHEST_VAD_ADDRESS + 1 - base) return STATUS_INVALID_PARAMETER_3;
  if (base !== 0 && base + viewSize - 1 > highestAddress(zeroBits)) return STATUS_INVALID_PARAMETER_4;
  const aligned = base % ALLOCATION_GRANULARITY === 0 && offset % ALLOCATION_GRANULARITY === 0;
  return aligned ? STATUS_SUCCESS : STATUS_MAPPED_ALIGNMENT;
}

function mapData(
  k: Kernel,
  process: MmProcess,
  space: AddressSpace,
  section: SectionObject,
  args: MapViewArguments,
): NtResult<MappedView> {
  const { offset, protection } = args;
  if (!isCompatibleWithSection(protection, section.protection)) return failure(STATUS_SECTION_PROTECTION);
  if (offset >= section.sizeBytes) return failure(STATUS_INVALID_VIEW_SIZE);
  const rest = section.sizeBytes - offset;
  const bytes = args.viewSize === 0 ? rest : args.viewSize;
  if (bytes > pageAlign(rest)) return failure(STATUS_INVALID_VIEW_SIZE);
  const base = placeView(space, args, bytes);
  if (!base.ok) return base;
  const startPage = base.value >>> PAGE_SHIFT;
  const pageCount = pageAlign(bytes) >>> PAGE_SHIFT;
  const value = isWriteCopy(protection) ? protection | CHARGED : protection;
  const view = { section, segment: section.segment, firstPage: offset / PAGE_SIZE };
  const vad = { startPage, endPage: startPage + pageCount, protection, type: MEM_MAPPED, view, value };
  return insertView(k, process, space, vad, STATUS_SUCCESS);
}

function mapImage(
  k: Kernel,
  process: MmProcess,
  space: AddressSpace,
  section: SectionObject,
  args: MapViewArguments,
  image: SharedImage,
): NtResult<MappedView> {
  const firstPage = args.offset / PAGE_SIZE;
  if (firstPage !== 0) return failure(STATUS_INVALID_VIEW_SIZE);
  if (args.viewSize > image.pageCount * PAGE_SIZE) return failure(STATUS_INVALID_VIEW_SIZE);
  const base = placeImage(space, args, image);
  if (!base.ok) return base;
  const startPage = base.value >>> PAGE_SHIFT;
  const view = { section, segment: section.segment, firstPage };
  const runs = { ends: image.runs.ends.slice(), values: image.runs.values.slice() };
  const endPage = startPage + image.pageCount;
  const vad = { startPage, endPage, protection: PAGE_EXECUTE_WRITECOPY, type: MEM_IMAGE, view, runs };
  return insertView(k, process, space, vad, base.value === image.base ? STATUS_SUCCESS : STATUS_IMAGE_NOT_AT_BASE);
}

/** An image goes to its own base if that is free and nobody asked for another place. */
function placeImage(space: AddressSpace, args: MapViewArguments, image: SharedImage): NtResult<number> {
  const bytes = image.pageCount * PAGE_SIZE;
  const highest = highestAddress(args.zeroBits);
  const { base } = image;
  const wanted = base >= MM_LOWEST_USER_ADDRESS && base % ALLOCATION_GRANULARITY === 0 && base + bytes - 1 <= highest;
  if (args.base === 0 && wanted) {
    const startPage = base >>> PAGE_SHIFT;
    if (space.isFree(startPage, startPage + image.pageCount)) return success(base);
  }
  return placeView(space, args, bytes);
}

function placeView(space: AddressSpace, args: MapViewArguments, bytes: number): NtResult<number> {
  const { base, allocationType } = args;
  const size = pageAlign(bytes);
  if (base === 0) {
    const options = { highest: highestAddress(args.zeroBits), topDown: (allocationType & MEM_TOP_DOWN) !== 0 };
    const found = space.findRoom(size, options);
    return found === 0 ? failure(STATUS_NO_MEMORY) : success(found);
  }
  const startPage = base >>> PAGE_SHIFT;
  if (base + size - 1 > MM_HIGHEST_VAD_ADDRESS) return failure(STATUS_CONFLICTING_ADDRESSES);
  if (!space.isFree(startPage, startPage + (size >>> PAGE_SHIFT))) return failure(STATUS_CONFLICTING_ADDRESSES);
  return success(base);
}

function insertView(
  k: Kernel,
  process: MmProcess,
  space: AddressSpace,
  init: VadInit & { readonly view: NonNullable<VadInit["view"]> },
  status: NtStatus,
): NtResult<MappedView> {
  if (!mayAddRegion(k, space)) return failure(STATUS_INSUFFICIENT_RESOURCES);
  const vad = new Vad(init);
  const charged = chargeCommit(k, process, space, chargedPages(vad, 0, vad.pageCount));
  if (charged !== STATUS_SUCCESS) return failure(charged);
  ObReferenceObject(init.view.section);
  space.insert(vad);
  return success({ base: vad.startPage * PAGE_SIZE, size: vad.pageCount * PAGE_SIZE, status });
}
