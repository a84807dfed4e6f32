/** The life of a thread in user mode: deliver what is pending, go to user mode, serve why it came back. */
import { APC_LEVEL, BugCheckCode, PASSIVE_LEVEL, UserMode } from "../abi/ke.ts";
import { KiDeliverApc } from "../ke/apc.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import { KeGetCurrentThread } from "../ke/current.ts";
import type { KThread } from "../ke/objects.ts";
import { nextTimer } from "../ke/timers.ts";
import type { Kernel } from "../kernel.ts";
import { KiDispatchException } from "../ps/exception.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import { KiPreempt } from "../ke/preempt.ts";

/**
 * System calls after which a thread lets the run loop look up, though its turn goes on: a call may cost the host a
 * thousand times what it costs the guest, and only the run loop hears that the run is to be stopped.
 */
const CALLS_AT_ONCE = 16;
/** Pages of user memory that those calls may go through, for the same reason. */
const PAGES_AT_ONCE = 0x400;

/**
 * Runs the current thread in user mode for the rest of its life. Every turn begins with the delivery of APCs, so a thread
 * that was killed executes no further user instruction.
 */
export function* KiUserModeLoop(k: Kernel): Blocking<never> {
  const thread = KeGetCurrentThread(k);
  const { user } = thread;
  assert(user !== null, "a thread that goes to user mode has a user context");
  let calls = 0;
  for (;;) {
    if (thread.apcState.kernelApcPending || thread.apcState.userApcPending) yield* deliverApcs(k, thread);
    if (thread.combinedApcDisable !== 0 || k.ke.prcb.irql !== PASSIVE_LEVEL) bugCheckOnReturn(k, thread);
    switch (user.run(k, thread, turnBudget(k, thread))) {
      case "system-call": {
        calls++;
        const blocking = user.systemCall(k, thread);
        if (blocking !== undefined) yield* blocking;
        break;
      }
      case "exception":
        yield* KiDispatchException(k, user.exception(k, thread), { firstChance: true });
        break;
      case "quantum":
        break;
    }
    const much = calls >= CALLS_AT_ONCE || k.ke.turnPages >= PAGES_AT_ONCE;
    if (mustYield(k, thread) || (much && !k.sim.exploring)) {
      calls = 0;
      yield* KiPreempt();
    }
  }
}

/** A system service, or a driver that it called, left a region or a raised level behind. */
function bugCheckOnReturn(k: Kernel, thread: KThread): never {
  const { irql } = k.ke.prcb;
  if (irql !== PASSIVE_LEVEL) KeBugCheckEx(k, BugCheckCode.IRQL_GT_ZERO_AT_SYSTEM_SERVICE, 0, irql);
  return KeBugCheckEx(k, BugCheckCode.APC_INDEX_MISMATCH, 0, thread.apcStateIndex, thread.combinedApcDisable);
}

/** On the way to user mode: kernel APCs, then one user APC, until nothing is pending. */
function* deliverApcs(k: Kernel, thread: KThread): Blocking<void> {
  while (thread.apcState.kernelApcPending || thread.apcState.userApcPending) {
    k.ke.prcb.irql = APC_LEVEL;
    yield* KiDeliverApc(k, UserMode);
    k.ke.prcb.irql = PASSIVE_LEVEL;
  }
}

/** How long the thread may stay in user mode: its turn, but not past the next timer. */
function turnBudget(k: Kernel, thread: KThread): number {
  if (thread.quantum <= 0) thread.quantum = k.ke.quantumNs;
  const timer = nextTimer(k);
  if (timer === null) return thread.quantum;
  return Math.max(1, Math.min(thread.quantum, timer.dueTime * 100 - k.ke.prcb.clock));
}

/** Whether somebody else must get a look in: a better thread, an expired timer, another processor, or the turn's end. */
function mustYield(k: Kernel, thread: KThread): boolean {
  const { prcb } = k.ke;
  if (thread.quantum <= 0 || prcb.reschedule || k.ke.prcbs.length > 1) return true;
  const timer = nextTimer(k);
  return timer !== null && timer.dueTime * 100 <= prcb.clock;
}
