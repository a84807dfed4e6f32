/**
 * What a thread waits for when a lock of the executive is taken: an event of its own, which leads back to the lock and
 * so to whoever holds it. Wait graphs are drawn from it. Made only when there is a wait, so a free lock costs nothing.
 */
import { DispatcherType } from "../abi/ke.ts";
import type { Kernel } from "../kernel.ts";
import { newObjectId } from "../sim/identity.ts";
import { trace } from "../sim/record.ts";
import { KEvent, type KThread } from "./objects.ts";

/** A lock that can say who keeps others waiting. */
export interface HeldLock {
  /** What kind of lock it is, for people. */
  readonly lockName: string;
  /** The threads that hold it now, as far as the lock knows. */
  holders(): readonly KThread[];
}

/** A waiter's place in the line of a lock; signaled when the lock has been handed to it. */
export class LockEvent extends KEvent {
  readonly lock: HeldLock;
  readonly waiter: KThread;
  readonly exclusive: boolean;

  constructor(id: number, lock: HeldLock, waiter: KThread, exclusive: boolean) {
    super(id, DispatcherType.EventSynchronization, 0);
    this.lock = lock;
    this.waiter = waiter;
    this.exclusive = exclusive;
  }
}

/** Notes that a lock was taken or released, for those who check the order of locks. */
export function traceLock(k: Kernel, act: "acquire" | "release", thread: KThread, name: string): void {
  trace(k, { kind: "lock", act, tid: thread.tid, name });
}

export function newLockEvent(
  k: Kernel,
  lock: HeldLock,
  waiter: KThread,
  options: { readonly exclusive: boolean },
): LockEvent {
  return new LockEvent(newObjectId(k), lock, waiter, options.exclusive);
}
