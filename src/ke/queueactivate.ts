/** Handing queue entries to waiting threads, shared by insertion and by a worker that is about to block. */
import { STATUS_SUCCESS } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { isListEmpty, removeHead } from "../rtl/list.ts";
import type { KQueue, KQueueItem } from "./objects.ts";
import { KiUnwaitThread } from "./unwait.ts";

/** A thread of the queue is about to block: it no longer counts as running, so another one may take its place. */
export function activateWaiterQueue(k: Kernel, queue: KQueue): void {
  queue.currentCount--;
  if (queue.currentCount >= queue.maximumCount || isListEmpty(queue.entryListHead)) return;
  if (isListEmpty(queue.waitListHead)) return;
  const item = removeHead(queue.entryListHead);
  if (item === null) return;
  queue.signalState--;
  handToWaiter(k, queue, item);
}

/** Gives `item` to the thread that began to wait last: its stack is the warmest. @returns false if nobody waits */
export function handToWaiter(k: Kernel, queue: KQueue, item: KQueueItem): boolean {
  const block = queue.waitListHead.blink?.owner;
  if (block === null || block === undefined) return false;
  block.thread.queueItem = item;
  KiUnwaitThread(k, block.thread, STATUS_SUCCESS, 0);
  return true;
}
