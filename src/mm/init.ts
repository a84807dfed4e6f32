/**
 * Booting memory management: the section type, the shared page, and the accessor of user memory that everybody uses. It
 * needs object types, and runs before the first process is made.
 */
import type { NtStatus } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { createSectionType } from "./section.ts";
import { createSharedUserData, type SharedDataOptions } from "./shareddata.ts";
import { UserMemory } from "./usermemory.ts";

/** Once, after the object manager and before the first process.
 * @returns NO_MEMORY if the machine's memory is too small for a single page
 */
export function MmInitSystem(k: Kernel, options: SharedDataOptions = {}): NtStatus {
  k.mm.user = new UserMemory(k);
  createSectionType(k);
  return createSharedUserData(k, options);
}
