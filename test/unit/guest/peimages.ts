/** Small PE images for tests, made field by field so that each test can spoil one of them. */

export const PE_OFFSET = 0x80;
const FILE_HEADER = PE_OFFSET + 4;
const OPTIONAL_HEADER = FILE_HEADER + 20;
const SECTION_TABLE = OPTIONAL_HEADER + 224;
export const IMAGE_BASE = 0x400000;

/** Offsets of header fields in the file, with their sizes in bytes. */
export const FIELDS = {
  dosSignature: [0, 2],
  peOffset: [0x3c, 4],
  peSignature: [PE_OFFSET, 4],
  machine: [FILE_HEADER, 2],
  numberOfSections: [FILE_HEADER + 2, 2],
  timeDateStamp: [FILE_HEADER + 4, 4],
  sizeOfOptionalHeader: [FILE_HEADER + 16, 2],
  characteristics: [FILE_HEADER + 18, 2],
  magic: [OPTIONAL_HEADER, 2],
  entry: [OPTIONAL_HEADER + 16, 4],
  base: [OPTIONAL_HEADER + 28, 4],
  sectionAlignment: [OPTIONAL_HEADER + 32, 4],
  fileAlignment: [OPTIONAL_HEADER + 36, 4],
  subsystemMajorVersion: [OPTIONAL_HEADER + 48, 2],
  subsystemMinorVersion: [OPTIONAL_HEADER + 50, 2],
  sizeOfImage: [OPTIONAL_HEADER + 56, 4],
  sizeOfHeaders: [OPTIONAL_HEADER + 60, 4],
  subsystem: [OPTIONAL_HEADER + 68, 2],
  dllCharacteristics: [OPTIONAL_HEADER + 70, 2],
  stackReserve: [OPTIONAL_HEADER + 72, 4],
  stackCommit: [OPTIONAL_HEADER + 76, 4],
  heapReserve: [OPTIONAL_HEADER + 80, 4],
  heapCommit: [OPTIONAL_HEADER + 84, 4],
  numberOfDirectories: [OPTIONAL_HEADER + 92, 4],
  exportRva: [OPTIONAL_HEADER + 96, 4],
  exportSize: [OPTIONAL_HEADER + 100, 4],
  importRva: [OPTIONAL_HEADER + 104, 4],
  importSize: [OPTIONAL_HEADER + 108, 4],
  relocationRva: [OPTIONAL_HEADER + 136, 4],
  relocationSize: [OPTIONAL_HEADER + 140, 4],
  tlsRva: [OPTIONAL_HEADER + 168, 4],
  tlsSize: [OPTIONAL_HEADER + 172, 4],
  clrRva: [OPTIONAL_HEADER + 208, 4],
  clrSize: [OPTIONAL_HEADER + 212, 4],
  textVirtualSize: [SECTION_TABLE + 8, 4],
  textVa: [SECTION_TABLE + 12, 4],
  textRawSize: [SECTION_TABLE + 16, 4],
  textRawOffset: [SECTION_TABLE + 20, 4],
  textCharacteristics: [SECTION_TABLE + 36, 4],
  dataVirtualSize: [SECTION_TABLE + 48, 4],
  dataVa: [SECTION_TABLE + 52, 4],
  dataRawSize: [SECTION_TABLE + 56, 4],
  dataRawOffset: [SECTION_TABLE + 60, 4],
  dataCharacteristics: [SECTION_TABLE + 76, 4],
  bssVirtualSize: [SECTION_TABLE + 88, 4],
  bssVa: [SECTION_TABLE + 92, 4],
} as const satisfies Record<string, readonly [number, 2 | 4]>;

export type Field = keyof typeof FIELDS;

export const TEXT_RVA = 0x1000;
export const DATA_RVA = 0x2000;
export const BSS_RVA = 0x3000;
const TEXT_OFFSET = 0x400;
const DATA_OFFSET = 0x600;
const FILE_BYTES = 0xa00;

/** Where the tables lie in the data section, and so where tests find a number to spoil. */
export const TABLES = {
  imports: 0x000,
  lookup: 0x040,
  addresses: 0x060,
  exports: 0x100,
  relocations: 0x200,
  tls: 0x240,
} as const;

/** File offset of an offset into the data section. */
export function dataOffset(within: number): number {
  return DATA_OFFSET + within;
}

const SAMPLE: Partial<Record<Field, number>> = {
  dosSignature: 0x5a4d,
  peOffset: PE_OFFSET,
  peSignature: 0x4550,
  machine: 0x14c,
  numberOfSections: 3,
  sizeOfOptionalHeader: 224,
  characteristics: 0x0102,
  magic: 0x10b,
  entry: TEXT_RVA,
  base: IMAGE_BASE,
  sectionAlignment: 0x1000,
  fileAlignment: 0x200,
  subsystemMajorVersion: 4,
  sizeOfImage: 0x5000,
  sizeOfHeaders: 0x400,
  subsystem: 3,
  stackReserve: 0x200000,
  stackCommit: 0x1000,
  heapReserve: 0x100000,
  heapCommit: 0x1000,
  numberOfDirectories: 16,
  exportRva: DATA_RVA + TABLES.exports,
  exportSize: 0xc0,
  importRva: DATA_RVA + TABLES.imports,
  importSize: 40,
  relocationRva: DATA_RVA + TABLES.relocations,
  relocationSize: 24,
  tlsRva: DATA_RVA + TABLES.tls,
  tlsSize: 24,
  textVirtualSize: 0x180,
  textVa: TEXT_RVA,
  textRawSize: 0x200,
  textRawOffset: TEXT_OFFSET,
  textCharacteristics: 0x60000020,
  dataVirtualSize: 0x400,
  dataVa: DATA_RVA,
  dataRawSize: 0x400,
  dataRawOffset: DATA_OFFSET,
  dataCharacteristics: 0xc0000040 | 0,
  bssVirtualSize: 0x1800,
  bssVa: BSS_RVA,
};

export function setField(bytes: Uint8Array, field: Field, value: number): void {
  const [offset, size] = FIELDS[field];
  for (let i = 0; i < size; i++) bytes[offset + i] = (value / 2 ** (8 * i)) & 0xff;
}

/**
 * A program with three sections that imports two symbols of one library, exports two names, one of them a forwarder,
 * has three relocations and two TLS callbacks. `changes` replaces header fields.
 */
export function sampleImage(changes: Partial<Record<Field, number>> = {}): Uint8Array {
  const bytes = new Uint8Array(FILE_BYTES);
  const fields: Partial<Record<Field, number>> = { ...SAMPLE, ...changes };
  for (const [field, value] of Object.entries(fields)) setField(bytes, field as Field, value >>> 0);
  for (const [index, name] of [".text", ".data", ".bss"].entries()) putText(bytes, SECTION_TABLE + 40 * index, name);
  putWords(bytes, SECTION_TABLE + 2 * 40 + 36, [0xc0000080]);
  for (let i = 0; i < 0x200; i++) bytes[TEXT_OFFSET + i] = 0x90;
  putTables(bytes);
  return bytes;
}

function putTables(bytes: Uint8Array): void {
  const rva = (within: number): number => DATA_RVA + within;
  const { imports, lookup, addresses, exports: exported, relocations, tls } = TABLES;
  putWords(bytes, dataOffset(imports), [rva(lookup), 0, 0, rva(0x80), rva(addresses)]);
  putWords(bytes, dataOffset(lookup), [rva(0x90), 0x80000007, 0]);
  putWords(bytes, dataOffset(addresses), [rva(0x90), 0x80000007, 0]);
  putText(bytes, dataOffset(0x80), "some.dll");
  putText(bytes, dataOffset(0x92), "Function");

  // Two functions, two names: "Alpha" is code, "Beta" is forwarded.
  const tables = [rva(exported + 40), rva(exported + 48), rva(exported + 56)];
  putWords(bytes, dataOffset(exported), [0, 0, 0, rva(exported + 60), 5, 2, 2, ...tables]);
  putWords(bytes, dataOffset(exported + 40), [TEXT_RVA + 4, rva(exported + 90)]);
  putWords(bytes, dataOffset(exported + 48), [rva(exported + 70), rva(exported + 80)]);
  putWords(bytes, dataOffset(exported + 56), [0 | (1 << 16)]);
  for (const [at, text] of [
    [60, "me.exe"],
    [70, "Alpha"],
    [80, "Beta"],
    [90, "other.Gamma"],
  ] as const) {
    putText(bytes, dataOffset(exported + at), text);
  }

  // A block of two relocations, padded, and a block of one.
  putWords(bytes, dataOffset(relocations), [TEXT_RVA, 12, 0x3010 | (0x3020 << 16), DATA_RVA, 12, 0x3240]);
  const callbacks = tls + 24;
  const address = IMAGE_BASE + DATA_RVA;
  putWords(bytes, dataOffset(tls), [address + 0x300, address + 0x310, address + 0x320, address + callbacks, 8, 0]);
  putWords(bytes, dataOffset(callbacks), [IMAGE_BASE + TEXT_RVA, IMAGE_BASE + TEXT_RVA + 16, 0]);
}

export function putWords(bytes: Uint8Array, offset: number, words: readonly number[]): void {
  const view = new DataView(bytes.buffer);
  for (const [index, word] of words.entries()) view.setUint32(offset + 4 * index, word >>> 0, true);
}

export function putText(bytes: Uint8Array, offset: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[offset + i] = text.charCodeAt(i);
}
