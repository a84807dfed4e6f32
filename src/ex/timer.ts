/**
 * Executive timers (`ETIMER`): timers that a user can name and wait for, and that may queue an APC to the thread that
 * set them.
 *
 * Invariants: `apcAssociated` holds exactly while the timer is in its thread's list; one reference on the timer belongs
 * to that association and one to its queued APC. The APC block is part of the timer and has no rundown routine, so a
 * thread must run its timers down before its APC queues are flushed.
 */
import { DispatcherType, type ProcessorMode } from "../abi/ke.ts";
import { KeInitializeApc, KeInsertQueueApc, KeRemoveQueueApc } from "../ke/apc.ts";
import { KeGetCurrentThread } from "../ke/current.ts";
import { KApc, KDpc, KTimer, type NormalRoutine } from "../ke/objects.ts";
import { KeQuerySystemTime } from "../ke/time.ts";
import { KeCancelTimer, KeSetTimer } from "../ke/timer.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { firstOf, insertTail, isLinked, ListEntry, removeEntry } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { newObjectId } from "../sim/identity.ts";
import { ExThread } from "./thread.ts";

/** The APC that is embedded in a timer. */
class TimerApc extends KApc {
  readonly timer: ETimer;

  constructor(id: number, timer: ETimer, thread: ExThread) {
    super(id, thread, ExpTimerApcKernelRoutine);
    this.timer = timer;
  }
}

export class ETimer extends KTimer {
  apc: TimerApc | null = null;
  /** The thread whose list the timer is in. */
  apcThread: ExThread | null = null;
  apcAssociated = false;
  readonly activeTimerListEntry: ListEntry<ETimer> = new ListEntry<ETimer>(this);
}

/** The APC that a timer queues when it goes off. */
export interface TimerApcRequest {
  /** Address of a user-mode routine, or a kernel routine. */
  readonly routine: NormalRoutine | number;
  /** A scripted program's routine, in place of an address. */
  readonly userRoutine?: unknown;
  readonly context: unknown;
  readonly mode: ProcessorMode;
}

export interface ETimerSetting {
  /** 100 ns from now, >= 0. */
  readonly due100ns: number;
  /** 0 for once. */
  readonly period100ns: number;
  readonly apc: TimerApcRequest | null;
}

export function newExecutiveTimer(k: Kernel, type: "notification" | "synchronization"): ETimer {
  const header = type === "notification" ? DispatcherType.TimerNotification : DispatcherType.TimerSynchronization;
  return new ETimer(newObjectId(k), header, 0);
}

/** Sets the timer anew, for the current thread if it queues an APC. @returns whether it was signaled before */
export function ExSetTimer(k: Kernel, timer: ETimer, setting: ETimerSetting): boolean {
  dissociate(k, timer);
  const wasSignaled = timer.signalState !== 0;
  if (setting.apc !== null) associate(k, timer, setting.apc);
  KeSetTimer(k, timer, {
    due100ns: setting.due100ns,
    period100ns: setting.period100ns,
    dpc: setting.apc === null ? null : new KDpc(ExpTimerDpcRoutine, timer),
  });
  return wasSignaled;
}

/** Disarms the timer and takes back its APC. @returns whether it was signaled before */
export function ExCancelTimer(k: Kernel, timer: ETimer): boolean {
  dissociate(k, timer);
  KeCancelTimer(k, timer);
  return timer.signalState !== 0;
}

/**
 * Ends everything that the timers of a dying thread could still do to it.
 * @source ntoskrnl/ps/kill.c:451-921, PspExitThread
 */
export function ExTimerRundown(k: Kernel, thread: ExThread): void {
  for (let timer = firstOf(thread.activeTimerListHead); timer !== null; timer = firstOf(thread.activeTimerListHead)) {
    KeCancelTimer(k, timer);
    dissociate(k, timer);
  }
}

function associate(k: Kernel, timer: ETimer, request: TimerApcRequest): void {
  const thread = KeGetCurrentThread(k);
  assert(thread instanceof ExThread, "every thread is the executive's");
  timer.apc ??= new TimerApc(newObjectId(k), timer, thread);
  KeInitializeApc(timer.apc, thread, {
    environment: 2,
    kernelRoutine: ExpTimerApcKernelRoutine,
    normalRoutine: request.routine,
    userRoutine: request.userRoutine,
    mode: request.mode,
    context: request.context,
  });
  timer.apcThread = thread;
  timer.apcAssociated = true;
  insertTail(thread.activeTimerListHead, timer.activeTimerListEntry);
  k.ex.upcalls.referenceObject(timer);
}

/** Takes the timer out of its thread's list and its APC out of the queue, with the references that went with them. */
function dissociate(k: Kernel, timer: ETimer): void {
  if (!timer.apcAssociated || timer.apc === null) return;
  const queued = KeRemoveQueueApc(timer.apc);
  unlink(timer);
  k.ex.upcalls.dereferenceObject(k, timer, queued ? 2 : 1);
}

function unlink(timer: ETimer): void {
  if (isLinked(timer.activeTimerListEntry)) removeEntry(timer.activeTimerListEntry);
  timer.apcThread = null;
  timer.apcAssociated = false;
}

/** The timer has gone off: queues its APC, unless the last one is still queued. Runs at DISPATCH_LEVEL. */
function ExpTimerDpcRoutine(k: Kernel, dpc: KDpc): void {
  const timer = dpc.context;
  assert(timer instanceof ETimer, "the DPC of a timer carries the timer");
  if (!timer.apcAssociated || timer.apc === null) return;
  const now = KeQuerySystemTime(k);
  const low = Number(now & 0xffffffffn);
  const high = Number(now >> 32n);
  if (KeInsertQueueApc(k, timer.apc, low, high, 0)) k.ex.upcalls.referenceObject(timer);
}

/** The APC is being delivered: a timer that does not repeat is done with its thread. */
// eslint-disable-next-line require-yield
function* ExpTimerApcKernelRoutine(k: Kernel, apc: KApc): Blocking<void> {
  assert(apc instanceof TimerApc, "the APC of a timer is part of the timer");
  const { timer } = apc;
  const done = timer.apcAssociated && timer.apcThread === KeGetCurrentThread(k) && timer.period === 0;
  if (done) unlink(timer);
  k.ex.upcalls.dereferenceObject(k, timer, done ? 2 : 1);
}
