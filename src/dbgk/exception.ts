/** Exceptions of user mode on their way to the debugger. */
import { CT_HIDE_FROM_DEBUGGER } from "../abi/ps.ts";
import { NT_SUCCESS } from "../abi/status.ts";
import type { ExceptionRecord } from "../ke/usermode.ts";
import type { Kernel } from "../kernel.ts";
import { PsGetCurrentThread } from "../ps/current.ts";
import { hasCrossThreadFlag } from "../ps/flags.ts";
import type { Blocking } from "../sim/blocking.ts";
import { DbgkpSendApiMessage } from "./queue.ts";

/**
 * Shows an exception of the current thread to its debugger, with the other threads frozen.
 * @returns whether the debugger has dealt with it, so that the thread goes on where it was
 */
export function* DbgkForwardException(
  k: Kernel,
  record: ExceptionRecord,
  options: { readonly secondChance: boolean },
): Blocking<boolean> {
  const thread = PsGetCurrentThread(k);
  if (thread.threadsProcess.debugPort === null || hasCrossThreadFlag(thread, CT_HIDE_FROM_DEBUGGER)) return false;
  const message = { kind: "exception", record, firstChance: !options.secondChance } as const;
  const answer = yield* DbgkpSendApiMessage(k, message, { suspend: true });
  return answer.ok && NT_SUCCESS(answer.value);
}
