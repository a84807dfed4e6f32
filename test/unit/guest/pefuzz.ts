/** What must hold of every file, however it is spoilt: used by the quick property tests and by the slow suite. */
import { parseImage, type PeImage } from "../../../src/guest/pe.ts";
import { readRelocations, readTlsDirectory } from "../../../src/guest/pedirectories.ts";
import { findExport, readExports } from "../../../src/guest/peexports.ts";
import { readImports } from "../../../src/guest/peimports.ts";
import { scanSystemCalls } from "../../../src/guest/syscall-scan.ts";
import { FIELDS, setField, type Field } from "./peimages.ts";

/** Numbers at which sizes, signs and counts go wrong. */
export const INTERESTING: readonly number[] = [
  0, 1, 0xfff, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
];

export const FIELD_NAMES: readonly Field[] = Object.keys(FIELDS) as Field[];

export function withFields(bytes: Uint8Array, changes: readonly (readonly [Field, number])[]): Uint8Array {
  const copy = bytes.slice();
  for (const [field, value] of changes) setField(copy, field, value);
  return copy;
}

/** Parses a file and reads all its tables. Throws when an answer breaks its promise. @returns whether it is an image */
export function examine(bytes: Uint8Array): boolean {
  const parsed = parseImage(bytes);
  if (!parsed.ok) {
    if (parsed.status !== 0xc000007b || parsed.reason === "") throw new Error("a refusal has a status and a reason");
    return false;
  }
  const image = parsed.value;
  checkSections(image, bytes.length);
  checkPages(image, bytes.length);
  const exported = readExports(image);
  if (exported.ok && exported.value.size > 0x10000) throw new Error("exports are bounded");
  const [first] = exported.ok ? exported.value.keys() : [];
  if (first !== undefined) findExport(image, first);
  const imported = readImports(image);
  if (imported.ok && imported.value.length > 4097) throw new Error("imports are bounded");
  const relocations = readRelocations(image);
  if (relocations.ok && relocations.value.length > bytes.length / 2) throw new Error("relocations are bounded");
  if (relocations.ok && relocations.value.some((rva) => rva + 4 > image.size))
    throw new Error("relocations lie within");
  const tls = readTlsDirectory(image);
  if (tls.ok && (tls.value?.callbacks.length ?? 0) > 1024) throw new Error("callbacks are bounded");
  scanSystemCalls(image);
  return true;
}

function checkSections(image: PeImage, fileBytes: number): void {
  let end = image.headersSize;
  for (const { va, virtualSize, span, rawOffset, rawSize } of image.sections) {
    if (va < end || virtualSize <= 0 || span < virtualSize || va + span > image.size)
      throw new Error("sections ascend");
    if (rawOffset + rawSize > fileBytes || rawSize > span) throw new Error("sections are backed by the file");
    end = va + span;
  }
}

const PAGES_TO_CHECK = 64;

function checkPages(image: PeImage, fileBytes: number): void {
  const pages = image.size / 0x1000;
  if (!Number.isInteger(pages)) throw new Error("an image is whole pages");
  for (let page = 0; page < Math.min(pages, PAGES_TO_CHECK); page++) {
    const { offset, length } = image.pageSource(page);
    if (length < 0 || length > 0x1000 || offset + length > fileBytes) throw new Error("a page is backed by the file");
  }
}
