/**
 * Walking the processes of the machine and the threads of a process while they come and go. The object that the walk
 * stands on is referenced, and therefore linked; moving on drops that reference. Whoever stops a walk half-way drops the
 * last one.
 */
import { KeAcquireGuardedMutex, KeReleaseGuardedMutex } from "../ke/gmutex.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import { ExAcquirePushLockShared, ExReleasePushLock } from "../ex/pushlock.ts";
import type { Kernel } from "../kernel.ts";
import { ObDereferenceObject, ObReferenceObjectSafe } from "../ob/reference.ts";
import type { ListEntry } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import type { EProcess, EThread } from "./objects.ts";

/**
 * The thread behind `previous` (or the first), referenced; drops the reference on `previous`. Threads that have exited
 * but are still referenced are in the list.
 */
export function* PsGetNextProcessThread(
  k: Kernel,
  process: EProcess,
  previous: EThread | null,
): Blocking<EThread | null> {
  KeEnterCriticalRegion(k);
  yield* ExAcquirePushLockShared(k, process.processLock);
  const next = firstReferenceable(previous?.ethreadListEntry ?? process.ethreadListHead);
  ExReleasePushLock(k, process.processLock);
  yield* KeLeaveCriticalRegion(k);
  if (previous !== null) yield* ObDereferenceObject(k, previous);
  return next;
}

/** The process behind `previous` (or the first), referenced; drops the reference on `previous`. */
export function* PsGetNextProcess(k: Kernel, previous: EProcess | null): Blocking<EProcess | null> {
  yield* KeAcquireGuardedMutex(k, k.ps.activeProcessMutex);
  const next = firstReferenceable(previous?.activeProcessLinks ?? k.ps.activeProcessHead);
  yield* KeReleaseGuardedMutex(k, k.ps.activeProcessMutex);
  if (previous !== null) yield* ObDereferenceObject(k, previous);
  return next;
}

/** The first object behind `position` that is not being deleted, referenced. */
function firstReferenceable<T extends EThread | EProcess>(position: ListEntry<T>): T | null {
  for (let entry = position.flink; entry !== null && entry.owner !== null; entry = entry.flink) {
    if (ObReferenceObjectSafe(entry.owner)) return entry.owner;
  }
  return null;
}
