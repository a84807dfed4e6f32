/**
 * Processes as memory management sees them: an address space, which is there from creation until it is deleted, and
 * what the image of the program is.
 */
import { ObProcess } from "../ob/process.ts";
import type { AddressSpace } from "./space.ts";
import type { SectionObject } from "./section.ts";

export abstract class MmProcess extends ObProcess {
  /** Null before MmCreateProcessAddressSpace, after MmDeleteProcessAddressSpace, and in the System process. */
  addressSpace: AddressSpace | null = null;
  /** `PS_PROCESS_FLAGS_VM_DELETED`: the user half is gone for good. */
  vmDeleted = false;
  /** User address of the PEB, or 0. */
  peb = 0;
  /** The image the process was made from, referenced; the process manager lets go of it. */
  sectionObject: SectionObject | null = null;
  /** Where that image is mapped, or 0. */
  sectionBaseAddress = 0;
}
