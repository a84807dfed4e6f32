/**
 * Work queues: items that system threads carry out. HyperCritical exists so that dead threads are reaped while the other
 * queues are stuck.
 *
 * Invariants: no thread serves a queue before its first item, so a machine boots without workers; an item waits behind
 * busy workers only when the queue has as many as it may have. An item is in one queue at most and may be queued again
 * as soon as its routine has been entered.
 */
import { BugCheckCode, PASSIVE_LEVEL } from "../abi/ke.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import { KeGetCurrentThread } from "../ke/current.ts";
import { KQueueItem, type KQueue } from "../ke/objects.ts";
import { KeInitializeQueue, KeInsertQueue, KeRemoveQueue } from "../ke/queue.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { isLinked } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { ExThread } from "./thread.ts";

/** `WORK_QUEUE_TYPE`. */
export const WorkQueueType = { Critical: 0, Delayed: 1, HyperCritical: 2 } as const;
export type WorkQueueType = (typeof WorkQueueType)[keyof typeof WorkQueueType];

/** `WORK_QUEUE_ITEM`. */
export class ExWorkItem extends KQueueItem {
  readonly routine: (k: Kernel, parameter: unknown) => Blocking<void>;
  readonly parameter: unknown;

  constructor(routine: (k: Kernel, parameter: unknown) => Blocking<void>, parameter: unknown = null) {
    super();
    this.routine = routine;
    this.parameter = parameter;
  }
}

/** One of the queues and those who serve it. */
export class ExWorkQueue {
  readonly name: string;
  readonly maximumWorkers: number;
  queue: KQueue | null = null;
  workers = 0;
  /** Workers that are not inside an item. */
  available = 0;

  constructor(name: string, maximumWorkers: number) {
    this.name = name;
    this.maximumWorkers = maximumWorkers;
  }
}

export type ExWorkQueues = Readonly<Record<WorkQueueType, ExWorkQueue>>;

export function createWorkQueues(): ExWorkQueues {
  return {
    [WorkQueueType.Critical]: new ExWorkQueue("critical", 16),
    [WorkQueueType.Delayed]: new ExWorkQueue("delayed", 16),
    [WorkQueueType.HyperCritical]: new ExWorkQueue("hypercritical", 1),
  };
}

/** Has a system thread carry out `item`.
 * @irql <= DISPATCH_LEVEL
 */
export function ExQueueWorkItem(k: Kernel, item: ExWorkItem, type: WorkQueueType): void {
  assert(!isLinked(item.entry), "a work item is queued once at a time");
  const work = k.ex.workQueues[type];
  work.queue ??= KeInitializeQueue(k, 0);
  if (work.available === 0) addWorker(k, work);
  KeInsertQueue(k, work.queue, item);
}

/** Sees to it that the machine has a system thread that never ends. */
export function startFirstWorker(k: Kernel): void {
  const work = k.ex.workQueues[WorkQueueType.HyperCritical];
  work.queue ??= KeInitializeQueue(k, 0);
  if (work.workers === 0) addWorker(k, work);
}

function addWorker(k: Kernel, work: ExWorkQueue): void {
  if (work.workers >= work.maximumWorkers) return;
  work.workers++;
  work.available++;
  k.ex.upcalls.createSystemThread(k, (kernel) => ExpWorkerThreadEntryPoint(kernel, work), `${work.name} worker`);
}

const WAIT_FOR_WORK = { mode: 0, alertable: false, timeout100ns: null } as const;

/** Serves a queue for ever. */
function* ExpWorkerThreadEntryPoint(k: Kernel, work: ExWorkQueue): Blocking<void> {
  const thread = KeGetCurrentThread(k);
  const { queue } = work;
  assert(thread instanceof ExThread && queue !== null, "a worker starts when its queue exists");
  thread.activeExWorker = true;
  thread.enableStackSwap = false;
  for (;;) {
    const { item } = yield* KeRemoveQueue(k, queue, WAIT_FOR_WORK);
    assert(item instanceof ExWorkItem, "a work queue holds work items");
    work.available--;
    // Whoever blocks in an item must not keep the next one waiting.
    if (work.available === 0 && queue.signalState > 0) addWorker(k, work);
    yield* item.routine(k, item.parameter);
    checkWorker(k, thread);
    work.available++;
  }
}

/** A routine that returns at a raised level or impersonating has broken its worker: the machine stops. */
function checkWorker(k: Kernel, thread: ExThread): void {
  const { irql } = k.ke.prcb;
  if (irql !== PASSIVE_LEVEL) KeBugCheckEx(k, BugCheckCode.WORKER_THREAD_RETURNED_AT_BAD_IRQL, thread.id, irql);
  if (k.ex.upcalls.isImpersonating(thread)) KeBugCheckEx(k, BugCheckCode.IMPERSONATING_WORKER_THREAD, thread.id);
}
