/**
 * Mutants and kernel mutexes.
 *
 * Invariant: a mutant is in its owner's list exactly while it has an owner; a dying thread's mutants are abandoned
 * before the thread is signaled.
 */
import { BugCheckCode } from "../abi/ke.ts";
import { type NtResult, failure, STATUS_MUTANT_NOT_OWNED, success } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { firstOf, insertTail, isLinked, removeEntry } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { newObjectId } from "../sim/identity.ts";
import { KeBugCheckEx } from "./bugcheck.ts";
import { KeGetCurrentThread } from "./current.ts";
import { KMutant, type KThread } from "./objects.ts";
import { KeLeaveCriticalRegion } from "./region.ts";
import { KiWaitTest } from "./waittest.ts";

/** A mutant for user mode, owned by the current thread if `initialOwner`. */
export function KeInitializeMutant(k: Kernel, options: { readonly initialOwner: boolean }): KMutant {
  const mutant = new KMutant(newObjectId(k), 0);
  if (options.initialOwner) {
    const thread = KeGetCurrentThread(k);
    mutant.signalState = 0;
    mutant.ownerThread = thread;
    insertTail(thread.mutantListHead, mutant.mutantListEntry);
  }
  return mutant;
}

/** A kernel mutex: owning it turns normal kernel APCs off. */
export function KeInitializeMutex(k: Kernel): KMutant {
  return new KMutant(newObjectId(k), 1);
}

/**
 * Releases one level of ownership of a mutant.
 * @returns the state before, or MUTANT_NOT_OWNED where NT raises it
 */
export function KeReleaseMutant(k: Kernel, mutant: KMutant, increment: number): NtResult<number> {
  const thread = KeGetCurrentThread(k);
  if (mutant.ownerThread !== thread) return failure(STATUS_MUTANT_NOT_OWNED);
  const before = mutant.signalState;
  mutant.signalState = before + 1;
  if (mutant.signalState === 1) passOn(k, mutant, increment);
  return success(before);
}

/** Releases a kernel mutex; the last release turns kernel APCs on again. */
export function* KeReleaseMutex(k: Kernel, mutex: KMutant): Blocking<NtResult<number>> {
  const thread = KeGetCurrentThread(k);
  const released = KeReleaseMutant(k, mutex, 1);
  if (released.ok && mutex.ownerThread !== thread) yield* KeLeaveCriticalRegion(k);
  return released;
}

/** What kind of thing a dying thread left behind, for its death certificate. */
export type AbandonedHandler = (mutant: KMutant) => void;

/**
 * Abandons every mutant that the current thread owns; the next owner learns of it.
 * A kernel mutex among them is a driver's error and stops the machine.
 * @source ntoskrnl/ps/kill.c:451-921, PspExitThread
 */
export function KeRundownThread(k: Kernel, abandoned: AbandonedHandler): void {
  const thread = KeGetCurrentThread(k);
  for (let mutant = firstOf(thread.mutantListHead); mutant !== null; mutant = firstOf(thread.mutantListHead)) {
    if (mutant.apcDisable !== 0) {
      KeBugCheckEx(k, BugCheckCode.THREAD_TERMINATE_HELD_MUTEX, thread.id, mutant.id);
    }
    abandoned(mutant);
    abandon(k, mutant);
  }
}

function abandon(k: Kernel, mutant: KMutant): void {
  mutant.signalState = 1;
  mutant.abandoned = true;
  passOn(k, mutant, 1);
}

/** Takes the mutant from its owner and lets the next waiter have it. */
function passOn(k: Kernel, mutant: KMutant, increment: number): void {
  if (isLinked(mutant.mutantListEntry)) removeEntry(mutant.mutantListEntry);
  mutant.ownerThread = null;
  KiWaitTest(k, mutant, increment);
}

/** The mutants that `thread` owns, by id; for reports. */
export function ownedMutants(thread: KThread): number[] {
  const ids: number[] = [];
  for (let entry = thread.mutantListHead.flink; entry?.owner; entry = entry.flink) ids.push(entry.owner.id);
  return ids;
}

/** The mutant object goes away while somebody owns it: it leaves the owner's list. */
export function rundownMutantObject(mutant: KMutant): void {
  if (isLinked(mutant.mutantListEntry)) removeEntry(mutant.mutantListEntry);
  mutant.ownerThread = null;
}
