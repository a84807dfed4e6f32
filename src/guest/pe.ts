/**
 * PE images: the parser that stands between a file of unknown origin and the memory manager.
 *
 * Invariants of a `PeImage`:
 * - Its sections ascend, do not overlap each other or the headers, and lie within its size.
 * - All file bytes that back its pages exist; `pageSource` never names a byte outside the file.
 * - Parsing takes time and memory in proportion to the section table (at most 96 entries), whatever the file holds.
 *
 * Windows also refuses an image whose sections leave gaps. Here a gap is address space that nothing backs, because
 * tools that strip debug sections leave such gaps and other loaders take them.
 */
import {
  PAGE_EXECUTE,
  PAGE_EXECUTE_READ,
  PAGE_EXECUTE_READWRITE,
  PAGE_EXECUTE_WRITECOPY,
  PAGE_NOACCESS,
  PAGE_READONLY,
  PAGE_READWRITE,
  PAGE_SIZE,
  PAGE_WRITECOPY,
} from "../abi/mm.ts";
import type { NtResult } from "../abi/status.ts";
import { parseHeaders, refuse, roundUp, type ImageHeaders, type Refusal, type SectionTable } from "./peheaders.ts";

export { ImageDirectory, type DataDirectory, type ImageHeaders, type Refusal } from "./peheaders.ts";

export const IMAGE_SCN_MEM_SHARED = 0x10000000;
export const IMAGE_SCN_MEM_EXECUTE = 0x20000000;
export const IMAGE_SCN_MEM_READ = 0x40000000;
export const IMAGE_SCN_MEM_WRITE = 0x80000000;

export interface PeSection {
  readonly name: string;
  /** First byte, relative to the base; a multiple of the section alignment. */
  readonly va: number;
  /** Bytes that the program asked for; never 0. */
  readonly virtualSize: number;
  /** Bytes of address space, whole pages. */
  readonly span: number;
  /** Where the file bytes start. */
  readonly rawOffset: number;
  /** File bytes that back the section from its start; the rest is zero. */
  readonly rawSize: number;
  /** `PAGE_…`. */
  readonly protection: number;
  readonly characteristics: number;
}

/** File bytes that back the start of a page; the rest of the page is zero. */
export interface PageSource {
  readonly offset: number;
  readonly length: number;
}

export interface PeImage extends ImageHeaders {
  /** The file. */
  readonly bytes: Uint8Array;
  readonly sections: readonly PeSection[];
  /** What backs page `page` of the image, counted from its base. */
  pageSource(page: number): PageSource;
}

export type ImageResult = Extract<NtResult<PeImage>, { ok: true }> | Refusal;

/**
 * Parses an i386 image.
 * @returns STATUS_INVALID_IMAGE_FORMAT, with the reason in words, for everything that cannot run here.
 */
export function parseImage(bytes: Uint8Array): ImageResult {
  const file = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parsed = parseHeaders(file);
  if (!parsed.ok) return parsed;
  const sections = readSections(file, parsed.headers, parsed.sectionTable);
  if (!Array.isArray(sections)) return sections;
  const { headers } = parsed;
  const pageSource = (page: number): PageSource => findPageSource(headers, sections, page);
  return { ok: true, value: { ...headers, bytes, sections, pageSource } };
}

/** The section that holds an offset into the image. */
export function findSection(sections: readonly PeSection[], rva: number): PeSection | null {
  let low = 0;
  let high = sections.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const section = sections[middle];
    if (section === undefined) return null;
    if (rva < section.va) high = middle - 1;
    else if (rva >= section.va + section.span) low = middle + 1;
    else return section;
  }
  return null;
}

const NOTHING: PageSource = { offset: 0, length: 0 };

function findPageSource(headers: ImageHeaders, sections: readonly PeSection[], page: number): PageSource {
  const rva = page * PAGE_SIZE;
  if (rva < headers.headersSize) return { offset: rva, length: Math.min(PAGE_SIZE, headers.headersSize - rva) };
  const section = findSection(sections, rva);
  if (section === null) return NOTHING;
  const within = rva - section.va;
  if (within >= section.rawSize) return NOTHING;
  return { offset: section.rawOffset + within, length: Math.min(PAGE_SIZE, section.rawSize - within) };
}

const SECTION_HEADER_BYTES = 40;
/** The loader reads whole disk sectors, so that it ignores the low bits of a section's place in the file. */
const SECTOR_BYTES = 0x200;

function readSections(file: DataView, headers: ImageHeaders, table: SectionTable): PeSection[] | Refusal {
  const sections: PeSection[] = [];
  let free = roundUp(headers.headersSize, headers.sectionAlignment);
  for (let i = 0; i < table.count; i++) {
    const section = readSection(file, table.offset + SECTION_HEADER_BYTES * i, headers);
    if (section === null) return refuse("its file is cut short, within a section");
    if (section.va % headers.sectionAlignment !== 0) return refuse("its headers are damaged: a section is not aligned");
    if (section.va < free) return refuse("its headers are damaged: sections overlap");
    if (section.va + section.virtualSize > headers.size) {
      return refuse("its headers are damaged: a section lies outside of the image");
    }
    free = section.va + section.span;
    sections.push(section);
  }
  return sections;
}

/** @returns null when the file ends before the section does */
function readSection(file: DataView, offset: number, headers: ImageHeaders): PeSection | null {
  const u32 = (at: number): number => file.getUint32(offset + at, true);
  const pointer = u32(20);
  const fileBytes = pointer === 0 ? 0 : u32(16);
  if (pointer + fileBytes > file.byteLength && fileBytes > 0) return null;

  const virtualSize = u32(8) || u32(16) || 1;
  const rawOffset = fileBytes === 0 ? 0 : pointer - (pointer % SECTOR_BYTES);
  const sectorBytes = fileBytes === 0 ? 0 : pointer + fileBytes - rawOffset;
  return {
    name: readName(file, offset),
    va: u32(12),
    virtualSize,
    span: Math.min(roundUp(virtualSize, headers.sectionAlignment), headers.size - u32(12)),
    rawOffset,
    rawSize: Math.min(sectorBytes, roundUp(virtualSize, PAGE_SIZE)),
    protection: pageProtection(u32(36)),
    characteristics: u32(36),
  };
}

const SHORT_NAME_BYTES = 8;

function readName(file: DataView, offset: number): string {
  const name: number[] = [];
  for (let i = 0; i < SHORT_NAME_BYTES; i++) {
    const byte = file.getUint8(offset + i);
    if (byte === 0) break;
    name.push(byte);
  }
  return String.fromCharCode(...name);
}

/** Writable pages are copied at the first write unless the section is shared between processes. */
function pageProtection(characteristics: number): number {
  const execute = (characteristics & IMAGE_SCN_MEM_EXECUTE) !== 0;
  const shared = (characteristics & IMAGE_SCN_MEM_SHARED) !== 0;
  if ((characteristics & IMAGE_SCN_MEM_WRITE) !== 0) {
    if (shared) return execute ? PAGE_EXECUTE_READWRITE : PAGE_READWRITE;
    return execute ? PAGE_EXECUTE_WRITECOPY : PAGE_WRITECOPY;
  }
  if ((characteristics & IMAGE_SCN_MEM_READ) !== 0) return execute ? PAGE_EXECUTE_READ : PAGE_READONLY;
  return execute ? PAGE_EXECUTE : PAGE_NOACCESS;
}
