/** What the seed's jobs, and those of its later versions, do wrong. Each may be switched on, to show what comes of it. */
import type { Kernel } from "../kernel.ts";

/** @erratum D43a no job hears that a member has gone, or that it was the last one */
export function endsSilently(k: Kernel): boolean {
  return k.sim.errata.has("D43a");
}

/** @erratum D43d a member that joined after its exit message was due is reported as born and never as gone */
export function forgetsLateMember(k: Kernel): boolean {
  return k.sim.errata.has("D43d");
}
