/**
 * What a dying thread leaves behind in LPC: a reply that nobody will read. Afterwards it takes part in no call any
 * more.
 */
import type { Kernel } from "../kernel.ts";
import { releaseLockAgain } from "./errata.ts";
import { LpcpFreeToPortZone } from "./message.ts";
import { endCall } from "./reply.ts";
import type { LpcThread } from "./thread.ts";

/**
 * Leaves the reply chain, frees a reply that came for the dying thread and refuses its further requests. A plain
 * function, so no lock is held and none can be released twice (D16).
 */
export function LpcExitThread(k: Kernel, thread: LpcThread): void {
  thread.lpc.exitCalled = true;
  const reply = endCall(thread);
  if (reply === null) return;
  LpcpFreeToPortZone(k, reply);
  releaseLockAgain(k);
}
