/**
 * The end of an address space: it is emptied when the process has ended, and deleted with the process object. In between
 * the kernel may still run in it; user addresses fault.
 *
 * Invariant: it is emptied once. Nothing can be mapped into it from the moment the emptying begins.
 */
import { PAGE_SHIFT } from "../abi/mm.ts";
import type { Kernel } from "../kernel.ts";
import { dropReference, ObDereferenceObject } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";

import { returnCommit } from "./commit.ts";
import { freeFrame } from "./frames.ts";
import { dropUserHalf } from "./pagetable.ts";
import type { MmProcess } from "./process.ts";
import type { SectionObject } from "./section.ts";
import type { AddressSpace } from "./space.ts";

/**
 * Empties the user half: views, private memory, page tables. A second call does nothing.
 * @irql PASSIVE_LEVEL, since the last reference on a section may run delete procedures
 */
export function* MmCleanProcessAddressSpace(k: Kernel, process: MmProcess): Blocking<void> {
  if (process.vmDeleted) return;
  process.vmDeleted = true;
  const space = process.addressSpace;
  if (space === null) return;
  space.deleted = true;
  for (const section of emptySpace(k, process, space)) {
    if (!dropReference(section)) yield* ObDereferenceObject(k, section);
  }
}

/** Frees what is left of the address space. Nobody runs in it or is attached to it any more. */
export function* MmDeleteProcessAddressSpace(k: Kernel, process: MmProcess): Blocking<void> {
  yield* MmCleanProcessAddressSpace(k, process);
  const space = process.addressSpace;
  if (space === null) return;
  const { ram } = k.mm;
  if (ram !== null) {
    // The directory's frame may become another process's directory: no translation of it may pass for a new one.
    if (k.mm.loadedDirectory === space.directory) k.mm.loadedDirectory = 0;
    freeFrame(k, ram, space.directory >>> PAGE_SHIFT);
  }
  k.mm.addressSpaces.delete(space);
  process.addressSpace = null;
  process.directoryTableBase = 0;
}

/** @returns the sections whose views were here, one for each view */
function emptySpace(k: Kernel, process: MmProcess, space: AddressSpace): SectionObject[] {
  dropUserHalf(k, space);
  returnCommit(k, process, space, space.committedPages);
  const sections: SectionObject[] = [];
  for (const vad of space.vads) if (vad.view !== null) sections.push(vad.view.section);
  space.vads.length = 0;
  space.lastVad = null;
  space.virtualBytes = 0;
  return sections;
}
