/**
 * The run loop: which processor goes next, which thread it runs, and what its suspension means.
 *
 * The processor with the smallest virtual clock runs next, so several processors interleave the same way in every run.
 * When nothing can run, the clocks jump to the next timer.
 */
import { ThreadState } from "../abi/ke.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { BugCheckSignal, stopForDriver } from "./bugcheck.ts";
import type { KThread } from "./objects.ts";
import { bestReadyThread, enqueueReady, takeReadyThread } from "./ready.ts";
import type { Kprcb } from "./state.ts";
import { expireTimers } from "./timer.ts";
import { nextTimer } from "./timers.ts";

/**
 * Why {@link KiRun} came back. `idle`: nothing can run and no timer is pending. `bugcheck`: see `k.ke.bugCheck`.
 * `turns`: the given number of turns was used up; call again to go on. `time`: virtual time would pass the limit, or its
 * end.
 */
export type RunEnd = "idle" | "bugcheck" | "turns" | "time";

export interface RunLimits {
  /** Turns (stays on a processor) before it comes back. */
  readonly turns: number;
  /** Nanoseconds of virtual time; Infinity for none. */
  readonly untilNs: number;
  /**
   * Asked after every turn, more often after one that moved much memory, and whenever time jumps; true ends the run as
   * "turns".
   */
  readonly stop: () => boolean;
}

/**
 * Locks of user mode wait with a time-out and try again for ever, so a deadlock of theirs never runs out of timers. When
 * nothing but such time-outs has happened for an hour of virtual time, nothing will.
 */
const LONGEST_QUIET_NS = 3600e9;

/**
 * The end of virtual time, about 104 days after boot: from there on a clock could not count single instructions. A guest
 * that waits until the year 30828 must not carry the machine to where time stands still.
 */
export const END_OF_TIME_NS = 9e15;

/** Going through so many pages takes the host as long as some short turns, and asking more often than this is idle. */
const PAGES_A_QUESTION = 64;
const MOST_QUESTIONS = 1024;

/** Runs the machine. Only bugchecks are caught here, and what the code of drivers throws, which becomes one. */
export function KiRun(k: Kernel, limits: RunLimits): RunEnd {
  try {
    return runTurns(k, { ...limits, untilNs: Math.min(limits.untilNs, END_OF_TIME_NS) });
  } catch (error) {
    if (error instanceof BugCheckSignal || stopForDriver(k, error)) return "bugcheck";
    throw error;
  }
}

function runTurns(k: Kernel, limits: RunLimits): RunEnd {
  if (k.ke.bugCheck !== null) return "bugcheck";
  for (let turn = 0; turn < limits.turns; turn++) {
    if (k.ke.halted) return "idle";
    const prcb = pickProcessor(k);
    if (prcb === null) {
      const jump = advanceToNextTimer(k, limits.untilNs);
      if (jump !== null) return jump;
    } else {
      k.ke.prcb = prcb;
      if (prcb.clock > limits.untilNs) return "time";
      runProcessor(k, prcb);
    }
    if (isStopped(k, limits)) return "turns";
  }
  return "turns";
}

/** Asks whether to stop, and for a turn that moved much memory as often as for many short ones. */
function isStopped(k: Kernel, limits: RunLimits): boolean {
  const questions = 1 + Math.min(MOST_QUESTIONS, Math.floor(k.ke.turnPages / PAGES_A_QUESTION));
  k.ke.turnPages = 0;
  for (let question = 0; question < questions; question++) if (limits.stop()) return true;
  return false;
}

/** One turn of a processor: the timers that are due, then the thread that may run. */
function runProcessor(k: Kernel, prcb: Kprcb): void {
  const due = nextTimer(k);
  if (due !== null && due.dueTime * 100 <= prcb.clock) expireTimers(k);
  selectThread(k, prcb);
  const thread = prcb.currentThread;
  if (thread !== null) runThread(k, prcb, thread);
}

/** The processor with the smallest clock among those that have something to run, or null. */
function pickProcessor(k: Kernel): Kprcb | null {
  let best: Kprcb | null = null;
  let bestClock = Infinity;
  for (const prcb of k.ke.prcbs) {
    const clock = prcb.currentThread === null ? clockOfIdle(k, prcb) : prcb.clock;
    if (clock >= bestClock) continue;
    best = prcb;
    bestClock = clock;
  }
  // Only the one that is chosen has slept until then; another may still find earlier work.
  if (best !== null) best.clock = bestClock;
  return best;
}

/** When an idle processor could take part: when the thread that is ready for it became so, if there is one. */
function clockOfIdle(k: Kernel, prcb: Kprcb): number {
  if (k.ke.readySummary === 0) return Infinity;
  const thread = bestReadyThread(k, prcb);
  return thread === null ? Infinity : Math.max(prcb.clock, thread.readyTime);
}

/** Nothing can run: lets time pass. @returns why the run ends, or null to go on */
function advanceToNextTimer(k: Kernel, untilNs: number): RunEnd | null {
  const timer = nextTimer(k);
  if (timer === null) return "idle";
  const dueNs = timer.dueTime * 100;
  if (dueNs > untilNs) return "time";
  k.ke.quietSince ??= dueNs;
  if (dueNs - k.ke.quietSince > LONGEST_QUIET_NS) return "idle";
  for (const prcb of k.ke.prcbs) if (prcb.clock < dueNs) prcb.clock = dueNs;
  expireTimers(k);
  return null;
}

/** Gives the processor its next thread, if it has none or a better one is ready. */
function selectThread(k: Kernel, prcb: Kprcb): void {
  const current = prcb.currentThread;
  if (current !== null) {
    if (!prcb.reschedule) return;
    prcb.reschedule = false;
    const best = bestReadyThread(k, prcb);
    if (best === null || best.priority <= current.priority) return;
    enqueueReady(k, current, true);
    leave(prcb, current);
  }
  const next = takeReadyThread(k, prcb);
  if (next === null) return;
  k.ke.contextSwitches++;
  next.state = ThreadState.Running;
  prcb.currentThread = next;
  prcb.irql = next.savedIrql;
  prcb.reschedule = false;
}

function leave(prcb: Kprcb, thread: KThread): void {
  thread.savedIrql = prcb.irql;
  prcb.currentThread = null;
}

/** Runs the thread until it suspends. */
function runThread(k: Kernel, prcb: Kprcb, thread: KThread): void {
  const { continuation } = thread;
  assert(continuation !== null, "a thread that runs has a continuation");
  k.ke.currentThread = thread;
  k.ke.upcalls.swapAddressSpace(k, thread);
  const suspension = continuation.next();
  k.ke.currentThread = null;
  switch (suspension.value) {
    case "wait":
      leave(prcb, thread);
      return;
    case "preempt":
      endTurn(k, prcb, thread);
      return;
    default:
      leave(prcb, thread);
      // The successor's switch-in: from here on nobody uses the dead thread's stack.
      thread.continuation = null;
      thread.swapBusy = false;
  }
}

/** The thread's turn is over, or somebody better is ready: the next of its priority goes first. */
function endTurn(k: Kernel, prcb: Kprcb, thread: KThread): void {
  if (thread.quantum > 0) return;
  thread.quantum = k.ke.quantumNs;
  if (thread.priority > thread.basePriority && thread.priority < 16) thread.priority--;
  const next = bestReadyThread(k, prcb);
  if (next === null || next.priority < thread.priority) return;
  enqueueReady(k, thread, false);
  leave(prcb, thread);
}
