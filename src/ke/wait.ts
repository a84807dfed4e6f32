/**
 * Waiting. A wait is a loop: deliver kernel APCs, test the objects, test the alerts, block; a wake-up by a kernel APC
 * goes round again with the deadline of the first entry. A user APC ends only a wait in user mode, so the kill ends
 * every wait in user mode and none in kernel mode.
 */
import {
  APC_LEVEL,
  BugCheckCode,
  MAXIMUM_WAIT_OBJECTS,
  MINLONG,
  type ProcessorMode,
  ThreadState,
  UserMode,
  WaitAll,
  WaitAny,
  type WaitReason,
  type WaitType,
} from "../abi/ke.ts";
import {
  type NtStatus,
  ntStatus,
  STATUS_ALERTED,
  STATUS_KERNEL_APC,
  STATUS_MUTANT_LIMIT_EXCEEDED,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
  STATUS_USER_APC,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { insertTail, isListEmpty } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { trace } from "../sim/record.ts";
import { deliverKernelApcs, kernelApcDeliverable } from "./apc.ts";
import { KeBugCheckEx } from "./bugcheck.ts";
import { KeGetCurrentThread } from "./current.ts";
import { type DispatcherHeader, KMutant, type KThread, KWaitBlock } from "./objects.ts";
import { activateWaiterQueue } from "./queueactivate.ts";
import { KeQueryInterruptTime } from "./time.ts";
import { insertTimer } from "./timers.ts";
import { isSatisfied, satisfyWait } from "./waittest.ts";

/** How to wait. */
export interface WaitOptions {
  readonly reason: WaitReason;
  readonly mode: ProcessorMode;
  readonly alertable: boolean;
  /** 100 ns from now; 0 only tests; null waits for ever. */
  readonly timeout100ns: number | null;
}

/** Waits for one object.
 * @irql <= APC_LEVEL
 * @returns SUCCESS, ABANDONED_WAIT_0, TIMEOUT, USER_APC or ALERTED; MUTANT_LIMIT_EXCEEDED where NT raises it
 */
export function KeWaitForSingleObject(k: Kernel, object: DispatcherHeader, options: WaitOptions): Blocking<NtStatus> {
  return KeWaitForMultipleObjects(k, [object], WaitAny, options);
}

/** Waits in kernel mode, not alertable, without a timeout: what the executive's own locks do. */
export function waitInKernel(k: Kernel, object: DispatcherHeader, reason: WaitReason): Blocking<NtStatus> {
  return KeWaitForMultipleObjects(k, [object], WaitAny, { reason, mode: 0, alertable: false, timeout100ns: null });
}

/** Sleeps.
 * @returns SUCCESS at the end of the interval, USER_APC or ALERTED before it
 */
export function* KeDelayExecutionThread(k: Kernel, options: Omit<WaitOptions, "reason">): Blocking<NtStatus> {
  const status = yield* KeWaitForMultipleObjects(k, [], WaitAll, { reason: 4, ...options });
  return status === STATUS_TIMEOUT ? STATUS_SUCCESS : status;
}

/** Waits for any or all of up to 64 objects; an empty list only sleeps.
 * @returns index of the object that ended a wait for any, otherwise as {@link KeWaitForSingleObject}
 */
export function* KeWaitForMultipleObjects(
  k: Kernel,
  objects: readonly DispatcherHeader[],
  waitType: WaitType,
  options: WaitOptions,
): Blocking<NtStatus> {
  if (objects.length > MAXIMUM_WAIT_OBJECTS) KeBugCheckEx(k, BugCheckCode.MAXIMUM_WAIT_OBJECTS_EXCEEDED);
  if (k.ke.prcb.irql > APC_LEVEL) KeBugCheckEx(k, BugCheckCode.IRQL_NOT_LESS_OR_EQUAL, 0, k.ke.prcb.irql);
  const thread = KeGetCurrentThread(k);
  const timeout = options.timeout100ns;
  const deadline = timeout === null ? null : KeQueryInterruptTime(k) + timeout;
  for (;;) {
    if (kernelApcDeliverable(k, thread)) {
      yield* deliverKernelApcs(k);
      continue;
    }
    const satisfied = testObjects(thread, objects, waitType);
    if (satisfied !== null) return satisfied;
    const alert = testAlert(thread, options);
    if (alert !== null) return alert;
    if (deadline !== null && (timeout === 0 || KeQueryInterruptTime(k) >= deadline)) return STATUS_TIMEOUT;
    block(k, thread, objects, waitType, options);
    if (deadline !== null) insertTimer(k, thread.waitTimeout, deadline);
    yield "wait";
    if (thread.waitStatus !== STATUS_KERNEL_APC) return thread.waitStatus;
  }
}

/** The answer of a wait that need not block, or null. */
function testObjects(thread: KThread, objects: readonly DispatcherHeader[], waitType: WaitType): NtStatus | null {
  if (waitType === WaitAny) {
    for (let index = 0; index < objects.length; index++) {
      const object = objects[index];
      if (object === undefined || !isSatisfied(object, thread)) continue;
      if (atRecursionLimit(object, thread)) return STATUS_MUTANT_LIMIT_EXCEEDED;
      return ntStatus(index + satisfyWait(object, thread));
    }
    return null;
  }
  if (objects.length === 0) return null;
  for (const object of objects) if (!isSatisfied(object, thread)) return null;
  for (const object of objects) if (atRecursionLimit(object, thread)) return STATUS_MUTANT_LIMIT_EXCEEDED;
  let abandoned = 0;
  for (const object of objects) abandoned |= satisfyWait(object, thread);
  return ntStatus(abandoned);
}

function atRecursionLimit(object: DispatcherHeader, thread: KThread): boolean {
  return object instanceof KMutant && object.ownerThread === thread && object.signalState === MINLONG;
}

/** The alertability test, in NT's order; null if the thread may block. */
export function testAlert(thread: KThread, options: Pick<WaitOptions, "mode" | "alertable">): NtStatus | null {
  const { mode, alertable } = options;
  if (!alertable) return mode === UserMode && thread.apcState.userApcPending ? STATUS_USER_APC : null;
  if (thread.alerted[mode]) {
    thread.alerted[mode] = false;
    return STATUS_ALERTED;
  }
  if (mode === UserMode && !isListEmpty(thread.apcState.userList)) {
    thread.apcState.userApcPending = true;
    return STATUS_USER_APC;
  }
  if (!thread.alerted[0]) return null;
  thread.alerted[0] = false;
  return STATUS_ALERTED;
}

function block(
  k: Kernel,
  thread: KThread,
  objects: readonly DispatcherHeader[],
  waitType: WaitType,
  options: WaitOptions,
): void {
  for (let index = 0; index < objects.length; index++) {
    const object = objects[index];
    if (object === undefined) continue;
    const waitBlock = new KWaitBlock(thread, object, index, waitType);
    insertTail(object.waitListHead, waitBlock.entry);
    thread.waitBlocks.push(waitBlock);
  }
  beginWait(k, thread, options);
}

/** Moves the current thread to Waiting; the caller yields next. */
export function beginWait(k: Kernel, thread: KThread, options: WaitOptions): void {
  thread.state = ThreadState.Waiting;
  thread.waitMode = options.mode;
  thread.alertable = options.alertable;
  thread.waitReason = options.reason;
  thread.waitIrql = k.ke.prcb.irql;
  if (k.sim.trace !== null) {
    const ids = thread.waitBlocks.map((waitBlock) => waitBlock.object.id);
    trace(k, { kind: "wait", act: "begin", tid: thread.tid, objects: ids, status: 0 });
  }
  if (thread.queue !== null) activateWaiterQueue(k, thread.queue);
}
