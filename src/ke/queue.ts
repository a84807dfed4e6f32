/**
 * Kernel queues (`KQUEUE`): worker pools and I/O completion ports. At most `maximumCount` threads of a queue run at a
 * time; one that blocks elsewhere lets another go on.
 *
 * Invariant: `signalState` is the number of entries that nobody took yet.
 */
import { WaitAny, WaitReason } from "../abi/ke.ts";
import { type NtStatus, STATUS_KERNEL_APC, STATUS_SUCCESS, STATUS_TIMEOUT } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { insertHead, insertTail, isLinked, listOwners, removeEntry, removeHead } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { newObjectId } from "../sim/identity.ts";
import { deliverKernelApcs, kernelApcDeliverable } from "./apc.ts";
import { KeGetCurrentThread } from "./current.ts";
import { KQueue, type KQueueItem, type KThread, KWaitBlock } from "./objects.ts";
import { activateWaiterQueue, handToWaiter } from "./queueactivate.ts";
import { KeQueryInterruptTime } from "./time.ts";
import { insertTimer } from "./timers.ts";
import { beginWait, testAlert, type WaitOptions } from "./wait.ts";

/** @param count threads that may run at a time; 0 means one for each processor */
export function KeInitializeQueue(k: Kernel, count: number): KQueue {
  return new KQueue(newObjectId(k), count === 0 ? k.ke.prcbs.length : count);
}

/** Queues an entry at the tail. @returns the number of entries that were waiting before */
export function KeInsertQueue(k: Kernel, queue: KQueue, item: KQueueItem): number {
  return insertItem(k, queue, item, "tail");
}

/** Queues an entry at the head. */
export function KeInsertHeadQueue(k: Kernel, queue: KQueue, item: KQueueItem): number {
  return insertItem(k, queue, item, "head");
}

function insertItem(k: Kernel, queue: KQueue, item: KQueueItem, where: "head" | "tail"): number {
  const before = queue.signalState;
  if (queue.currentCount < queue.maximumCount && handToWaiter(k, queue, item)) return before;
  queue.signalState++;
  if (where === "head") insertHead(queue.entryListHead, item.entry);
  else insertTail(queue.entryListHead, item.entry);
  return before;
}

/** What {@link KeRemoveQueue} answers when it has no entry to give. */
export type RemoveQueueResult = { readonly item: KQueueItem } | { readonly item: null; readonly status: NtStatus };

/** Takes the next entry, waiting for one if need be. The calling thread belongs to the queue from then on. */
export function* KeRemoveQueue(
  k: Kernel,
  queue: KQueue,
  options: Omit<WaitOptions, "reason">,
): Blocking<RemoveQueueResult> {
  const thread = KeGetCurrentThread(k);
  const { timeout100ns } = options;
  const deadline = timeout100ns === null ? null : KeQueryInterruptTime(k) + timeout100ns;
  associate(k, thread, queue);
  for (;;) {
    if (kernelApcDeliverable(k, thread)) {
      yield* deliverKernelApcs(k);
      continue;
    }
    queue.currentCount--;
    if (queue.signalState > 0 && queue.currentCount < queue.maximumCount) {
      const item = removeHead(queue.entryListHead);
      if (item !== null) {
        queue.signalState--;
        queue.currentCount++;
        return { item };
      }
    }
    queue.currentCount++;
    const alert = testAlert(thread, options);
    if (alert !== null) return { item: null, status: alert };
    if (deadline !== null && (timeout100ns === 0 || KeQueryInterruptTime(k) >= deadline)) {
      return { item: null, status: STATUS_TIMEOUT };
    }
    thread.queueItem = null;
    const waitBlock = new KWaitBlock(thread, queue, 0, WaitAny);
    insertTail(queue.waitListHead, waitBlock.entry);
    thread.waitBlocks.push(waitBlock);
    const { mode, alertable } = options;
    beginWait(k, thread, { reason: WaitReason.WrQueue, mode, alertable, timeout100ns });
    if (deadline !== null) insertTimer(k, thread.waitTimeout, deadline);
    yield "wait";
    if (thread.waitStatus === STATUS_KERNEL_APC) continue;
    const item = thread.queueItem;
    thread.queueItem = null;
    if (thread.waitStatus === STATUS_SUCCESS && item !== null) return { item };
    return { item: null, status: thread.waitStatus };
  }
}

function associate(k: Kernel, thread: KThread, queue: KQueue): void {
  if (thread.queue === queue) return;
  leaveQueue(k, thread);
  thread.queue = queue;
  insertTail(queue.threadListHead, thread.queueListEntry);
  queue.currentCount++;
}

/** Ends the thread's membership in its queue; another waiter may take its place. */
export function leaveQueue(k: Kernel, thread: KThread): void {
  const queue = thread.queue;
  if (queue === null) return;
  thread.queue = null;
  if (isLinked(thread.queueListEntry)) removeEntry(thread.queueListEntry);
  activateWaiterQueue(k, queue);
}

/** Closes the queue: frees its threads from it. @returns the entries that nobody took */
export function KeRundownQueue(queue: KQueue): KQueueItem[] {
  for (const thread of listOwners(queue.threadListHead)) {
    removeEntry(thread.queueListEntry);
    thread.queue = null;
  }
  const items: KQueueItem[] = [];
  for (let item = removeHead(queue.entryListHead); item !== null; item = removeHead(queue.entryListHead)) {
    items.push(item);
  }
  queue.signalState = 0;
  return items;
}
