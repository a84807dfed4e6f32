/**
 * Page faults. Every page gets its frame here, at its first touch: zeros for private memory, the segment's page for a
 * view, a copy for the first write to a copied page.
 *
 * Invariant: after SUCCESS the access that faulted succeeds, or faults again for another reason; so a fault is never
 * answered twice in the same way.
 */
import { MM_USER_PROBE_ADDRESS, PAGE_GUARD, PAGE_SHIFT } from "../abi/mm.ts";
import type { GuestRam } from "../abi/processor.ts";
import {
  type NtStatus,
  STATUS_ACCESS_VIOLATION,
  STATUS_IN_PAGE_ERROR,
  STATUS_NO_MEMORY,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import type { AddressSpace } from "./space.ts";
import { allocateZeroedFrame } from "./frames.ts";
import { guardPageFault } from "./guard.ts";
import { forgetTranslation, frameOf, makePte, pteFor, PTE_PRESENT, PTE_PRIVATE, word } from "./pagetable.ts";
import type { MmProcess } from "./process.ts";
import { isReadable, isWritable, isWriteCopy } from "./protection.ts";
import { isCommitted, loadCopy, NO_FRAME, segmentFrame } from "./segment.ts";
import type { SectionView } from "./section.ts";
import { pageValue, PROTECTION, RESERVED, type Vad } from "./vad.ts";

/** What the processor says about a fault; bits 0 to 2 of its error code. */
export interface FaultAccess {
  readonly write: boolean;
  readonly user: boolean;
  /** The page was present, and the access was not allowed. */
  readonly present: boolean;
}

/** The three facts for each value of the error code's low three bits, so that a fault allocates nothing. */
export const FAULT_ACCESS: readonly FaultAccess[] = [0, 1, 2, 3, 4, 5, 6, 7].map((code) => ({
  present: (code & 1) !== 0,
  write: (code & 2) !== 0,
  user: (code & 4) !== 0,
}));

/** Resolves a fault in a process's address space.
 * @returns SUCCESS: try again; ACCESS_VIOLATION; GUARD_PAGE_VIOLATION, STACK_OVERFLOW: a guard page was touched, and is
 * none any more; IN_PAGE_ERROR: the file can't be read; NO_MEMORY: the machine has no frame left
 */
export function MmAccessFault(k: Kernel, process: MmProcess, address: number, access: FaultAccess): NtStatus {
  const { ram, statistics } = k.mm;
  const space = process.addressSpace;
  statistics.faults++;
  if (ram === null || space === null || space.deleted || address >= MM_USER_PROBE_ADDRESS) return violation(k);
  space.faults++;
  const vad = space.find(address);
  if (vad === null) return violation(k);
  const page = address >>> PAGE_SHIFT;
  const value = pageValue(vad, page - vad.startPage);
  if (value === RESERVED || !isViewPageCommitted(vad, page)) return violation(k);
  const protection = value & PROTECTION;
  if ((protection & PAGE_GUARD) !== 0) return guardPageFault(k, process, space, vad, page);
  if (!isReadable(protection)) return violation(k);
  if (access.write && !isWritable(protection) && !isWriteCopy(protection)) return violation(k);
  const index = makePte(k, ram, space, page);
  if (index < 0) return STATUS_NO_MEMORY;
  if ((word(ram.i32, index) & PTE_PRIVATE) !== 0) return refresh(k, ram, space, page, index, protection);
  if (vad.view === null) return demandZero(k, ram, index, protection);
  return resolveViewPage(k, ram, { space, vad, view: vad.view, page, index, protection, write: access.write });
}

function violation(k: Kernel): NtStatus {
  k.mm.statistics.accessViolations++;
  return STATUS_ACCESS_VIOLATION;
}

function isViewPageCommitted(vad: Vad, page: number): boolean {
  const { view } = vad;
  return view === null || isCommitted(view.segment, view.firstPage + page - vad.startPage);
}

/** The page has its own frame already: the processor had an older translation. */
function refresh(
  k: Kernel,
  ram: GuestRam,
  space: AddressSpace,
  page: number,
  index: number,
  protection: number,
): NtStatus {
  ram.i32[index] = pteFor(frameOf(word(ram.i32, index)), protection, "private");
  forgetTranslation(k, ram, space, page);
  return STATUS_SUCCESS;
}

function demandZero(k: Kernel, ram: GuestRam, index: number, protection: number): NtStatus {
  const present = (word(ram.i32, index) & PTE_PRESENT) !== 0;
  // Only the machine's own page is present without being private, and nobody may write to it.
  if (present) return STATUS_SUCCESS;
  const frame = allocateZeroedFrame(k, ram);
  if (frame === 0) return STATUS_NO_MEMORY;
  k.mm.statistics.demandZero++;
  ram.i32[index] = pteFor(frame, protection, "private");
  return STATUS_SUCCESS;
}

interface ViewPage {
  readonly space: AddressSpace;
  readonly vad: Vad;
  readonly view: SectionView;
  readonly page: number;
  readonly index: number;
  readonly protection: number;
  readonly write: boolean;
}

function resolveViewPage(k: Kernel, ram: GuestRam, at: ViewPage): NtStatus {
  const { view, vad, page, index, protection } = at;
  const segmentPage = view.firstPage + page - vad.startPage;
  const copy = at.write && isWriteCopy(protection);
  const load = copy ? loadCopy : segmentFrame;
  const frame = load(k, ram, view.segment, segmentPage);
  if (frame <= 0) return frame === NO_FRAME ? STATUS_NO_MEMORY : STATUS_IN_PAGE_ERROR;
  if (copy) k.mm.statistics.copyOnWrite++;
  else if (isWritable(protection) && view.segment.source !== null) view.segment.dirty.add(segmentPage);
  const wasPresent = word(ram.i32, index) !== 0;
  ram.i32[index] = pteFor(frame, protection, copy ? "private" : "shared");
  if (wasPresent) forgetTranslation(k, ram, at.space, page);
  return STATUS_SUCCESS;
}
