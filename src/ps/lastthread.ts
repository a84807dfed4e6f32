/** Whether a thread is the last one of its process: who ends it ends the process, and should shut it down first. */
import type { Kernel } from "../kernel.ts";
import { listOwners } from "../rtl/list.ts";
import type { EThread } from "./objects.ts";

/** `ThreadAmILastThread`: threads that have exited do not count, though somebody may keep their objects. */
export function isLastThread(k: Kernel, thread: EThread): boolean {
  const process = thread.threadsProcess;
  return k.sim.errata.has("D41") ? isOnlyInList(thread) : process.activeThreads === 1;
}

/** @erratum D41 counts the objects in the list of threads, among them those of threads that have exited */
function isOnlyInList(thread: EThread): boolean {
  return listOwners(thread.threadsProcess.ethreadListHead).length === 1;
}
