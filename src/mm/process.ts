/**
 * Processes as memory management sees them: an address space, which is there from creation until it is deleted, and
 * what the image of the program is.
 */
import type { Kernel } from "../kernel.ts";
import { ObProcess } from "../ob/process.ts";
import type { AddressSpace } from "./space.ts";
import type { SectionObject } from "./section.ts";

/** Who else bounds and counts what a process commits. */
export interface CommitLimiter {
  /** The process is about to commit pages more. @returns false, with nothing counted, if it may not */
  readonly charge: (k: Kernel, process: MmProcess, pages: number) => boolean;
  /** The process has given pages back. */
  readonly release: (process: MmProcess, pages: number) => void;
}

export abstract class MmProcess extends ObProcess {
  /** Null before MmCreateProcessAddressSpace, after MmDeleteProcessAddressSpace, and in the System process. */
  addressSpace: AddressSpace | null = null;
  /** `PS_PROCESS_FLAGS_VM_DELETED`: the user half is gone for good. */
  vmDeleted = false;
  /** Set while the process is in a job. */
  commitLimiter: CommitLimiter | null = null;
  /** User address of the PEB, or 0. */
  peb = 0;
  /** The image the process was made from, referenced; the process manager lets go of it. */
  sectionObject: SectionObject | null = null;
  /** Where that image is mapped, or 0. */
  sectionBaseAddress = 0;
}
