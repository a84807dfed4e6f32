/** What the seed's calls do wrong. It may be switched on, to show what comes of it. */
import { KeGetCurrentThread } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import type { Blocking } from "../sim/blocking.ts";
import { erratumGap } from "../sim/gap.ts";

/**
 * Whether a call whose wait was aborted is left as it is, with the reply chain and the message id.
 * @erratum D16 the thread leaves the chain only when it exits, so that a reply may still reach it
 */
export function* leavesAbortedCall(k: Kernel): Blocking<boolean> {
  if (!k.sim.errata.has("D16")) return false;
  yield* erratumGap(k, "D16:between-abort-and-detach");
  return true;
}

/**
 * What comes of a reply that reached a thread which will not read it.
 * @erratum D16 the LPC lock, a guarded mutex, is released a second time: the thread leaves a guarded region that it is not in
 */
export function releaseLockAgain(k: Kernel): void {
  if (k.sim.errata.has("D16")) KeGetCurrentThread(k).specialApcDisable++;
}
