/** Where a thread begins: its first steps in the kernel. */
import { PASSIVE_LEVEL } from "../abi/ke.ts";
import { CT_DEAD_THREAD, CT_HIDE_FROM_DEBUGGER, CT_TERMINATED } from "../abi/ps.ts";
import { STATUS_SUCCESS, STATUS_THREAD_IS_TERMINATING } from "../abi/status.ts";
import { KeLowerIrql } from "../ke/irql.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import { PsGetCurrentThread } from "./current.ts";
import { hasCrossThreadFlag } from "./flags.ts";
import { notifyFirstImages } from "./imagenotify.ts";
import { PspTerminateThreadByPointer } from "./kill.ts";

/**
 * First code of a user thread. A kill that came before is only queued here; its user APC precedes everything else of
 * user mode, so no user instruction runs.
 */
export function* PspUserThreadStartup(k: Kernel): Blocking<never> {
  const thread = PsGetCurrentThread(k);
  yield* KeLowerIrql(k, PASSIVE_LEVEL);
  if (hasCrossThreadFlag(thread, CT_DEAD_THREAD)) {
    const reason = { self: true, route: "exited", via: "PspUserThreadStartup" } as const;
    yield* PspTerminateThreadByPointer(k, thread, STATUS_THREAD_IS_TERMINATING, reason);
  }
  if (thread.threadsProcess.debugPort !== null && !hasCrossThreadFlag(thread, CT_HIDE_FROM_DEBUGGER)) {
    yield* k.ps.dbgk.createThread(k, thread);
  }
  if (k.ps.imageNotify.count > 0) yield* notifyFirstImages(k, thread.threadsProcess);
  thread.previousMode = 1;
  return yield* k.ke.upcalls.userMode(k);
}

/** First and last code of a system thread around its routine. */
export function* PspSystemThreadStartup(k: Kernel, routine: (k: Kernel) => Blocking<void>): Blocking<never> {
  const thread = PsGetCurrentThread(k);
  yield* KeLowerIrql(k, PASSIVE_LEVEL);
  if (!hasCrossThreadFlag(thread, CT_TERMINATED | CT_DEAD_THREAD)) yield* routine(k);
  const reason = { self: true, route: "returned", via: "PspSystemThreadStartup" } as const;
  yield* PspTerminateThreadByPointer(k, thread, STATUS_SUCCESS, reason);
  assert(false, "a thread that ends itself does not return");
}
