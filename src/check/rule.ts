/**
 * What the checks of a running kernel have in common. A check follows the events of a run and looks at the kernel's state
 * between them; it changes nothing, so a run with checks is the run without them.
 */
import { ExMapHandleToPointer } from "../ex/handle.ts";
import type { Kernel } from "../kernel.ts";
import { EProcess, EThread } from "../ps/objects.ts";
import { listOwners } from "../rtl/list.ts";
import type { KernelEvent } from "../sim/record.ts";

/** A family of rules; each has a file of its own. */
export type RuleFamily =
  | "flags"
  | "counting"
  | "jobs"
  | "last-thread"
  | "signals"
  | "kill-apcs"
  | "termination-ports"
  | "references"
  | "remains"
  | "ids"
  | "user-mode"
  | "locks"
  | "pool";

/** Something that must never be so, and was. */
export interface Violation {
  readonly family: RuleFamily;
  readonly sentence: string;
}

export interface Check {
  /** Sees the events of a run in order. */
  see(event: KernelEvent): void;
}

/** Says that something is wrong unless the condition holds. */
export type Require = (condition: boolean, sentence: string) => void;

/** The thread with this id while it has an object. */
export function findThread(k: Kernel, tid: number): EThread | null {
  const object = ExMapHandleToPointer(k.ps.cidTable, tid)?.object;
  return object instanceof EThread ? object : null;
}

/** The process with this id while it has an object. */
export function findProcess(k: Kernel, pid: number): EProcess | null {
  const object = ExMapHandleToPointer(k.ps.cidTable, pid)?.object;
  return object instanceof EProcess ? object : null;
}

/** Processes that were created and are not being deleted. */
export function activeProcesses(k: Kernel): EProcess[] {
  return listOwners(k.ps.activeProcessHead);
}

export function threadsOf(process: EProcess): EThread[] {
  return listOwners(process.ethreadListHead);
}
