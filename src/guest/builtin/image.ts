/**
 * Writes a PE32 library for i386: headers, sections and an export directory.
 *
 * Invariants: the same input gives the same bytes, without a time stamp; names are exported in ascending order of their
 * bytes, as the loader's search expects.
 */
import { assert } from "../../rtl/assert.ts";
import {
  IMAGE_FILE_32BIT_MACHINE,
  IMAGE_FILE_DLL,
  IMAGE_FILE_EXECUTABLE_IMAGE,
  IMAGE_FILE_MACHINE_I386,
  IMAGE_FILE_RELOCS_STRIPPED,
  IMAGE_NT_OPTIONAL_HDR32_MAGIC,
  IMAGE_SUBSYSTEM_WINDOWS_CUI,
  roundUp,
} from "../peheaders.ts";
import type { ExportEntry } from "./code.ts";

export interface SectionContent {
  readonly name: string;
  readonly rva: number;
  readonly characteristics: number;
  readonly bytes: Uint8Array;
}

export interface LibraryContent {
  readonly base: number;
  /** In ascending order of their addresses, without gaps. */
  readonly sections: readonly SectionContent[];
  readonly exportDirectory: { readonly rva: number; readonly size: number };
}

const PE_OFFSET = 0x40;
const FILE_HEADER = PE_OFFSET + 4;
const OPTIONAL_HEADER = FILE_HEADER + 20;
const OPTIONAL_HEADER_BYTES = 224;
const DIRECTORIES = 16;
const SECTION_TABLE = OPTIONAL_HEADER + OPTIONAL_HEADER_BYTES;
const SECTION_HEADER_BYTES = 40;
const HEADERS_BYTES = 0x200;
const FILE_ALIGNMENT = 0x200;
const SECTION_ALIGNMENT = 0x1000;

export function writeLibrary(library: LibraryContent): Uint8Array {
  const fileBytes = library.sections.reduce(
    (sum, section) => sum + roundUp(section.bytes.length, FILE_ALIGNMENT),
    HEADERS_BYTES,
  );
  const file = new Uint8Array(fileBytes);
  const view = new DataView(file.buffer);
  writeHeaders(view, library);
  let offset = HEADERS_BYTES;
  for (const [index, section] of library.sections.entries()) {
    const rawBytes = roundUp(section.bytes.length, FILE_ALIGNMENT);
    const header = SECTION_TABLE + SECTION_HEADER_BYTES * index;
    writeText(file, header, section.name);
    const fields = [section.bytes.length, section.rva, rawBytes, offset];
    for (const [i, value] of fields.entries()) view.setUint32(header + 8 + 4 * i, value, true);
    view.setUint32(header + 36, section.characteristics, true);
    file.set(section.bytes, offset);
    offset += rawBytes;
  }
  return file;
}

function writeHeaders(view: DataView, { base, sections, exportDirectory }: LibraryContent): void {
  const u16 = (offset: number, value: number): void => {
    view.setUint16(offset, value, true);
  };
  const u32 = (offset: number, value: number): void => {
    view.setUint32(offset, value, true);
  };
  const last = sections.at(-1);
  const end = last === undefined ? SECTION_ALIGNMENT : last.rva + last.bytes.length;
  u16(0, 0x5a4d);
  u32(0x3c, PE_OFFSET);
  u32(PE_OFFSET, 0x4550);
  u16(FILE_HEADER, IMAGE_FILE_MACHINE_I386);
  u16(FILE_HEADER + 2, sections.length);
  u16(FILE_HEADER + 16, OPTIONAL_HEADER_BYTES);
  u16(
    FILE_HEADER + 18,
    IMAGE_FILE_DLL | IMAGE_FILE_EXECUTABLE_IMAGE | IMAGE_FILE_32BIT_MACHINE | IMAGE_FILE_RELOCS_STRIPPED,
  );

  u16(OPTIONAL_HEADER, IMAGE_NT_OPTIONAL_HDR32_MAGIC);
  u32(OPTIONAL_HEADER + 28, base);
  u32(OPTIONAL_HEADER + 32, SECTION_ALIGNMENT);
  u32(OPTIONAL_HEADER + 36, FILE_ALIGNMENT);
  // Versions of the operating system, of the image and of the subsystem.
  for (const offset of [40, 44, 48]) u16(OPTIONAL_HEADER + offset, 6);
  for (const offset of [42, 46, 50]) u16(OPTIONAL_HEADER + offset, 1);
  u32(OPTIONAL_HEADER + 56, roundUp(end, SECTION_ALIGNMENT));
  u32(OPTIONAL_HEADER + 60, HEADERS_BYTES);
  u16(OPTIONAL_HEADER + 68, IMAGE_SUBSYSTEM_WINDOWS_CUI);
  u32(OPTIONAL_HEADER + 92, DIRECTORIES);
  u32(OPTIONAL_HEADER + 96, exportDirectory.rva);
  u32(OPTIONAL_HEADER + 100, exportDirectory.size);
}

const EXPORT_DIRECTORY_BYTES = 40;

/** The export directory and all that it names, to lie at `rva`. Ordinals start at 1, in the order of the names. */
export function writeExports(dll: string, exported: readonly ExportEntry[], rva: number): Uint8Array {
  const rvas = new Map(exported.map((entry) => [entry.name, entry.rva]));
  assert(rvas.size === exported.length, "a name is exported once");
  // Without a comparison of our own: this runs each time a process starts, and the engine's own order is that of bytes.
  const names = [...rvas.keys()].sort();
  const text = `${dll}\0${names.join("\0")}\0`;
  const functionTable = EXPORT_DIRECTORY_BYTES;
  const nameTable = functionTable + 4 * names.length;
  const ordinalTable = nameTable + 4 * names.length;
  const textTable = ordinalTable + 2 * names.length;
  const bytes = new Uint8Array(textTable + text.length);
  const view = new DataView(bytes.buffer);

  const header = [rva + textTable, 1, names.length, names.length];
  for (const [i, value] of header.entries()) view.setUint32(12 + 4 * i, value, true);
  for (const [i, table] of [functionTable, nameTable, ordinalTable].entries()) {
    view.setUint32(28 + 4 * i, rva + table, true);
  }
  writeText(bytes, textTable, text);
  let at = textTable + dll.length + 1;
  for (const [i, name] of names.entries()) {
    view.setUint32(functionTable + 4 * i, rvas.get(name) ?? 0, true);
    view.setUint32(nameTable + 4 * i, rva + at, true);
    view.setUint16(ordinalTable + 2 * i, i, true);
    at += name.length + 1;
  }
  return bytes;
}

function writeText(bytes: Uint8Array, offset: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[offset + i] = text.charCodeAt(i);
}
