/** Interlocked changes of flag words. A plain function is atomic, so each of these is one indivisible step. */
import type { EProcess, EThread } from "./objects.ts";

/** `PspSetCrossThreadFlag`. @returns the word before */
export function PspSetCrossThreadFlag(thread: EThread, flag: number): number {
  const before = thread.crossThreadFlags;
  thread.crossThreadFlags = before | flag;
  return before;
}

export function PspClearCrossThreadFlag(thread: EThread, flag: number): number {
  const before = thread.crossThreadFlags;
  thread.crossThreadFlags = before & ~flag;
  return before;
}

/** `PspSetProcessFlag`. @returns the word before */
export function PspSetProcessFlag(process: EProcess, flag: number): number {
  const before = process.flags;
  process.flags = before | flag;
  return before;
}

export function PspClearProcessFlag(process: EProcess, flag: number): number {
  const before = process.flags;
  process.flags = before & ~flag;
  return before;
}

export function hasCrossThreadFlag(thread: EThread, flag: number): boolean {
  return (thread.crossThreadFlags & flag) !== 0;
}

export function hasProcessFlag(process: EProcess, flag: number): boolean {
  return (process.flags & flag) !== 0;
}
