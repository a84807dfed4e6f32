/**
 * Switching address spaces: the processor's page directory is always the one of the process that the current thread is
 * attached to, or of an earlier one if that process has no user memory.
 */
import type { KThread } from "../ke/objects.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";

/** Loads the address space that the thread runs in, if it is not loaded. The dispatcher's `swapAddressSpace`. */
export function swapAddressSpace(k: Kernel, thread: KThread): void {
  const { directoryTableBase } = thread.apcState.process;
  // A process without user memory runs in whatever is loaded: it never goes to user mode.
  if (directoryTableBase === 0 || directoryTableBase === k.mm.loadedDirectory) return;
  const { ram } = k.mm;
  assert(ram !== null, "only a machine with memory has page directories");
  k.mm.loadedDirectory = directoryTableBase;
  ram.setPageDirectory(directoryTableBase);
}
