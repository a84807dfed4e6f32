/**
 * Removes what only a debugger reads from a PE image: trailing `.debug_*` sections, the COFF symbol table and its strings.
 *
 * Nothing that the loader maps moves: every kept section keeps its address and its place in the file, so the file is only
 * cut short and its headers are corrected. The result depends on the input alone. An image that is not understood, or
 * whose tail is in use (a signature), comes back as it was.
 */

const FILE_HEADER_BYTES = 20;
const SECTION_HEADER_BYTES = 40;
const SYMBOL_BYTES = 18;
const SECURITY_DIRECTORY = 4;
const DEBUG_DIRECTORY = 6;
/** IMAGE_FILE_LINE_NUMS_STRIPPED, IMAGE_FILE_LOCAL_SYMS_STRIPPED and IMAGE_FILE_DEBUG_STRIPPED. */
const STRIPPED_FLAGS = 0x0004 | 0x0008 | 0x0200;

interface Layout {
  readonly view: DataView;
  readonly fileHeader: number;
  readonly optionalHeader: number;
  readonly sectionTable: number;
  readonly sections: readonly Section[];
}

interface Section {
  readonly header: number;
  readonly name: string;
  readonly virtualAddress: number;
  readonly virtualBytes: number;
  readonly rawOffset: number;
  readonly rawBytes: number;
}

/** The image without its debugging data; the same array when there is nothing to remove. */
export function stripImage(image: Uint8Array): Uint8Array {
  const layout = readLayout(image);
  if (layout === null) return image;
  if (readDirectory(layout, SECURITY_DIRECTORY).bytes !== 0) return image;
  const kept = withoutDebugTail(layout.sections);
  const end = kept.reduce((most, s) => Math.max(most, s.rawOffset + s.rawBytes), headersEnd(layout));
  if (kept.length === layout.sections.length && end >= image.length) return image;
  if (end > image.length) return image;
  const output = image.slice(0, end);
  correctHeaders(layout, kept, output);
  return output;
}

function readLayout(image: Uint8Array): Layout | null {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (image.length < 64 || view.getUint16(0, true) !== 0x5a4d) return null;
  const signature = view.getUint32(0x3c, true);
  const fileHeader = signature + 4;
  const optionalHeader = fileHeader + FILE_HEADER_BYTES;
  if (optionalHeader + 96 > image.length || view.getUint32(signature, true) !== 0x4550) return null;
  if (view.getUint16(optionalHeader, true) !== 0x10b) return null;
  const sectionTable = optionalHeader + view.getUint16(fileHeader + 16, true);
  const count = view.getUint16(fileHeader + 2, true);
  const directoryCount = view.getUint32(optionalHeader + 92, true);
  if (directoryCount > 16 || optionalHeader + 96 + directoryCount * 8 > sectionTable) return null;
  if (sectionTable + count * SECTION_HEADER_BYTES > image.length) return null;
  const sections = Array.from({ length: count }, (_, index) =>
    readSection(image, view, fileHeader, sectionTable + index * SECTION_HEADER_BYTES),
  );
  return { view, fileHeader, optionalHeader, sectionTable, sections };
}

function readSection(image: Uint8Array, view: DataView, fileHeader: number, header: number): Section {
  return {
    header,
    name: readSectionName(image, view, fileHeader, header),
    virtualBytes: view.getUint32(header + 8, true),
    virtualAddress: view.getUint32(header + 12, true),
    rawBytes: view.getUint32(header + 16, true),
    rawOffset: view.getUint32(header + 20, true),
  };
}

/** A name longer than eight bytes is written as `/offset` into the strings that follow the symbol table. */
function readSectionName(image: Uint8Array, view: DataView, fileHeader: number, header: number): string {
  const short = readText(image, header, header + 8);
  if (!/^\/[0-9]+$/.test(short)) return short;
  const symbols = view.getUint32(fileHeader + 8, true);
  const strings = symbols + view.getUint32(fileHeader + 12, true) * SYMBOL_BYTES;
  const start = strings + Number(short.slice(1));
  if (symbols === 0 || start >= image.length) return short;
  return readText(image, start, Math.min(image.length, start + 256));
}

function readText(image: Uint8Array, start: number, limit: number): string {
  let text = "";
  for (let at = start; at < limit; at++) {
    const byte = image[at] ?? 0;
    if (byte === 0) break;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Only a run of debug sections at the end may go: a hole in the address space would make the image unloadable. */
function withoutDebugTail(sections: readonly Section[]): readonly Section[] {
  let count = sections.length;
  while (count > 1 && isDebug(sections[count - 1])) count--;
  return sections.slice(0, count);
}

function isDebug(section: Section | undefined): boolean {
  return (
    section !== undefined &&
    (section.name.startsWith(".debug") || section.name === ".stab" || section.name === ".stabstr")
  );
}

function headersEnd(layout: Layout): number {
  const tableEnd = layout.sectionTable + layout.sections.length * SECTION_HEADER_BYTES;
  return Math.max(tableEnd, layout.view.getUint32(layout.optionalHeader + 60, true));
}

function readDirectory(layout: Layout, index: number): { readonly address: number; readonly bytes: number } {
  if (index >= layout.view.getUint32(layout.optionalHeader + 92, true)) return { address: 0, bytes: 0 };
  const at = layout.optionalHeader + 96 + index * 8;
  return { address: layout.view.getUint32(at, true), bytes: layout.view.getUint32(at + 4, true) };
}

function correctHeaders(layout: Layout, kept: readonly Section[], output: Uint8Array): void {
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength);
  const { fileHeader, optionalHeader } = layout;
  view.setUint16(fileHeader + 2, kept.length, true);
  view.setUint32(fileHeader + 8, 0, true);
  view.setUint32(fileHeader + 12, 0, true);
  view.setUint16(fileHeader + 18, view.getUint16(fileHeader + 18, true) | STRIPPED_FLAGS, true);
  const keptEnd = layout.sectionTable + kept.length * SECTION_HEADER_BYTES;
  output.fill(0, keptEnd, layout.sectionTable + layout.sections.length * SECTION_HEADER_BYTES);
  for (const section of kept) writeShortName(output, section);
  const alignment = Math.max(1, view.getUint32(optionalHeader + 32, true));
  const size = kept.reduce((most, s) => Math.max(most, s.virtualAddress + s.virtualBytes), headersEnd(layout));
  view.setUint32(optionalHeader + 56, Math.ceil(size / alignment) * alignment, true);
  const debug = readDirectory(layout, DEBUG_DIRECTORY);
  if (debug.bytes !== 0 && debug.address >= size) {
    view.setUint32(optionalHeader + 96 + DEBUG_DIRECTORY * 8, 0, true);
    view.setUint32(optionalHeader + 100 + DEBUG_DIRECTORY * 8, 0, true);
  }
  view.setUint32(optionalHeader + 64, 0, true);
  view.setUint32(optionalHeader + 64, imageChecksum(output, view), true);
}

/** The strings behind long names are gone, so such a name keeps its first eight bytes. */
function writeShortName(output: Uint8Array, section: Section): void {
  for (let index = 0; index < 8; index++) output[section.header + index] = section.name.charCodeAt(index) || 0;
}

/** The checksum of a PE image whose checksum field is zero: folded sum of its 16-bit words, plus its length. */
function imageChecksum(image: Uint8Array, view: DataView): number {
  let sum = 0;
  const evenBytes = image.length & ~1;
  for (let at = 0; at < evenBytes; at += 2) {
    sum += view.getUint16(at, true);
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  if (evenBytes < image.length) sum += image[evenBytes] ?? 0;
  sum = (sum & 0xffff) + (sum >>> 16);
  return (sum + image.length) >>> 0;
}
