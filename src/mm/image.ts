/**
 * Images as sections see them: what a parsed program file says about its pages, boiled down once and shared by every
 * machine of the host process that maps the file. Nothing here is ever written after it was made.
 */
import { PAGE_NOACCESS, PAGE_READONLY, PAGE_SHIFT, PAGE_SIZE } from "../abi/mm.ts";
import { asWriteCopy, isValidProtection, isWritable, isWriteCopy } from "./protection.ts";
import { CHARGED, type PageRuns } from "./vad.ts";

/** Pages of an image with one protection. */
export interface ImageSection {
  readonly firstPage: number;
  readonly pageCount: number;
  /** `PAGE_*`; write access means a copy unless `shared`. */
  readonly protection: number;
  /** All processes see each other's writes (`IMAGE_SCN_MEM_SHARED`). */
  readonly shared: boolean;
}

/** `SECTION_IMAGE_INFORMATION`. */
export interface ImageInformation {
  /** Relative to the base. */
  readonly entryPoint: number;
  readonly stackReserve: number;
  readonly stackCommit: number;
  readonly subsystem: number;
  readonly subsystemMajorVersion: number;
  readonly subsystemMinorVersion: number;
  readonly characteristics: number;
  readonly dllCharacteristics: number;
  readonly machine: number;
  readonly containsCode: boolean;
  readonly loaderFlags: number;
  readonly fileSize: number;
  readonly checkSum: number;
}

/** What a section needs to know of a parsed program file. */
export interface ImageLayout {
  /** Where the image wants to be: a multiple of 64 KiB. */
  readonly base: number;
  /** Bytes when mapped. */
  readonly size: number;
  /** Bytes of headers in front of the first section. */
  readonly headersSize: number;
  readonly sections: readonly ImageSection[];
  readonly bytes: Uint8Array;
  readonly information: ImageInformation;
  /** The bytes of the file that back a page; the rest of the page is zero. */
  pageSource(page: number): { readonly offset: number; readonly length: number };
}

/** An image ready to be mapped. Immutable: machines share it. */
export interface SharedImage {
  readonly base: number;
  readonly pageCount: number;
  readonly bytes: Uint8Array;
  readonly information: ImageInformation;
  /** The page runs of a fresh view. */
  readonly runs: PageRuns;
  /** Pages of a view that may be copied, and are therefore charged. */
  readonly chargedPages: number;
  /** Whether processes write to common pages of it: such pages start anew when the last user has gone. */
  readonly hasSharedData: boolean;
  /** Where each page's bytes are, and how many. */
  readonly offsets: Float64Array;
  readonly lengths: Uint16Array;
}

export function createSharedImage(layout: ImageLayout): SharedImage {
  const pageCount = Math.ceil(layout.size / PAGE_SIZE);
  const offsets = new Float64Array(pageCount);
  const lengths = new Uint16Array(pageCount);
  for (let page = 0; page < pageCount; page++) {
    const source = layout.pageSource(page);
    const available = Math.max(0, layout.bytes.length - source.offset);
    offsets[page] = source.offset;
    lengths[page] = Math.min(source.length, available, PAGE_SIZE);
  }
  const values = pageValues(layout, pageCount);
  const { base, bytes, information } = layout;
  const charged = values.reduce((sum, value) => sum + ((value & CHARGED) !== 0 ? 1 : 0), 0);
  const hasSharedData = values.some(isWritable);
  const runs = runsOf(values);
  return { base, pageCount, bytes, information, runs, chargedPages: charged, hasSharedData, offsets, lengths };
}

/** Reads a page of the image into `target`, which is a page long. */
export function readImagePage(image: SharedImage, page: number, target: Uint8Array): void {
  const offset = image.offsets[page] ?? 0;
  const length = image.lengths[page] ?? 0;
  if (length > 0) target.set(image.bytes.subarray(offset, offset + length));
  if (length < PAGE_SIZE) target.fill(0, length);
}

/** Whether processes share their writes to all of the pages [from, to). */
export function isSharedRange(image: SharedImage, from: number, to: number): boolean {
  const { ends, values } = image.runs;
  return values.every((value, index) => {
    const start = index === 0 ? 0 : (ends[index - 1] ?? 0);
    const apart = start >= to || (ends[index] ?? 0) <= from;
    return apart || isWritable(value);
  });
}

/** The value of every page; pages between the sections can't be touched. */
function pageValues(layout: ImageLayout, pageCount: number): number[] {
  const values = new Array<number>(pageCount).fill(PAGE_NOACCESS);
  const headerPages = Math.min(pageCount, Math.max(1, (layout.headersSize + PAGE_SIZE - 1) >>> PAGE_SHIFT));
  values.fill(PAGE_READONLY, 0, headerPages);
  for (const section of layout.sections) {
    const end = Math.min(section.firstPage + section.pageCount, pageCount);
    values.fill(sectionValue(section), section.firstPage, end);
  }
  return values;
}

function sectionValue(section: ImageSection): number {
  const legal = isValidProtection(section.protection) ? section.protection : PAGE_NOACCESS;
  const protection = section.shared ? legal : asWriteCopy(legal);
  return isWriteCopy(protection) ? protection | CHARGED : protection;
}

function runsOf(values: readonly number[]): PageRuns {
  const runs: PageRuns = { ends: [], values: [] };
  values.forEach((value, page) => {
    if (values[page + 1] === value) return;
    runs.ends.push(page + 1);
    runs.values.push(value);
  });
  return runs;
}
