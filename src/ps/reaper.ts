/**
 * The reaper: frees the stacks of dead threads and drops their keep-alive references, on a HyperCritical worker.
 *
 * Invariant: while it runs the list head is never null, so exactly one activation exists; the pusher that found null
 * queues it.
 */
import { KeDelayExecutionThread } from "../ke/wait.ts";
import type { ReaperLink } from "../ke/state.ts";
import { KeQueryInterruptTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { MmDeleteKernelStack } from "../mm/kernelstack.ts";
import { ObDereferenceObject, ObDereferenceObjectDeferDelete, ObReferenceObject } from "../ob/reference.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import { emit } from "../sim/record.ts";
import { EThread } from "./objects.ts";
import { step } from "./steps.ts";

/** One tick of the dispatcher: long enough for the dying thread to leave its stack. */
const SWAP_WAIT_100NS = 1;

/**
 * Work routine of the reaper.
 * @source ntoskrnl/ps/kill.c:168-206, PspReapRoutine
 * @deviates waits until the thread has left its stack before freeing it (D37); leaves the deletion of processes to another
 *   worker (D48)
 */
export function* PspReapRoutine(k: Kernel): Blocking<void> {
  for (let round: "first" | "again" = "first"; ; round = "again") {
    const chain = k.ke.reaperList;
    k.ke.reaperList = "busy";
    step(k, "R1", round);
    assert(chain !== null && chain !== "busy", "the reaper is woken by a dead thread");
    for (let link: ReaperLink | "busy" | null = chain; link !== null && link !== "busy"; link = link.next) {
      yield* reap(k, link);
    }
    const done = k.ke.reaperList === "busy";
    step(k, "R3", done ? "done" : "more");
    if (done) break;
  }
  k.ke.reaperList = null;
}

function* reap(k: Kernel, link: ReaperLink): Blocking<void> {
  const { thread } = link;
  assert(thread instanceof EThread, "every thread is the process manager's");
  const inUse = thread.swapBusy;
  while (thread.swapBusy && !k.sim.errata.has("D37")) {
    yield* KeDelayExecutionThread(k, { mode: 0, alertable: false, timeout100ns: SWAP_WAIT_100NS });
  }
  MmDeleteKernelStack(k, thread);
  if (k.sim.record !== null) {
    const time = KeQueryInterruptTime(k);
    emit(k, { kind: "thread-reaped", time, pid: thread.threadsProcess.pid, tid: thread.tid });
  }
  step(k, "R2", inUse ? "after-its-swap" : "at-once");
  yield* dropKeepAlive(k, thread);
}

/**
 * Drops the keep-alive reference. The deletion of a thread is short; that of its process runs close procedures and may wait
 * for anybody, so it is another worker's: the stacks of all other threads would wait behind it.
 */
function* dropKeepAlive(k: Kernel, thread: EThread): Blocking<void> {
  if (k.sim.errata.has("D48")) {
    yield* ObDereferenceObject(k, thread);
    return;
  }
  const process = thread.threadsProcess;
  ObReferenceObject(process);
  yield* ObDereferenceObject(k, thread);
  ObDereferenceObjectDeferDelete(k, process);
}
