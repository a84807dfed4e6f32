/** Giving a process its address space. clean.ts takes it away. */
import { PAGE_NOACCESS, PAGE_READONLY, PAGE_SHIFT, PAGE_SIZE } from "../abi/mm.ts";
import { type NtStatus, STATUS_NO_MEMORY, STATUS_SUCCESS } from "../abi/status.ts";
import { KUserSharedData } from "../abi/teb.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { freeFrame } from "./frames.ts";
import { createDirectory, makePte, pteFor } from "./pagetable.ts";
import type { MmProcess } from "./process.ts";
import { AddressSpace } from "./space.ts";
import { RESERVED, Vad } from "./vad.ts";

/** Pages of the region that the shared page heads; the others only keep everybody away. */
const SHARED_REGION_PAGES = 16;

/** Gives a process an empty address space that shows nothing but the shared page.
 * @returns NO_MEMORY if there are no frames for it
 */
export function MmCreateProcessAddressSpace(k: Kernel, process: MmProcess): NtStatus {
  assert(process.addressSpace === null, "a process gets one address space");
  const { ram } = k.mm;
  const frame = ram === null ? 0 : createDirectory(k, ram);
  if (ram !== null && frame === 0) return STATUS_NO_MEMORY;
  const space = new AddressSpace(frame * PAGE_SIZE);
  insertSharedRegion(space);
  if (ram !== null) {
    const index = makePte(k, ram, space, KUserSharedData.Address >>> PAGE_SHIFT);
    if (index < 0) {
      freeFrame(k, ram, frame);
      return STATUS_NO_MEMORY;
    }
    assert(k.mm.sharedUserFrame !== 0, "MmInitSystem ran before the first process is made");
    ram.i32[index] = pteFor(k.mm.sharedUserFrame, PAGE_READONLY, "shared");
  }
  k.mm.addressSpaces.add(space);
  process.addressSpace = space;
  process.directoryTableBase = space.directory;
  return STATUS_SUCCESS;
}

function insertSharedRegion(space: AddressSpace): void {
  const startPage = KUserSharedData.Address >>> PAGE_SHIFT;
  const runs = { ends: [1, SHARED_REGION_PAGES], values: [PAGE_READONLY, RESERVED] };
  const endPage = startPage + SHARED_REGION_PAGES;
  space.insert(new Vad({ startPage, endPage, protection: PAGE_NOACCESS, noChange: true, runs }));
}
