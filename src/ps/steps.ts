/**
 * Names the steps of the termination routines in the record as they are reached: `E1` to `E47` and the rest, as
 * `docs/steps.md` lists them. Step coverage is a view of these events.
 */
import type { Kernel } from "../kernel.ts";
import { trace } from "../sim/record.ts";
import type { EThread } from "./objects.ts";

/** The current thread has reached `step`. */
export function step(k: Kernel, name: string): void {
  if (k.sim.trace === null) return;
  const thread = k.ke.currentThread as EThread | null;
  trace(k, { kind: "step", step: name, pid: thread?.threadsProcess.pid ?? 0, tid: thread?.tid ?? 0 });
}
