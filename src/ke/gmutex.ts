/**
 * Guarded mutexes: one owner, no recursion, all kernel APCs of the owner off.
 *
 * Invariants: there are waiters only while there is an owner; a release hands the mutex to the oldest waiter, so nobody
 * overtakes.
 */
import { WaitReason } from "../abi/ke.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import { KeGetCurrentThread } from "./current.ts";
import { KeSetEvent } from "./event.ts";
import { type HeldLock, type LockEvent, newLockEvent, traceLock } from "./lockevent.ts";
import type { KThread } from "./objects.ts";
import { KeEnterGuardedRegion, KeLeaveGuardedRegion } from "./region.ts";
import { waitInKernel } from "./wait.ts";

export class KGuardedMutex implements HeldLock {
  readonly lockName = "guarded mutex";
  /** What it protects, for those who check the order of locks. */
  readonly role: string;
  owner: KThread | null = null;
  /** Oldest first. */
  readonly waiters: LockEvent[] = [];

  constructor(role = "guarded mutex") {
    this.role = role;
  }

  holders(): readonly KThread[] {
    return this.owner === null ? [] : [this.owner];
  }
}

/** Enters a guarded region and takes the mutex, waiting for it if need be.
 * @irql <= APC_LEVEL
 */
export function* KeAcquireGuardedMutex(k: Kernel, mutex: KGuardedMutex): Blocking<void> {
  KeEnterGuardedRegion(k);
  const thread = KeGetCurrentThread(k);
  assert(mutex.owner !== thread, "a guarded mutex is not acquired twice");
  if (mutex.owner === null) {
    mutex.owner = thread;
    if (k.sim.trace !== null) traceLock(k, "acquire", thread, mutex.role);
    return;
  }
  const event = newLockEvent(k, mutex, thread, { exclusive: true });
  mutex.waiters.push(event);
  yield* waitInKernel(k, event, WaitReason.WrPushLock);
  if (k.sim.trace !== null) traceLock(k, "acquire", thread, mutex.role);
}

/** Hands the mutex to the next waiter and leaves the guarded region, which delivers pending kernel APCs. */
export function* KeReleaseGuardedMutex(k: Kernel, mutex: KGuardedMutex): Blocking<void> {
  assert(mutex.owner === KeGetCurrentThread(k), "only its owner releases a guarded mutex");
  if (k.sim.trace !== null) traceLock(k, "release", KeGetCurrentThread(k), mutex.role);
  const next = mutex.waiters.shift();
  mutex.owner = next?.waiter ?? null;
  if (next !== undefined) KeSetEvent(k, next, 0);
  yield* KeLeaveGuardedRegion(k);
}
