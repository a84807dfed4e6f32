/**
 * Physical page frames: a list of freed ones and a bump pointer behind it. The frame freed last is handed out first, so
 * two runs use the same frames. Frame 0 is never handed out; it stands for "none".
 *
 * Invariant: a frame in the free list is owned by nobody and the processor holds no code for it.
 */
import type { GuestRam } from "../abi/processor.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";

export interface FramePool {
  readonly ram: GuestRam | null;
  readonly first: number;
  readonly end: number;
  /** The next frame that was never handed out. */
  next: number;
  readonly free: number[];
}

/** Physical 0xA0000..0xBFFFF belongs to the processor's devices: no memory is there. */
const HOLE_FIRST = 0xa0;
const HOLE_END = 0xc0;

export function createFramePool(ram: GuestRam | null): FramePool {
  if (ram === null) return { ram, first: 0, end: 0, next: 0, free: [] };
  const first = skipHole(Math.max(ram.firstFreeFrame, 1));
  ram.framesInUse = first;
  return { ram, first, end: ram.byteLength >>> 12, next: first, free: [] };
}

/** Whether the frame is one that the pool hands out. */
export function isPoolFrame(pool: FramePool, frame: number): boolean {
  return frame >= pool.first && frame < pool.end && (frame < HOLE_FIRST || frame >= HOLE_END);
}

/** A frame with arbitrary content, or 0 if physical memory is used up. The caller fills all of it. */
export function allocateFrame(k: Kernel): number {
  const pool = k.mm.frames;
  const frame = takeFrame(pool);
  if (frame !== 0) return frame;
  return trimUnusedSegments(k) ? takeFrame(pool) : 0;
}

/** Gives up the pages of images that nobody has mapped; they come back from the file. @returns whether there were any */
function trimUnusedSegments(k: Kernel): boolean {
  const { ram } = k.mm;
  if (ram === null) return false;
  const before = k.mm.frames.free.length;
  for (const segment of k.mm.segments) {
    if (segment.references !== 0) continue;
    for (const frame of segment.frames.values()) freeFrame(k, ram, frame);
    segment.frames.clear();
  }
  return k.mm.frames.free.length > before;
}

/** A frame full of zeros, or 0. */
export function allocateZeroedFrame(k: Kernel, ram: GuestRam): number {
  const frame = allocateFrame(k);
  if (frame !== 0) ram.i32.fill(0, frame << 10, (frame + 1) << 10);
  return frame;
}

/** Gives the frame back and makes the processor forget what it compiled from it. */
export function freeFrame(k: Kernel, ram: GuestRam, frame: number): void {
  assert(isPoolFrame(k.mm.frames, frame), "only a frame of the pool is freed");
  ram.invalidateCode(frame);
  k.mm.frames.free.push(frame);
}

/** Frames that can still be handed out without trimming anything. */
export function availableFrames(pool: FramePool): number {
  const hole = pool.next < HOLE_FIRST ? Math.max(0, Math.min(pool.end, HOLE_END) - HOLE_FIRST) : 0;
  return pool.free.length + Math.max(0, pool.end - pool.next - hole);
}

function takeFrame(pool: FramePool): number {
  const freed = pool.free.pop();
  if (freed !== undefined) return freed;
  const frame = pool.next;
  if (frame >= pool.end) return 0;
  pool.next = skipHole(frame + 1);
  if (pool.ram !== null) pool.ram.framesInUse = pool.next;
  return frame;
}

function skipHole(frame: number): number {
  return frame >= HOLE_FIRST && frame < HOLE_END ? HOLE_END : frame;
}
