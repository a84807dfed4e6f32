/**
 * The books of memory: who owns each frame, and whether what was charged is what is there. Reports show the totals;
 * tests demand that there are no complaints.
 */
import type { GuestRam } from "../abi/processor.ts";
import type { Kernel } from "../kernel.ts";
import type { AddressSpace } from "./space.ts";
import { availableFrames, isPoolFrame } from "./frames.ts";
import { frameOf, PTE_PRESENT, PTE_PRIVATE, word } from "./pagetable.ts";
import { chargedPages } from "./vad.ts";

export interface MmLedger {
  readonly available: number;
  readonly directories: number;
  readonly pageTables: number;
  readonly privatePages: number;
  /** Of segments, used or cached. */
  readonly segmentPages: number;
  /** 1 with a shared user page. */
  readonly machinePages: number;
  readonly committedPages: number;
  /** What does not add up: sentences, empty if all is well. */
  readonly complaints: readonly string[];
}

type Owner = "free" | "directory" | "page table" | "private page" | "segment" | "machine";

export function mmLedger(k: Kernel): MmLedger {
  const books = new Books(k);
  for (const frame of k.mm.frames.free) books.own(frame, "free");
  if (k.mm.sharedUserFrame !== 0) books.own(k.mm.sharedUserFrame, "machine");
  for (const segment of k.mm.segments) for (const frame of segment.frames.values()) books.own(frame, "segment");
  if (k.mm.ram !== null) for (const space of k.mm.addressSpaces) auditSpace(books, k.mm.ram, space);
  auditFrames(k, books);
  auditCommit(k, books);
  return {
    available: availableFrames(k.mm.frames),
    directories: books.count("directory"),
    pageTables: books.count("page table"),
    privatePages: books.count("private page"),
    segmentPages: books.count("segment"),
    machinePages: books.count("machine"),
    committedPages: k.mm.committedPages,
    complaints: books.complaints,
  };
}

class Books {
  readonly complaints: string[] = [];
  readonly owners: Map<number, Owner> = new Map();
  readonly #k: Kernel;

  constructor(k: Kernel) {
    this.#k = k;
  }

  own(frame: number, owner: Owner): void {
    const other = this.owners.get(frame);
    if (other !== undefined) this.complaints.push(`frame ${frame} is owned twice: ${other} and ${owner}`);
    if (!isPoolFrame(this.#k.mm.frames, frame)) this.complaints.push(`frame ${frame} is none of ours: ${owner}`);
    this.owners.set(frame, owner);
  }

  count(owner: Owner): number {
    let count = 0;
    for (const other of this.owners.values()) if (other === owner) count++;
    return count;
  }
}

function auditSpace(books: Books, ram: GuestRam, space: AddressSpace): void {
  books.own(space.directory >>> 12, "directory");
  for (let slot = 0; slot < 1023; slot++) {
    const pde = word(ram.i32, (space.directory >>> 2) + slot);
    if (pde === 0) continue;
    const table = frameOf(pde);
    books.own(table, "page table");
    for (let index = 0; index < 1024; index++) auditEntry(books, ram, space, (slot << 10) + index, table);
  }
}

function auditEntry(books: Books, ram: GuestRam, space: AddressSpace, page: number, table: number): void {
  const pte = word(ram.i32, (table << 10) + (page & 0x3ff));
  if (pte === 0) return;
  const address = page * 4096;
  if (space.find(address) === null) books.complaints.push(`page 0x${address.toString(16)} is in no region`);
  if ((pte & PTE_PRIVATE) !== 0) {
    books.own(frameOf(pte), "private page");
    return;
  }
  const owner = books.owners.get(frameOf(pte));
  const shared = owner === "segment" || owner === "machine";
  if ((pte & PTE_PRESENT) === 0 || !shared) {
    books.complaints.push(`page 0x${address.toString(16)} shows a frame of ${owner ?? "nobody"}`);
  }
}

/** Every frame that was ever handed out is free or owned. */
function auditFrames(k: Kernel, books: Books): void {
  const { frames } = k.mm;
  for (let frame = frames.first; frame < frames.next; frame++) {
    if (isPoolFrame(frames, frame) && !books.owners.has(frame)) books.complaints.push(`frame ${frame} is lost`);
  }
}

function auditCommit(k: Kernel, books: Books): void {
  let total = 0;
  for (const space of k.mm.addressSpaces) {
    let charged = 0;
    for (const vad of space.vads) charged += chargedPages(vad, 0, vad.pageCount);
    if (charged !== space.committedPages) {
      books.complaints.push(`a process charged ${space.committedPages} pages and has ${charged}`);
    }
    total += space.committedPages;
  }
  for (const segment of k.mm.segments) total += segment.chargedPages;
  if (total !== k.mm.committedPages) {
    books.complaints.push(`the machine committed ${k.mm.committedPages} pages and its users ${total}`);
  }
}
