/**
 * Segments (NT's control areas with their prototype entries): the pages that the views of a section share. All sections
 * over one file share one segment, so processes see each other's pages and an image is loaded once a machine.
 *
 * Invariants: `references` counts the section objects; the frames in `frames` belong to the segment. A data segment goes
 * with its last section; an image segment stays, with its frames, until frames run short.
 */
import { PAGE_SIZE } from "../abi/mm.ts";
import type { GuestRam } from "../abi/processor.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { returnMachineCommit } from "./commit.ts";
import { allocateFrame, freeFrame } from "./frames.ts";
import { readImagePage, type SharedImage } from "./image.ts";

/** The bytes of a file, as far as mapping it needs them. Stays usable as long as any section over the file exists. */
export interface ByteSource {
  readonly length: number;
  /** Reads into all of `target`. @returns bytes read, fewer at the end of the file; -1 if the file can't be read */
  read(offset: number, target: Uint8Array): number;
  /** Writes back a modified page; absent if the file can't be written. @returns whether it worked */
  write?(offset: number, bytes: Uint8Array): boolean;
}

export class Segment {
  pageCount: number;
  /** Sections that use it. */
  references = 0;
  /** Loaded pages and their frames. */
  readonly frames: Map<number, number> = new Map();
  readonly image: SharedImage | null;
  /** The last one that can write, if any of the sections' can. */
  source: ByteSource | null;
  /** Names the file; null: nobody else can find this segment. */
  readonly identity: string | null;
  /** For SEC_RESERVE: the pages that are committed, each of them charged. Null: all pages are. */
  readonly committed: Set<number> | null;
  /** Pages charged against the machine's commit limit. */
  chargedPages = 0;
  /** Pages of a file that somebody could write to through a view. */
  readonly dirty: Set<number> = new Set();

  constructor(init: SegmentInit) {
    this.pageCount = init.pageCount;
    this.image = init.image ?? null;
    this.source = init.source ?? null;
    this.identity = init.identity ?? null;
    this.committed = init.reserve === true ? new Set() : null;
  }
}

export interface SegmentInit {
  readonly pageCount: number;
  readonly image?: SharedImage;
  readonly source?: ByteSource;
  readonly identity?: string | null;
  /** Pages are committed one by one. */
  readonly reserve?: boolean;
}

/** Why a page could not be had: physical memory is used up, or its file can't be read. */
export const NO_FRAME = 0;
const READ_FAILED = -1;

export function isCommitted(segment: Segment, page: number): boolean {
  return segment.committed === null || segment.committed.has(page);
}

/** The frame of a page, loaded if it is not. @returns NO_FRAME or READ_FAILED if it can't be */
export function segmentFrame(k: Kernel, ram: GuestRam, segment: Segment, page: number): number {
  const loaded = segment.frames.get(page);
  if (loaded !== undefined) return loaded;
  const frame = loadCopy(k, ram, segment, page);
  if (frame > 0) segment.frames.set(page, frame);
  return frame;
}

/** A new frame with the content of a page, owned by the caller. @returns NO_FRAME or READ_FAILED */
export function loadCopy(k: Kernel, ram: GuestRam, segment: Segment, page: number): number {
  const frame = allocateFrame(k);
  if (frame === 0) return NO_FRAME;
  const target = ram.u8.subarray(frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE);
  if (readPage(k, ram, segment, page, target)) return frame;
  freeFrame(k, ram, frame);
  return READ_FAILED;
}

function readPage(k: Kernel, ram: GuestRam, segment: Segment, page: number, target: Uint8Array): boolean {
  const loaded = segment.frames.get(page);
  if (loaded !== undefined) {
    target.set(ram.u8.subarray(loaded * PAGE_SIZE, (loaded + 1) * PAGE_SIZE));
    return true;
  }
  if (segment.image !== null) {
    k.mm.statistics.pagesRead++;
    readImagePage(segment.image, page, target);
    return true;
  }
  if (segment.source === null) {
    target.fill(0);
    return true;
  }
  k.mm.statistics.pagesRead++;
  const count = segment.source.read(page * PAGE_SIZE, target);
  if (count < 0 || count > PAGE_SIZE) return false;
  target.fill(0, count);
  return true;
}

/** Another section uses the segment. */
export function referenceSegment(k: Kernel, segment: Segment): void {
  segment.references++;
  k.mm.segments.add(segment);
}

/** A section is gone. The last one writes modified pages back and frees what is not worth keeping. */
export function dereferenceSegment(k: Kernel, segment: Segment): void {
  assert(segment.references > 0, "a segment is dereferenced once for each of its sections");
  segment.references--;
  if (segment.references > 0) return;
  if (isWorthKeeping(k, segment)) return;
  flushSegment(k, segment);
  deleteSegment(k, segment);
}

function isWorthKeeping(k: Kernel, segment: Segment): boolean {
  const { identity, image } = segment;
  return identity !== null && image !== null && !image.hasSharedData && k.mm.images.get(identity) === segment;
}

/** Writes modified pages back to the file. @returns whether all of it worked */
function flushSegment(k: Kernel, segment: Segment): boolean {
  const { ram } = k.mm;
  const { source } = segment;
  if (ram === null || source?.write === undefined) return true;
  let worked = true;
  for (const page of segment.dirty) {
    const frame = segment.frames.get(page);
    const bytes = Math.min(PAGE_SIZE, source.length - page * PAGE_SIZE);
    if (frame === undefined || bytes <= 0) continue;
    const start = frame * PAGE_SIZE;
    if (!source.write(page * PAGE_SIZE, ram.u8.slice(start, start + bytes))) worked = false;
  }
  return worked;
}

function deleteSegment(k: Kernel, segment: Segment): void {
  const { ram } = k.mm;
  if (ram !== null) for (const frame of segment.frames.values()) freeFrame(k, ram, frame);
  segment.frames.clear();
  returnMachineCommit(k, segment.chargedPages);
  segment.chargedPages = 0;
  k.mm.segments.delete(segment);
  if (segment.identity === null) return;
  if (segment.image === null) k.mm.files.delete(segment.identity);
  else k.mm.images.delete(segment.identity);
}

/** Pages that `bytes` take. */
export function pagesFor(bytes: number): number {
  return Math.ceil(bytes / PAGE_SIZE);
}
