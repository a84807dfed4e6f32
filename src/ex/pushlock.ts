/**
 * Push locks: one writer or many readers, first come first served.
 *
 * Invariants: never a writer together with anybody else; there are waiters only while somebody holds the lock; a release
 * hands the lock on, so a newcomer never overtakes; a reader waits behind a waiting writer. Users are in a critical
 * region or at APC_LEVEL, so that no holder is ever suspended or killed.
 */
import { APC_LEVEL, WaitReason } from "../abi/ke.ts";
import { KeGetCurrentThread } from "../ke/current.ts";
import { KeSetEvent } from "../ke/event.ts";
import { type HeldLock, type LockEvent, newLockEvent, traceLock } from "../ke/lockevent.ts";
import type { KThread } from "../ke/objects.ts";
import { waitInKernel } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { type Blocking, DONE } from "../sim/blocking.ts";

/** `EX_PUSH_LOCK`. NT records no owner; this one does, for checks and wait graphs. */
export class ExPushLock implements HeldLock {
  readonly lockName = "push lock";
  /** What it protects, for those who check the order of locks. */
  readonly role: string;
  writer: KThread | null = null;
  readonly readers: KThread[] = [];
  /** Oldest first. */
  readonly waiters: LockEvent[] = [];

  constructor(role = "push lock") {
    this.role = role;
  }

  holders(): readonly KThread[] {
    return this.writer === null ? this.readers : [this.writer];
  }
}

/** Takes the lock for writing if it is free. Callers that find it free avoid a generator. */
export function tryAcquirePushLockExclusive(k: Kernel, lock: ExPushLock): boolean {
  const thread = acquirer(k, lock);
  if (lock.writer !== null || lock.readers.length > 0) return false;
  lock.writer = thread;
  if (k.sim.trace !== null) traceLock(k, "acquire", thread, lock.role);
  return true;
}

/** Takes the lock for reading if nobody writes and nobody waits. */
export function tryAcquirePushLockShared(k: Kernel, lock: ExPushLock): boolean {
  const thread = acquirer(k, lock);
  if (lock.writer !== null || lock.waiters.length > 0) return false;
  lock.readers.push(thread);
  if (k.sim.trace !== null) traceLock(k, "acquire", thread, lock.role);
  return true;
}

/** Takes the lock for writing.
 * @irql <= APC_LEVEL, normal kernel APCs off
 */
export function ExAcquirePushLockExclusive(k: Kernel, lock: ExPushLock): Blocking<void> {
  return tryAcquirePushLockExclusive(k, lock) ? DONE : waitForLock(k, lock, { exclusive: true });
}

/** Takes the lock for reading.
 * @irql <= APC_LEVEL, normal kernel APCs off
 */
export function ExAcquirePushLockShared(k: Kernel, lock: ExPushLock): Blocking<void> {
  return tryAcquirePushLockShared(k, lock) ? DONE : waitForLock(k, lock, { exclusive: false });
}

/** Releases the lock, whichever way it was taken. */
export function ExReleasePushLock(k: Kernel, lock: ExPushLock): void {
  const thread = KeGetCurrentThread(k);
  if (k.sim.trace !== null) traceLock(k, "release", thread, lock.role);
  if (lock.writer === thread) {
    lock.writer = null;
  } else {
    const index = lock.readers.indexOf(thread);
    assert(index >= 0, "a push lock is released by a thread that holds it");
    lock.readers.splice(index, 1);
    if (lock.readers.length > 0) return;
  }
  if (lock.waiters.length > 0) handOn(k, lock);
}

function* waitForLock(k: Kernel, lock: ExPushLock, options: { readonly exclusive: boolean }): Blocking<void> {
  const event = newLockEvent(k, lock, KeGetCurrentThread(k), options);
  lock.waiters.push(event);
  yield* waitInKernel(k, event, WaitReason.WrPushLock);
  if (k.sim.trace !== null) traceLock(k, "acquire", event.waiter, lock.role);
}

/** Gives a free lock to the oldest waiter; if that one reads, to every reader up to the next writer. */
function handOn(k: Kernel, lock: ExPushLock): void {
  for (let next = lock.waiters[0]; next !== undefined; next = lock.waiters[0]) {
    if (next.exclusive && lock.readers.length > 0) return;
    lock.waiters.shift();
    if (next.exclusive) lock.writer = next.waiter;
    else lock.readers.push(next.waiter);
    KeSetEvent(k, next, 0);
    if (next.exclusive) return;
  }
}

function acquirer(k: Kernel, lock: ExPushLock): KThread {
  const thread = KeGetCurrentThread(k);
  assert(
    thread.combinedApcDisable !== 0 || k.ke.prcb.irql >= APC_LEVEL,
    "a push lock is acquired in a critical region",
  );
  assert(lock.writer !== thread && !lock.readers.includes(thread), "a push lock is not acquired twice");
  return thread;
}
