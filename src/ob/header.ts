/**
 * The object header: counts, name and holders of one object.
 *
 * Invariants: every handle owns one pointer reference, and so does a name in the name space; the handle count is the sum
 * over the holders. An object is in the machine's ledger from its creation until its delete procedure has returned.
 */
import type { PoolBlock } from "../ex/pool.ts";
import { assert } from "../rtl/assert.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { ObjectDirectory } from "./directory.ts";
import type { ObProcess } from "./process.ts";
import type { ObjectType } from "./type.ts";

/** Where an object is found; owns a reference on the directory. */
export interface ObjectName {
  readonly directory: ObjectDirectory;
  readonly name: string;
}

export class ObjectHeader {
  readonly body: ObjectBody;
  readonly type: ObjectType;
  /** Null for the objects that are made while the machine boots. */
  readonly block: PoolBlock | null;
  pointerCount = 1;
  handleCount = 0;
  name: ObjectName | null = null;
  permanent = false;
  /** The only process that may have handles, if the object was made with OBJ_EXCLUSIVE. */
  exclusiveTo: ObProcess | null = null;
  deleted = false;
  /** The first holder is kept apart: most objects have one. */
  holder: ObProcess | null = null;
  holderCount = 0;
  otherHolders: Map<ObProcess, number> | null = null;

  constructor(body: ObjectBody, type: ObjectType, block: PoolBlock | null) {
    this.body = body;
    this.type = type;
    this.block = block;
  }
}

export function headerOf(body: ObjectBody): ObjectHeader {
  const header = body.objectHeader;
  assert(header instanceof ObjectHeader, "an object has a header before anybody refers to it");
  return header;
}

/** Handles of `process` to the object. */
export function handlesOf(header: ObjectHeader, process: ObProcess): number {
  if (header.holder === process) return header.holderCount;
  return header.otherHolders?.get(process) ?? 0;
}

export function addHolder(header: ObjectHeader, process: ObProcess): void {
  header.handleCount++;
  if (header.holder === process || header.holder === null) {
    header.holder = process;
    header.holderCount++;
    return;
  }
  header.otherHolders ??= new Map();
  header.otherHolders.set(process, (header.otherHolders.get(process) ?? 0) + 1);
}

export function removeHolder(header: ObjectHeader, process: ObProcess): void {
  assert(header.handleCount > 0, "a handle is counted until it is closed");
  header.handleCount--;
  if (header.holder === process) {
    if (--header.holderCount === 0) promoteHolder(header);
    return;
  }
  const count = header.otherHolders?.get(process);
  assert(count !== undefined, "a handle is counted for the process that has it");
  if (count > 1) header.otherHolders?.set(process, count - 1);
  else header.otherHolders?.delete(process);
}

/** Every process with handles to the object, and how many it has. */
export function holdersOf(header: ObjectHeader): [ObProcess, number][] {
  const holders: [ObProcess, number][] = header.holder === null ? [] : [[header.holder, header.holderCount]];
  if (header.otherHolders !== null) holders.push(...header.otherHolders);
  return holders;
}

function promoteHolder(header: ObjectHeader): void {
  header.holder = null;
  const next = header.otherHolders?.entries().next().value;
  if (next === undefined) return;
  [header.holder, header.holderCount] = next;
  header.otherHolders?.delete(next[0]);
}
