/**
 * What a dying thread leaves behind in LPC: a reply that nobody will read. Afterwards it takes part in no call any
 * more.
 */
import type { Kernel } from "../kernel.ts";
import { freeLpcMessage, type LpcThreadState } from "./port.ts";

/**
 * Frees a reply that came for the dying thread and refuses its further requests. A plain function, so no lock is held
 * and none can be released twice (D16).
 */
export function LpcExitThread(k: Kernel, lpc: LpcThreadState): void {
  lpc.exitCalled = true;
  lpc.replyMessageId = 0;
  const reply = lpc.replyMessage;
  lpc.replyMessage = null;
  if (reply !== null) freeLpcMessage(k, reply);
}
