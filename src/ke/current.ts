/** Who runs now: the current thread of the current processor, its process, and its previous mode. */
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { KProcess, KThread } from "./objects.ts";

export function KeGetCurrentThread(k: Kernel): KThread {
  const thread = k.ke.currentThread;
  assert(thread !== null, "kernel code runs on some thread");
  return thread;
}

/** The process whose address space is current: the attached one while attached. */
export function KeGetCurrentProcess(k: Kernel): KProcess {
  return KeGetCurrentThread(k).apcState.process;
}

/** Previous mode of the current thread. */
export function KeGetPreviousMode(k: Kernel): 0 | 1 {
  return KeGetCurrentThread(k).previousMode;
}
