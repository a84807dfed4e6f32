/**
 * References to objects, and what happens when the last one is dropped.
 *
 * Invariants: an object is deleted once, with count 0, and never comes back. It is deleted by whoever dropped the last
 * reference if that thread may block freely, else by a worker.
 */
import { BugCheckCode } from "../abi/ke.ts";
import { ExFreePool } from "../ex/pool.ts";
import { ExQueueWorkItem, ExWorkItem, WorkQueueType } from "../ex/work.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import { KeAreAllApcsDisabled } from "../ke/region.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import { trace } from "../sim/record.ts";
import { headerOf, type ObjectHeader } from "./header.ts";

/** Adds a reference for a caller who already has one, or knows somebody who has. @returns the count after */
export function ObReferenceObject(body: ObjectBody): number {
  return ObReferenceObjectEx(body, 1);
}

export function ObReferenceObjectEx(body: ObjectBody, count: number): number {
  const header = headerOf(body);
  assert(header.pointerCount > 0, "a reference is added to an object that somebody refers to");
  header.pointerCount += count;
  return header.pointerCount;
}

/** Adds a reference unless the object is on its way out. @returns whether it did */
export function ObReferenceObjectSafe(body: ObjectBody): boolean {
  const header = headerOf(body);
  if (header.pointerCount === 0) return false;
  header.pointerCount++;
  return true;
}

/** Drops a reference unless it is the last one. Callers on hot paths try this before {@link ObDereferenceObject}. */
export function dropReference(body: ObjectBody): boolean {
  const header = headerOf(body);
  if (header.pointerCount <= 1) return false;
  header.pointerCount--;
  return true;
}

/** Drops a reference; the last one deletes the object, here or in a worker. @returns the count after */
export function* ObDereferenceObject(k: Kernel, body: ObjectBody): Blocking<number> {
  const header = headerOf(body);
  const count = takeReferences(k, header, 1);
  if (count > 0) return count;
  if (KeAreAllApcsDisabled(k)) {
    deferDeletion(k, header);
    return 0;
  }
  const { deleteProcedure } = header.type;
  beginDeletion(header);
  if (deleteProcedure !== null) yield* deleteProcedure(k, header.body);
  endDeletion(k, header);
  return 0;
}

/** Drops references; if the last one is among them, a worker deletes the object.
 * @irql any
 */
export function ObDereferenceObjectEx(k: Kernel, body: ObjectBody, count: number): number {
  const header = headerOf(body);
  const left = takeReferences(k, header, count);
  if (left === 0) deferDeletion(k, header);
  return left;
}

/** Drops one reference and never runs a delete procedure here.
 * @irql any
 */
export function ObDereferenceObjectDeferDelete(k: Kernel, body: ObjectBody): void {
  ObDereferenceObjectEx(k, body, 1);
}

function takeReferences(k: Kernel, header: ObjectHeader, count: number): number {
  if (header.pointerCount < count) {
    KeBugCheckEx(k, BugCheckCode.REFERENCE_BY_POINTER, header.type.id, header.body.id, count, header.pointerCount);
  }
  header.pointerCount -= count;
  return header.pointerCount;
}

/** An object on its way to the worker that deletes it. */
export interface ObReaperLink {
  readonly header: ObjectHeader;
  readonly next: ObReaperLink | null;
}

/** What those who drop references and the worker share. */
export interface ObReaperState {
  /** Newest first. */
  list: ObReaperLink | null;
  /** Whether the work item is queued or being carried out: then a push needs no new one. */
  active: boolean;
  readonly item: ExWorkItem;
}

export function createObReaper(): ObReaperState {
  return { list: null, active: false, item: new ExWorkItem(ObpReapObjects) };
}

function deferDeletion(k: Kernel, header: ObjectHeader): void {
  const { reaper } = k.ob;
  reaper.list = { header, next: reaper.list };
  if (reaper.active) return;
  reaper.active = true;
  ExQueueWorkItem(k, reaper.item, WorkQueueType.Critical);
}

/** Deletes what could not be deleted where its last reference was dropped, until nothing is left. */
function* ObpReapObjects(k: Kernel): Blocking<void> {
  const { reaper } = k.ob;
  for (let link = reaper.list; link !== null; link = reaper.list) {
    reaper.list = null;
    for (let next: ObReaperLink | null = link; next !== null; next = next.next) {
      const { header } = next;
      const { deleteProcedure } = header.type;
      beginDeletion(header);
      if (deleteProcedure !== null) yield* deleteProcedure(k, header.body);
      endDeletion(k, header);
    }
  }
  reaper.active = false;
}

/** What holds when the delete procedure is called. */
function beginDeletion(header: ObjectHeader): void {
  assert(!header.deleted, "an object is deleted once");
  assert(header.handleCount === 0, "an object without references has no handles");
  header.deleted = true;
}

/** The delete procedure has returned: the object is forgotten. */
function endDeletion(k: Kernel, header: ObjectHeader): void {
  const { body, type, block } = header;
  assert(header.pointerCount === 0, "a delete procedure does not bring its object back");
  k.ob.live.delete(header);
  type.totalObjects--;
  if (block !== null) ExFreePool(k, block);
  if (k.sim.trace !== null) trace(k, { kind: "object", act: "deleted", id: body.id, type: type.name });
}
