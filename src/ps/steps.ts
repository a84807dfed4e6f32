/**
 * Names the steps of the termination routines in the record as they are reached: `E1` to `E47` and the rest, as
 * `steptable.ts` lists them. A step that a routine goes on without is named too, with the reason. Step coverage is a
 * view of these events.
 */
import type { Kernel } from "../kernel.ts";
import { trace } from "../sim/record.ts";
import type { EThread } from "./objects.ts";
import type { BranchedStep, BranchOf, PlainStep, SkippableStep, SkipOf, StepId } from "./steptable.ts";

/** The current thread has reached a step, and which way it goes from there. */
export function step(k: Kernel, id: PlainStep): void;
export function step<Id extends BranchedStep>(k: Kernel, id: Id, branch: BranchOf<Id>): void;
export function step(k: Kernel, id: StepId, branch: string | null = null): void {
  if (k.sim.trace === null) return;
  const thread = k.ke.currentThread as EThread | null;
  const pid = thread?.threadsProcess.pid ?? 0;
  const tid = thread?.tid ?? 0;
  trace(k, branch === null ? { kind: "step", step: id, pid, tid } : { kind: "step", step: id, branch, pid, tid });
}

/** The current thread goes on without a step, because nothing calls for it. */
export function skip<Id extends SkippableStep>(k: Kernel, id: Id, reason: SkipOf<Id>): void {
  if (k.sim.trace === null) return;
  const thread = k.ke.currentThread as EThread | null;
  const pid = thread?.threadsProcess.pid ?? 0;
  trace(k, { kind: "step-skipped", step: id, reason, pid, tid: thread?.tid ?? 0 });
}
