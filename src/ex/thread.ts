/**
 * What the executive keeps in every thread: its timers, which its exit cancels, and whether it serves a work queue, in
 * which case it must not exit at all.
 */
import { KSemaphore, KThread, type KProcess } from "../ke/objects.ts";
import { type ListEntry, listHead } from "../rtl/list.ts";
import type { ETimer } from "./timer.ts";

/** Ids for the dispatcher objects that are embedded in a thread. */
export interface EmbeddedIds {
  /** Of the suspend semaphore. */
  readonly semaphore: number;
  /** Of the timer that ends timed waits. */
  readonly timeout: number;
}

/** Highest count of a suspend semaphore. */
const SUSPEND_SEMAPHORE_LIMIT = 2;

export abstract class ExThread extends KThread {
  /** Timers whose APCs go to this thread. Under the timer's lock, which plain routines need not take. */
  readonly activeTimerListHead: ListEntry<ETimer> = listHead();
  /** Set while it serves a work queue: such a thread must not end (E4). Self. */
  activeExWorker = false;

  constructor(id: number, process: KProcess, ids: EmbeddedIds) {
    super(id, process, new KSemaphore(ids.semaphore, 0, SUSPEND_SEMAPHORE_LIMIT), ids.timeout);
  }
}
