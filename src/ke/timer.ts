/** Timer objects (`KTIMER`) and the expiry of everything in the timer heap. */
import { BugCheckCode, DISPATCH_LEVEL, DispatcherType } from "../abi/ke.ts";
import { STATUS_TIMEOUT } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { newObjectId } from "../sim/identity.ts";
import { KeBugCheckEx } from "./bugcheck.ts";
import { KDpc, KTimer, type TimerEntry, WaitTimeout } from "./objects.ts";
import { KeQueryInterruptTime } from "./time.ts";
import { insertTimer, nextTimer, removeTimer } from "./timers.ts";
import { KiUnwaitThread } from "./unwait.ts";
import { KiWaitTest } from "./waittest.ts";

export function KeInitializeTimer(k: Kernel, type: "notification" | "synchronization"): KTimer {
  const header = type === "notification" ? DispatcherType.TimerNotification : DispatcherType.TimerSynchronization;
  return new KTimer(newObjectId(k), header, 0);
}

/** When and how a timer goes off. */
export interface TimerSetting {
  /** 100 ns from now, >= 0. */
  readonly due100ns: number;
  /** 100 ns; 0 for once. */
  readonly period100ns: number;
  readonly dpc: KDpc | null;
}

/** Arms the timer, disarming it first. @returns whether it was armed */
export function KeSetTimer(k: Kernel, timer: KTimer, setting: TimerSetting): boolean {
  const wasSet = removeTimer(k, timer);
  timer.signalState = 0;
  timer.period = setting.period100ns;
  timer.dpc = setting.dpc;
  timer.dueTime = KeQueryInterruptTime(k) + setting.due100ns;
  // What is due already is not put off until the next clock interrupt.
  if (setting.due100ns <= 0) expire(k, timer);
  else insertTimer(k, timer, timer.dueTime);
  return wasSet;
}

/** @returns whether it was armed */
export function KeCancelTimer(k: Kernel, timer: KTimer): boolean {
  return removeTimer(k, timer);
}

/** Lets everything expire whose time has come. */
export function expireTimers(k: Kernel): void {
  const now = KeQueryInterruptTime(k);
  for (let timer = nextTimer(k); timer !== null && timer.dueTime <= now; timer = nextTimer(k)) {
    removeTimer(k, timer);
    expire(k, timer);
  }
}

function expire(k: Kernel, timer: TimerEntry): void {
  if (timer instanceof WaitTimeout) {
    KiUnwaitThread(k, timer.thread, STATUS_TIMEOUT, 0);
    return;
  }
  if (!(timer instanceof KTimer)) return;
  const { period, dpc } = timer;
  if (period > 0) insertTimer(k, timer, timer.dueTime + period);
  timer.signalState = 1;
  KiWaitTest(k, timer, 0);
  if (dpc !== null) runDpc(k, dpc);
}

/** A deferred procedure call: `routine` runs at DISPATCH_LEVEL, in the middle of whatever thread there is. */
export function KeInitializeDpc(routine: (k: Kernel, dpc: KDpc) => void, context: unknown): KDpc {
  return new KDpc(routine, context);
}

/**
 * Queues a deferred procedure call. Its processor has nothing more urgent to do, so it runs before this returns.
 * @irql <= DISPATCH_LEVEL
 */
export function KeInsertQueueDpc(k: Kernel, dpc: KDpc): void {
  runDpc(k, dpc);
}

/** Runs a deferred procedure call at DISPATCH_LEVEL on this processor. */
function runDpc(k: Kernel, dpc: KDpc): void {
  const irql = k.ke.prcb.irql;
  k.ke.prcb.irql = DISPATCH_LEVEL;
  dpc.routine(k, dpc);
  if (k.ke.prcb.irql !== DISPATCH_LEVEL) KeBugCheckEx(k, BugCheckCode.TIMER_OR_DPC_INVALID, k.ke.prcb.irql);
  k.ke.prcb.irql = irql;
}
