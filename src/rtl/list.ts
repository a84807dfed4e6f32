/**
 * NT's doubly linked intrusive list. An entry belongs to the object that embeds it and is in at most one list; the head
 * is an entry that belongs to no object. Insertion and removal are O(1) and allocate nothing.
 *
 * Invariant: `flink === null` exactly while the entry is in no list; an initialised head is never null.
 */
import { assert } from "./assert.ts";

/** An entry of a list of `T`; `owner` is the object that embeds it (`CONTAINING_RECORD`), null for a list head. */
export class ListEntry<T> {
  flink: ListEntry<T> | null = null;
  blink: ListEntry<T> | null = null;
  readonly owner: T | null;

  constructor(owner: T | null) {
    this.owner = owner;
  }
}

/** A new, empty list head. */
export function listHead<T>(): ListEntry<T> {
  const head = new ListEntry<T>(null);
  head.flink = head;
  head.blink = head;
  return head;
}

export function isListEmpty<T>(head: ListEntry<T>): boolean {
  return head.flink === head;
}

/** Whether the entry is in some list. */
export function isLinked<T>(entry: ListEntry<T>): boolean {
  return entry.flink !== null;
}

export function insertTail<T>(head: ListEntry<T>, entry: ListEntry<T>): void {
  insertBetween(head.blink, entry, head);
}

export function insertHead<T>(head: ListEntry<T>, entry: ListEntry<T>): void {
  insertBetween(head, entry, head.flink);
}

/** Inserts `entry` right behind `position`, which may be a head. */
export function insertAfter<T>(position: ListEntry<T>, entry: ListEntry<T>): void {
  insertBetween(position, entry, position.flink);
}

export function removeEntry<T>(entry: ListEntry<T>): void {
  const { flink, blink } = entry;
  assert(flink !== null && blink !== null, "an entry is removed from a list that holds it");
  blink.flink = flink;
  flink.blink = blink;
  entry.flink = null;
  entry.blink = null;
}

/** Unlinks the first entry and returns its owner, or null if the list is empty. */
export function removeHead<T>(head: ListEntry<T>): T | null {
  const first = head.flink;
  if (first === head || first === null) return null;
  removeEntry(first);
  return first.owner;
}

/** The owner of the first entry, or null if the list is empty. */
export function firstOf<T>(head: ListEntry<T>): T | null {
  return head.flink === null ? null : head.flink.owner;
}

/** The owners of all entries, in order. A snapshot: the list may change while it is walked. */
export function listOwners<T>(head: ListEntry<T>): T[] {
  const owners: T[] = [];
  for (let entry = head.flink; entry !== null && entry !== head; entry = entry.flink) {
    if (entry.owner !== null) owners.push(entry.owner);
  }
  return owners;
}

function insertBetween<T>(before: ListEntry<T> | null, entry: ListEntry<T>, after: ListEntry<T> | null): void {
  assert(entry.flink === null, "an entry is in one list at most");
  assert(before !== null && after !== null, "a list head is initialised before it is used");
  entry.flink = after;
  entry.blink = before;
  before.flink = entry;
  after.blink = entry;
}
