/** Who runs now, as the process manager sees it. */
import type { Kernel } from "../kernel.ts";
import { KeGetCurrentThread } from "../ke/current.ts";
import { assert } from "../rtl/assert.ts";
import { EProcess, EThread } from "./objects.ts";

export function PsGetCurrentThread(k: Kernel): EThread {
  const thread = KeGetCurrentThread(k);
  assert(thread instanceof EThread, "every thread is the process manager's");
  return thread;
}

/** The process whose address space is current; differs from the home process while attached. */
export function PsGetCurrentProcess(k: Kernel): EProcess {
  const { process } = KeGetCurrentThread(k).apcState;
  assert(process instanceof EProcess, "every process is the process manager's");
  return process;
}
