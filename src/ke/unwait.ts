/** The end of a wait: unlink, say why, make ready. */
import { ThreadState, WaitReason } from "../abi/ke.ts";
import { type NtStatus, STATUS_TIMEOUT } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { removeEntry } from "../rtl/list.ts";
import { trace } from "../sim/record.ts";
import type { KThread } from "./objects.ts";
import { boostPriority, KiReadyThread } from "./ready.ts";
import { removeTimer } from "./timers.ts";

/** Ends the thread's wait with `status`. */
export function KiUnwaitThread(k: Kernel, thread: KThread, status: NtStatus, increment: number): void {
  assert(thread.state === ThreadState.Waiting, "only a waiting thread is woken");
  const { waitBlocks } = thread;
  // Popped one by one: to set the length of an array costs the engine more than a wait of a few objects does.
  for (let block = waitBlocks.pop(); block !== undefined; block = waitBlocks.pop()) removeEntry(block.entry);
  removeTimer(k, thread.waitTimeout);
  if (thread.queue !== null) thread.queue.currentCount++;
  thread.waitStatus = status;
  if (status !== STATUS_TIMEOUT || thread.waitReason !== WaitReason.WrAlertByThreadId) k.ke.quietSince = null;
  if (k.sim.trace !== null) trace(k, { kind: "wait", act: "end", tid: thread.tid, objects: [], status });
  boostPriority(thread, increment);
  KiReadyThread(k, thread);
}
