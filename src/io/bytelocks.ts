/**
 * Byte-range locks of one file. A shared lock stops writers, an exclusive one everybody but the process that holds it.
 * Requests that may wait do so as pending IRPs, granted in the order in which they came.
 */
import {
  type NtStatus,
  STATUS_CANCELLED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_PENDING,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import { ExAllocatePoolWithTag, ExFreePoolWithTag, type PoolBlock } from "../ex/pool.ts";
import type { KProcess } from "../ke/objects.ts";
import type { Kernel } from "../kernel.ts";
import { IoReleaseCancelSpinLock } from "./cancelspinlock.ts";
import { IoCompleteRequest } from "./complete.ts";
import type { FileObject } from "./file.ts";
import { IoSetCancelRoutine, type Irp } from "./irp.ts";
import { STATUS_FILE_LOCK_CONFLICT, STATUS_LOCK_NOT_GRANTED, STATUS_RANGE_NOT_LOCKED } from "./status.ts";

const TAG_LOCK = "FLck";
const LOCK_POOL_BYTES = 0x38;
/** Of one file. Looking through all of them must stay cheap, whatever a guest is up to. */
const MAXIMUM_LOCKS = 8192;
const MAXIMUM_WAITERS = 256;

/** A range and who asks for it. Ranges may end beyond any file. */
export interface LockRange {
  readonly file: FileObject;
  readonly process: KProcess;
  readonly key: number;
  readonly start: bigint;
  readonly length: bigint;
}

export interface LockRequest extends LockRange {
  readonly exclusive: boolean;
  readonly failImmediately: boolean;
}

interface HeldLock extends LockRequest {
  readonly block: PoolBlock;
}

interface WaitingLock {
  readonly request: LockRequest;
  readonly irp: Irp;
}

export class ByteRangeLocks {
  #held: HeldLock[] = [];
  #waiting: WaitingLock[] = [];

  /** Takes a lock. @returns SUCCESS, PENDING, LOCK_NOT_GRANTED or INSUFFICIENT_RESOURCES */
  lock(k: Kernel, request: LockRequest, irp: Irp): NtStatus {
    if (!this.#conflicts(request)) return this.#take(k, request);
    if (request.failImmediately) return STATUS_LOCK_NOT_GRANTED;
    if (this.#waiting.length >= MAXIMUM_WAITERS) return STATUS_INSUFFICIENT_RESOURCES;
    this.#waiting.push({ request, irp });
    IoSetCancelRoutine(irp, (machine) => {
      IoReleaseCancelSpinLock(machine, irp.cancelIrql);
      this.#waiting = this.#waiting.filter((waiter) => waiter.irp !== irp);
      IoCompleteRequest(k, irp, STATUS_CANCELLED, 0, 0);
    });
    return STATUS_PENDING;
  }

  /** Releases exactly the range that was locked. */
  unlock(k: Kernel, range: LockRange): NtStatus {
    const index = this.#held.findIndex((lock) => sameOwner(lock, range) && sameRange(lock, range));
    const lock = this.#held[index];
    if (lock === undefined) return STATUS_RANGE_NOT_LOCKED;
    this.#held.splice(index, 1);
    ExFreePoolWithTag(k, lock.block, TAG_LOCK);
    this.#grant(k);
    return STATUS_SUCCESS;
  }

  /** Releases everything that an open file holds or waits for, or what one process holds through it. */
  releaseAll(k: Kernel, file: FileObject, process: KProcess | null): void {
    const goes = (lock: LockRange): boolean => lock.file === file && (process === null || lock.process === process);
    for (const lock of this.#held) if (goes(lock)) ExFreePoolWithTag(k, lock.block, TAG_LOCK);
    this.#held = this.#held.filter((lock) => !goes(lock));
    const given = this.#waiting.filter((waiter) => goes(waiter.request));
    this.#waiting = this.#waiting.filter((waiter) => !goes(waiter.request));
    for (const { irp } of given) endWait(k, irp, STATUS_RANGE_NOT_LOCKED);
    this.#grant(k);
  }

  /** Whether an access to the range is allowed. @returns SUCCESS or FILE_LOCK_CONFLICT */
  checkAccess(range: LockRange, write: boolean): NtStatus {
    for (const lock of this.#held) {
      if (!overlaps(lock, range)) continue;
      if (!lock.exclusive && !write) continue;
      if (lock.exclusive && sameOwner(lock, range)) continue;
      return STATUS_FILE_LOCK_CONFLICT;
    }
    return STATUS_SUCCESS;
  }

  #conflicts(request: LockRequest): boolean {
    return this.#held.some((lock) => overlaps(lock, request) && (lock.exclusive || request.exclusive));
  }

  #take(k: Kernel, request: LockRequest): NtStatus {
    const room = this.#held.length < MAXIMUM_LOCKS;
    const block = room ? ExAllocatePoolWithTag(k, LOCK_POOL_BYTES, TAG_LOCK) : null;
    if (block === null) return STATUS_INSUFFICIENT_RESOURCES;
    this.#held.push({ ...request, block });
    return STATUS_SUCCESS;
  }

  /** Something was released: whoever waits and now may have its range gets it. */
  #grant(k: Kernel): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) {
      if (this.#conflicts(waiter.request)) {
        this.#waiting.push(waiter);
        continue;
      }
      endWait(k, waiter.irp, this.#take(k, waiter.request));
    }
  }
}

/** Completes a request that waited, which from here on nobody can cancel. */
function endWait(k: Kernel, irp: Irp, status: NtStatus): void {
  IoSetCancelRoutine(irp, null);
  IoCompleteRequest(k, irp, status, 0, 0);
}

function sameOwner(a: LockRange, b: LockRange): boolean {
  return a.file === b.file && a.process === b.process && a.key === b.key;
}

function sameRange(a: LockRange, b: LockRange): boolean {
  return a.start === b.start && a.length === b.length;
}

/** Ranges of length 0 lie between bytes and overlap nothing. */
function overlaps(a: LockRange, b: LockRange): boolean {
  return a.length > 0n && b.length > 0n && a.start < b.start + b.length && b.start < a.start + a.length;
}
