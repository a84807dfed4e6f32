/**
 * Asynchronous procedure calls: `KeInitializeApc`, insertion with NT's wake rules, delivery, flush.
 *
 * Invariants: an APC is in at most one queue, and `inserted` says whether it is; once its kernel routine is called the
 * block belongs to that routine, so delivery never touches it again. The pending flag is cleared before the list is
 * looked at: an inserter that comes later sets it again, so no request is lost (D31).
 */
import { APC_LEVEL, BugCheckCode, PASSIVE_LEVEL, type ProcessorMode, ThreadState, UserMode } from "../abi/ke.ts";
import { NT_SUCCESS, STATUS_KERNEL_APC, STATUS_USER_APC } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { firstOf, insertAfter, insertHead, insertTail, isListEmpty, removeEntry, removeHead } from "../rtl/list.ts";
import type { ListEntry } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { erratumGap } from "../sim/gap.ts";
import { newObjectId } from "../sim/identity.ts";
import { trace } from "../sim/record.ts";
import { KeBugCheckEx } from "./bugcheck.ts";
import { KeGetCurrentThread } from "./current.ts";
import {
  type ApcCall,
  KApc,
  type KApcState,
  type KernelRoutine,
  type KThread,
  type NormalRoutine,
  type RundownRoutine,
} from "./objects.ts";
import { KiUnwaitThread } from "./unwait.ts";

/** Arguments of {@link KeInitializeApc}, by name since most of them are routines. */
export interface ApcInit {
  /** 0 original, 1 attached, 2 the thread's current one, 3 decided on insertion. */
  readonly environment: 0 | 1 | 2 | 3;
  readonly kernelRoutine: KernelRoutine;
  readonly rundownRoutine?: RundownRoutine | null;
  /** Null makes the APC special; user-mode APCs give the address of their routine. */
  readonly normalRoutine: NormalRoutine | number | null;
  /** A scripted program's routine, in place of an address. */
  readonly userRoutine?: unknown;
  readonly mode: ProcessorMode;
  readonly context?: unknown;
}

/** A block for {@link KeInitializeApc}. Pool accounting is the caller's. */
export function newApc(k: Kernel, thread: KThread, init: ApcInit): KApc {
  const apc = new KApc(newObjectId(k), thread, init.kernelRoutine);
  KeInitializeApc(apc, thread, init);
  return apc;
}

export function KeInitializeApc(apc: KApc, thread: KThread, init: ApcInit): void {
  apc.thread = thread;
  apc.apcStateIndex = init.environment === 2 ? thread.apcStateIndex : init.environment;
  apc.kernelRoutine = init.kernelRoutine;
  apc.rundownRoutine = init.rundownRoutine ?? null;
  apc.normalRoutine = init.normalRoutine;
  apc.userRoutine = init.userRoutine ?? null;
  const special = init.normalRoutine === null;
  apc.apcMode = special ? 0 : init.mode;
  apc.normalContext = special ? null : init.context;
  apc.inserted = false;
}

/**
 * Queues an APC and wakes its thread if NT would.
 * @returns false, with no side effect, if the thread takes no more APCs or the block is already queued
 */
export function KeInsertQueueApc(
  k: Kernel,
  apc: KApc,
  argument1: unknown,
  argument2: unknown,
  increment: number,
): boolean {
  const thread = apc.thread;
  if (!thread.apcQueueable || apc.inserted) {
    if (k.sim.trace !== null)
      trace(k, { kind: "apc", act: "refused", tid: thread.tid, mode: apc.apcMode, apc: apc.id });
    return false;
  }
  apc.systemArgument1 = argument1;
  apc.systemArgument2 = argument2;
  if (apc.apcStateIndex === 3) apc.apcStateIndex = thread.apcStateIndex;
  apc.inserted = true;
  const state = apc.apcStateIndex === thread.apcStateIndex ? thread.apcState : thread.savedApcState;
  linkApc(k, apc, state);
  if (k.sim.trace !== null) trace(k, { kind: "apc", act: "queued", tid: thread.tid, mode: apc.apcMode, apc: apc.id });
  if (apc.apcStateIndex === thread.apcStateIndex) signalApc(k, apc, thread, increment);
  return true;
}

/** @erratum D32 the kill arms its delivery in the thread's current state, whichever it was queued in */
function linkApc(k: Kernel, apc: KApc, state: KApcState): void {
  if (apc.apcMode === UserMode) {
    if (!apc.isExit) {
      insertTail(state.userList, apc.entry);
      return;
    }
    insertHead(state.userList, apc.entry);
    (k.sim.errata.has("D32") ? apc.thread.apcState : state).userApcPending = true;
    return;
  }
  if (apc.normalRoutine !== null) {
    insertTail(state.kernelList, apc.entry);
    return;
  }
  // Special APCs stay in front of all normal ones, in the order in which they came.
  let position: ListEntry<KApc> = state.kernelList;
  while (position.flink?.owner && position.flink.owner.normalRoutine === null) position = position.flink;
  insertAfter(position, apc.entry);
}

/** The wake rules of the queueing table. */
function signalApc(k: Kernel, apc: KApc, thread: KThread, increment: number): void {
  if (apc.apcMode === UserMode) {
    if (thread.state !== ThreadState.Waiting || thread.waitMode !== UserMode) return;
    if (!thread.alertable && !thread.apcState.userApcPending) return;
    thread.apcState.userApcPending = true;
    KiUnwaitThread(k, thread, STATUS_USER_APC, increment);
    return;
  }
  thread.apcState.kernelApcPending = true;
  if (thread.state !== ThreadState.Waiting) return;
  if (thread.waitIrql !== PASSIVE_LEVEL || thread.specialApcDisable !== 0) return;
  const special = apc.normalRoutine === null;
  if (!special && (thread.kernelApcDisable !== 0 || thread.apcState.kernelApcInProgress)) return;
  KiUnwaitThread(k, thread, STATUS_KERNEL_APC, increment);
}

/** Whether lowering to PASSIVE would deliver something now. */
export function kernelApcDeliverable(k: Kernel, thread: KThread): boolean {
  return thread.apcState.kernelApcPending && thread.specialApcDisable === 0 && k.ke.prcb.irql < APC_LEVEL;
}

/** Delivers kernel APCs as long as some are pending and deliverable. */
export function* deliverKernelApcs(k: Kernel): Blocking<void> {
  const thread = KeGetCurrentThread(k);
  while (kernelApcDeliverable(k, thread)) yield* KiDeliverApc(k, 0);
}

/**
 * Delivers the current thread's kernel APCs and, with mode user, at most one user APC.
 * @irql raised to APC_LEVEL for its duration
 */
export function* KiDeliverApc(k: Kernel, mode: ProcessorMode): Blocking<void> {
  const thread = KeGetCurrentThread(k);
  const process = thread.apcState.process;
  const oldIrql = k.ke.prcb.irql;
  if (oldIrql < APC_LEVEL) k.ke.prcb.irql = APC_LEVEL;
  thread.apcState.kernelApcPending = false;
  if (thread.specialApcDisable === 0) {
    yield* deliverKernelList(k, thread);
    if (k.sim.errata.has("D31")) yield* clearAfterScan(k, thread);
    if (mode === UserMode && thread.apcState.userApcPending && !isListEmpty(thread.apcState.userList)) {
      yield* deliverUserApc(k, thread);
    }
  }
  if (thread.apcState.process !== process) {
    KeBugCheckEx(
      k,
      BugCheckCode.INVALID_PROCESS_ATTACH_ATTEMPT,
      process.id,
      thread.apcState.process.id,
      thread.apcStateIndex,
      thread.id,
    );
  }
  k.ke.prcb.irql = oldIrql;
}

/**
 * The store that clears the request becomes visible after the list was found empty: what came in between is forgotten.
 * @erratum D31 the processor's own reordering, as the order that it amounts to
 */
function* clearAfterScan(k: Kernel, thread: KThread): Blocking<void> {
  yield* erratumGap(k, "D31:between-scan-and-clear");
  thread.apcState.kernelApcPending = false;
}

function* deliverKernelList(k: Kernel, thread: KThread): Blocking<void> {
  const state = thread.apcState;
  for (let apc = firstOf(state.kernelList); apc !== null; apc = firstOf(state.kernelList)) {
    if (apc.normalRoutine !== null && (state.kernelApcInProgress || thread.kernelApcDisable !== 0)) return;
    const call = dequeue(k, apc, thread);
    yield* apc.kernelRoutine(k, apc, call);
    checkApcLevel(k, apc.id);
    if (typeof call.normalRoutine !== "function") continue;
    state.kernelApcInProgress = true;
    k.ke.prcb.irql = PASSIVE_LEVEL;
    yield* deliverKernelApcs(k);
    yield* call.normalRoutine(k, call.normalContext, call.argument1, call.argument2);
    k.ke.prcb.irql = APC_LEVEL;
    state.kernelApcInProgress = false;
  }
}

function* deliverUserApc(k: Kernel, thread: KThread): Blocking<void> {
  const state = thread.apcState;
  state.userApcPending = false;
  const apc = firstOf(state.userList);
  if (apc === null) return;
  const userRoutine = apc.userRoutine;
  const call = dequeue(k, apc, thread);
  yield* apc.kernelRoutine(k, apc, call);
  checkApcLevel(k, 0);
  if (call.normalRoutine === null || typeof call.normalRoutine === "function") {
    KeTestAlertThread(thread, UserMode);
    return;
  }
  const status = thread.user?.enterApc(k, thread, {
    routine: call.normalRoutine,
    script: userRoutine,
    context: call.normalContext,
    argument1: call.argument1,
    argument2: call.argument2,
  });
  if (status === undefined || NT_SUCCESS(status)) return;
  k.ke.prcb.irql = PASSIVE_LEVEL;
  yield* k.ke.upcalls.raiseUserException(k, { code: status, flags: 0, address: 0, parameters: [] });
  k.ke.prcb.irql = APC_LEVEL;
}

/** Unlinks the APC; from here on the block belongs to its kernel routine. */
function dequeue(k: Kernel, apc: KApc, thread: KThread): ApcCall {
  removeEntry(apc.entry);
  apc.inserted = false;
  if (k.sim.trace !== null)
    trace(k, { kind: "apc", act: "delivered", tid: thread.tid, mode: apc.apcMode, apc: apc.id });
  return {
    normalRoutine: apc.normalRoutine,
    normalContext: apc.normalContext,
    argument1: apc.systemArgument1,
    argument2: apc.systemArgument2,
  };
}

function checkApcLevel(k: Kernel, apcId: number): void {
  if (k.ke.prcb.irql !== APC_LEVEL) {
    KeBugCheckEx(k, BugCheckCode.IRQL_UNEXPECTED_VALUE, APC_LEVEL, k.ke.prcb.irql, apcId);
  }
}

/**
 * Detaches a whole queue of the thread. Pending flags stay as they are.
 * @returns the APCs in their order, none of them inserted any more
 */
export function KeFlushQueueApc(k: Kernel, thread: KThread, mode: ProcessorMode): KApc[] {
  const list = mode === UserMode ? thread.apcState.userList : thread.apcState.kernelList;
  const flushed: KApc[] = [];
  for (let apc = removeHead(list); apc !== null; apc = removeHead(list)) {
    apc.inserted = false;
    if (k.sim.trace !== null) trace(k, { kind: "apc", act: "flushed", tid: thread.tid, mode, apc: apc.id });
    flushed.push(apc);
  }
  return flushed;
}

/** Takes one APC out of its queue. @returns whether it was in one */
export function KeRemoveQueueApc(apc: KApc): boolean {
  if (!apc.inserted) return false;
  removeEntry(apc.entry);
  apc.inserted = false;
  return true;
}

/**
 * Tests and clears the thread's alert for `mode`; with mode user, arms the delivery of queued user APCs.
 * @returns whether the thread was alerted
 */
export function KeTestAlertThread(thread: KThread, mode: ProcessorMode): boolean {
  const alerted = thread.alerted[mode];
  if (alerted) thread.alerted[mode] = false;
  else if (mode === UserMode && !isListEmpty(thread.apcState.userList)) thread.apcState.userApcPending = true;
  return alerted;
}

/** A kernel routine that has nothing to do. */
export function* noKernelRoutine(): Blocking<void> {}
