/**
 * Executive resources (`ERESOURCE`): one writer or many readers, and each of them may acquire again what it holds.
 *
 * Invariants: never a writer together with a reader; there are waiters only while somebody holds the resource; it is
 * handed on in the order in which threads came. Users are in a critical region.
 */
import { APC_LEVEL, WaitReason } from "../abi/ke.ts";
import { KeGetCurrentThread } from "../ke/current.ts";
import { KeSetEvent } from "../ke/event.ts";
import { type HeldLock, type LockEvent, newLockEvent } from "../ke/lockevent.ts";
import type { KThread } from "../ke/objects.ts";
import { waitInKernel } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";

export class EResource implements HeldLock {
  readonly lockName = "executive resource";
  writer: KThread | null = null;
  /** How often the writer has acquired it. */
  depth = 0;
  /** How often each reader has acquired it. */
  readonly readers: Map<KThread, number> = new Map();
  /** Oldest first. */
  readonly waiters: LockEvent[] = [];

  holders(): readonly KThread[] {
    return this.writer === null ? [...this.readers.keys()] : [this.writer];
  }
}

/** Takes the resource for writing.
 * @irql <= APC_LEVEL, normal kernel APCs off
 */
export function* ExAcquireResourceExclusiveLite(k: Kernel, resource: EResource): Blocking<void> {
  const thread = acquirer(k);
  if (resource.writer === thread) {
    resource.depth++;
    return;
  }
  assert(!resource.readers.has(thread), "a reader does not become a writer while it reads");
  if (resource.writer === null && resource.readers.size === 0) grant(resource, thread, { exclusive: true });
  else yield* waitForResource(k, resource, thread, { exclusive: true });
}

/** Takes the resource for reading; its writer acquires it once more instead.
 * @irql <= APC_LEVEL, normal kernel APCs off
 */
export function* ExAcquireResourceSharedLite(k: Kernel, resource: EResource): Blocking<void> {
  const thread = acquirer(k);
  if (resource.writer === thread) {
    resource.depth++;
    return;
  }
  const again = resource.readers.has(thread);
  if (again || (resource.writer === null && resource.waiters.length === 0)) {
    grant(resource, thread, { exclusive: false });
    return;
  }
  yield* waitForResource(k, resource, thread, { exclusive: false });
}

/** Undoes one acquisition of the current thread. */
export function ExReleaseResourceLite(k: Kernel, resource: EResource): void {
  const thread = KeGetCurrentThread(k);
  if (resource.writer === thread) {
    if (--resource.depth > 0) return;
    resource.writer = null;
  } else {
    const count = resource.readers.get(thread);
    assert(count !== undefined, "a resource is released by a thread that holds it");
    if (count > 1) {
      resource.readers.set(thread, count - 1);
      return;
    }
    resource.readers.delete(thread);
    if (resource.readers.size > 0) return;
  }
  handOn(k, resource);
}

/** `ExIsResourceAcquiredExclusiveLite`: whether the current thread is the writer. */
export function ExIsResourceAcquiredExclusiveLite(k: Kernel, resource: EResource): boolean {
  return resource.writer === KeGetCurrentThread(k);
}

function grant(resource: EResource, thread: KThread, options: { readonly exclusive: boolean }): void {
  if (options.exclusive) {
    resource.writer = thread;
    resource.depth = 1;
  } else {
    resource.readers.set(thread, (resource.readers.get(thread) ?? 0) + 1);
  }
}

function* waitForResource(
  k: Kernel,
  resource: EResource,
  thread: KThread,
  options: { readonly exclusive: boolean },
): Blocking<void> {
  const event = newLockEvent(k, resource, thread, options);
  resource.waiters.push(event);
  yield* waitInKernel(k, event, WaitReason.Executive);
}

function handOn(k: Kernel, resource: EResource): void {
  for (let next = resource.waiters[0]; next !== undefined; next = resource.waiters[0]) {
    if (next.exclusive && resource.readers.size > 0) return;
    resource.waiters.shift();
    grant(resource, next.waiter, { exclusive: next.exclusive });
    KeSetEvent(k, next, 0);
    if (next.exclusive) return;
  }
}

function acquirer(k: Kernel): KThread {
  const thread = KeGetCurrentThread(k);
  assert(thread.combinedApcDisable !== 0 || k.ke.prcb.irql >= APC_LEVEL, "a resource is acquired in a critical region");
  return thread;
}
