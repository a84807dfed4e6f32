/**
 * A region of an address space (`MMVAD`) and the state of its pages, kept as runs: neighbouring pages with the same
 * protection are one run, so a region costs the same whether it has one page or a hundred thousand.
 *
 * Invariants: `ends` rises strictly and its last value is `pageCount`; neighbouring runs differ. A run's value is
 * {@link RESERVED}, or the protection of its pages with {@link CHARGED} where the pages count against the commit limit.
 */
import { MEM_PRIVATE } from "../abi/mm.ts";
import { assert } from "../rtl/assert.ts";
import type { SectionView } from "./section.ts";

/** The pages are reserved and not committed. */
export const RESERVED = 0;
/** Bit of a run's value: its pages were charged against the commit limit. */
export const CHARGED = 0x10000;
/** The protection in a run's value. */
export const PROTECTION = 0xffff;

/** `MEM_PRIVATE`, `MEM_MAPPED` or `MEM_IMAGE`. */
export type VadType = number;

export class Vad {
  /** Page numbers; the end is exclusive. */
  readonly startPage: number;
  readonly endPage: number;
  readonly type: VadType;
  /** Protection with which the region was made. */
  readonly initialProtection: number;
  /** User mode may neither free nor protect it: TEBs, the PEB and the shared page. */
  readonly noChange: boolean;
  /** What is mapped here; null for private memory. */
  readonly view: SectionView | null;
  /** Ends of the runs, relative to the region, exclusive. */
  ends: number[];
  values: number[];

  constructor(init: VadInit) {
    this.startPage = init.startPage;
    this.endPage = init.endPage;
    this.type = init.type ?? MEM_PRIVATE;
    this.initialProtection = init.protection;
    this.noChange = init.noChange ?? false;
    this.view = init.view ?? null;
    this.ends = init.runs?.ends ?? [init.endPage - init.startPage];
    this.values = init.runs?.values ?? [init.value ?? RESERVED];
  }

  get pageCount(): number {
    return this.endPage - this.startPage;
  }
}

/** Runs of pages: where each one ends, and its value. */
export interface PageRuns {
  ends: number[];
  values: number[];
}

export interface VadInit {
  readonly startPage: number;
  readonly endPage: number;
  readonly protection: number;
  readonly type?: VadType;
  readonly noChange?: boolean;
  readonly view?: SectionView | null;
  /** The value of all pages; {@link RESERVED} if absent. */
  readonly value?: number;
  /** In place of `value`; the region keeps and changes the arrays. */
  readonly runs?: PageRuns;
}

/** Index of the run that holds page `page`, which is relative to the region. */
export function runIndex(vad: Vad, page: number): number {
  const { ends } = vad;
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (page < endOfRun(ends, middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The value of one page, relative to the region. */
export function pageValue(vad: Vad, page: number): number {
  const { values } = vad;
  if (values.length === 1) return values[0] ?? RESERVED;
  return values[runIndex(vad, page)] ?? RESERVED;
}

/** End of the run at `index`, relative to the region. */
export function endOfRun(ends: readonly number[], index: number): number {
  const end = ends[index];
  assert(end !== undefined, "a run's index is inside the region");
  return end;
}

/** Calls `visit` for every run that touches the pages [from, to), relative to the region, cut to that range. */
export function forEachRun(
  vad: Vad,
  from: number,
  to: number,
  visit: (runFrom: number, runTo: number, value: number) => void,
): void {
  let index = runIndex(vad, from);
  for (let at = from; at < to; index++) {
    const end = Math.min(endOfRun(vad.ends, index), to);
    visit(at, end, vad.values[index] ?? RESERVED);
    at = end;
  }
}

/** Sets the value of the pages [from, to), relative to the region. */
export function setRange(vad: Vad, from: number, to: number, value: number): void {
  updateRange(vad, from, to, () => value);
}

/** Replaces the values of the pages [from, to), relative to the region, run by run. */
export function updateRange(vad: Vad, from: number, to: number, change: (value: number) => number): void {
  assert(from >= 0 && from < to && to <= vad.pageCount, "a range of pages lies inside its region");
  const runs = new RunBuilder();
  const first = runIndex(vad, from);
  const last = runIndex(vad, to - 1);
  const before = first === 0 ? 0 : endOfRun(vad.ends, first - 1);
  // One neighbour on either side takes part, so that equal runs melt together.
  const low = first > 0 ? first - 1 : first;
  const high = Math.min(last + 1, vad.ends.length - 1);
  if (low < first) runs.add(before, vad.values[low] ?? RESERVED);
  if (from > before) runs.add(from, vad.values[first] ?? RESERVED);
  for (let index = first; index <= last; index++) {
    runs.add(Math.min(endOfRun(vad.ends, index), to), change(vad.values[index] ?? RESERVED));
  }
  if (to < endOfRun(vad.ends, last)) runs.add(endOfRun(vad.ends, last), vad.values[last] ?? RESERVED);
  if (high > last) runs.add(endOfRun(vad.ends, high), vad.values[high] ?? RESERVED);
  vad.ends = replaceRange(vad.ends, low, high + 1, runs.ends);
  vad.values = replaceRange(vad.values, low, high + 1, runs.values);
}

/** Beyond this many runs, spreading them as arguments could overflow the host's stack. */
const SPREAD_LIMIT = 1000;

function replaceRange(list: number[], from: number, to: number, replacement: number[]): number[] {
  if (replacement.length > SPREAD_LIMIT) return list.slice(0, from).concat(replacement, list.slice(to));
  list.splice(from, to - from, ...replacement);
  return list;
}

/** The runs of the pages [from, to), relative to `from`: what a region that is cut out of this one consists of. */
export function copyRuns(vad: Vad, from: number, to: number): PageRuns {
  const runs = new RunBuilder();
  forEachRun(vad, from, to, (_runFrom, runTo, value) => {
    runs.add(runTo - from, value);
  });
  return runs;
}

/** Pages of [from, to) that were charged. */
export function chargedPages(vad: Vad, from: number, to: number): number {
  let pages = 0;
  forEachRun(vad, from, to, (runFrom, runTo, value) => {
    if ((value & CHARGED) !== 0) pages += runTo - runFrom;
  });
  return pages;
}

class RunBuilder {
  readonly ends: number[] = [];
  readonly values: number[] = [];

  add(end: number, value: number): void {
    const last = this.ends.length - 1;
    if (last >= 0 && this.values[last] === value) this.ends[last] = end;
    else {
      this.ends.push(end);
      this.values.push(value);
    }
  }
}
