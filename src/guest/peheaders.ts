/**
 * The headers of a PE32 image for i386, read from bytes that may be hostile.
 *
 * Invariants:
 * - Every number that is handed out has been compared with the size of the file or of the image, so that no later loop
 *   over it is longer than the file is.
 * - What cannot run here is refused with a sentence fragment that completes "cannot run it: …" for the user.
 */
import { STATUS_INVALID_IMAGE_FORMAT, type NtStatus } from "../abi/status.ts";

/** Why a file is not an image that can run here. Assignable to a failed `NtResult`. */
export interface Refusal {
  readonly ok: false;
  readonly status: NtStatus;
  /** Completes "cannot run it: …". */
  readonly reason: string;
}

export function refuse(reason: string): Refusal {
  return { ok: false, status: STATUS_INVALID_IMAGE_FORMAT, reason };
}

/** A part of the image that its data directory names. Either number may be any 32-bit number. */
export interface DataDirectory {
  readonly rva: number;
  readonly size: number;
}

/** Indices into the data directories. */
export const ImageDirectory = {
  Export: 0,
  Import: 1,
  Resource: 2,
  BaseRelocation: 5,
  Tls: 9,
  LoadConfig: 10,
  ClrHeader: 14,
} as const;

export const IMAGE_FILE_RELOCS_STRIPPED = 0x0001;
export const IMAGE_FILE_EXECUTABLE_IMAGE = 0x0002;
export const IMAGE_FILE_32BIT_MACHINE = 0x0100;
export const IMAGE_FILE_DLL = 0x2000;
export const IMAGE_FILE_MACHINE_I386 = 0x014c;
export const IMAGE_NT_OPTIONAL_HDR32_MAGIC = 0x010b;

export const IMAGE_SUBSYSTEM_WINDOWS_CUI = 3;

/** What the file header and the optional header say. */
export interface ImageHeaders {
  /** Address at which the image wants to be; a multiple of 64 KiB. */
  readonly base: number;
  /** Relative to the base; 0 in a library without an entry point. */
  readonly entry: number;
  /** Bytes of address space, whole pages. */
  readonly size: number;
  /** Bytes of the file that make up the headers of the image. */
  readonly headersSize: number;
  readonly sectionAlignment: number;
  readonly fileAlignment: number;
  readonly timeDateStamp: number;
  readonly checkSum: number;
  readonly subsystem: number;
  readonly subsystemMajorVersion: number;
  readonly subsystemMinorVersion: number;
  readonly characteristics: number;
  readonly dllCharacteristics: number;
  readonly stackReserve: number;
  readonly stackCommit: number;
  readonly heapReserve: number;
  readonly heapCommit: number;
  /** Sixteen; those that the file does not have are empty. */
  readonly directories: readonly DataDirectory[];
}

/** Where the section table lies. */
export interface SectionTable {
  readonly offset: number;
  readonly count: number;
}

const DOS_SIGNATURE = 0x5a4d;
const DOS_HEADER_BYTES = 0x40;
const OFFSET_OF_PE_HEADER = 0x3c;
const PE_SIGNATURE = 0x4550;
const NE_SIGNATURE = 0x454e;
const LE_SIGNATURE = 0x454c;
const LX_SIGNATURE = 0x584c;
const ELF_SIGNATURE = 0x464c457f;
const SCRIPT_SIGNATURE = 0x2123;
const SIGNATURE_BYTES = 4;
const FILE_HEADER_BYTES = 20;
/** The optional header up to the data directories. */
const OPTIONAL_HEADER_BYTES = 96;
const IMAGE_NT_OPTIONAL_HDR64_MAGIC = 0x020b;
const IMAGE_ROM_OPTIONAL_HDR_MAGIC = 0x0107;
const NUMBER_OF_DIRECTORIES = 16;
const DIRECTORY_BYTES = 8;
const SECTION_HEADER_BYTES = 40;
/** What Windows' loader takes at most. */
const MAXIMUM_SECTIONS = 96;
const BASE_ALIGNMENT = 0x10000;
const PAGE_BYTES = 0x1000;
/** `MM_SIZE_OF_LARGEST_IMAGE`. */
const LARGEST_IMAGE = 0x77000000;

const MACHINES: ReadonlyMap<number, string> = new Map([
  [0x8664, "a 64-bit (x86-64) program"],
  [0xaa64, "an ARM64 program"],
  [0x01c0, "an ARM program"],
  [0x01c2, "an ARM Thumb program"],
  [0x01c4, "an ARM program"],
  [0x0200, "an Itanium program"],
  [0x0184, "an Alpha program"],
  [0x01f0, "a PowerPC program"],
  [0x0166, "a MIPS program"],
]);

export interface ParsedHeaders {
  readonly ok: true;
  readonly headers: ImageHeaders;
  readonly sectionTable: SectionTable;
}

/** Reads the headers of an image that is linked for i386. */
export function parseHeaders(file: DataView): ParsedHeaders | Refusal {
  const start = findPeHeader(file);
  if (typeof start !== "number") return start;
  const foreign = refuseForeign(file, start);
  if (foreign !== null) return foreign;

  const optional = start + SIGNATURE_BYTES + FILE_HEADER_BYTES;
  const optionalBytes = file.getUint16(start + 20, true);
  const headers = readHeaders(file, start, { optional, optionalBytes });
  const wrong = checkHeaders(headers, file.byteLength);
  if (wrong !== null) return wrong;

  const sectionTable = { offset: optional + optionalBytes, count: file.getUint16(start + 6, true) };
  const wrongTable = checkSectionTable(sectionTable, file.byteLength);
  return wrongTable ?? { ok: true, headers, sectionTable };
}

/** The offset of "PE\0\0", or what the file is instead. */
function findPeHeader(file: DataView): number | Refusal {
  const length = file.byteLength;
  if (length === 0) return refuse("its file is empty");
  if (length < 4) return refuse("it is not a Windows program");
  if (file.getUint32(0, true) === ELF_SIGNATURE) return refuse("it is a Linux (ELF) program, not a Windows program");
  if (file.getUint16(0, true) === SCRIPT_SIGNATURE) return refuse("it is a script, not a Windows program");
  if (file.getUint16(0, true) !== DOS_SIGNATURE) return refuse("it is not a Windows program");
  if (length < DOS_HEADER_BYTES) return refuse("it is an MS-DOS program");

  const start = file.getUint32(OFFSET_OF_PE_HEADER, true);
  if (start > length - SIGNATURE_BYTES) return refuse("it is an MS-DOS program, or its file is cut short");
  if (file.getUint32(start, true) !== PE_SIGNATURE) return refuse(describeOldProgram(file.getUint16(start, true)));
  if ((start & 3) !== 0) return refuse("its headers are damaged: they are not aligned");
  if (start + SIGNATURE_BYTES + FILE_HEADER_BYTES + OPTIONAL_HEADER_BYTES > length) {
    return refuse("its file is cut short, within the headers");
  }
  return start;
}

function describeOldProgram(signature: number): string {
  switch (signature) {
    case NE_SIGNATURE:
      return "it is a 16-bit Windows program";
    case LE_SIGNATURE:
    case LX_SIGNATURE:
      return "it is an OS/2 program or a Windows 95 driver";
    default:
      return "it is an MS-DOS program";
  }
}

/** Refuses what is a Windows image, but not one for this processor and this kernel. */
function refuseForeign(file: DataView, start: number): Refusal | null {
  const machine = file.getUint16(start + 4, true);
  if (machine !== IMAGE_FILE_MACHINE_I386) {
    const name = MACHINES.get(machine) ?? `for a processor that we do not know (machine 0x${machine.toString(16)})`;
    return refuse(`it is ${name}; only 32-bit (i386) programs run here`);
  }
  const magic = file.getUint16(start + 24, true);
  if (magic === IMAGE_NT_OPTIONAL_HDR64_MAGIC) return refuse("its headers are damaged: 64-bit headers for i386");
  if (magic === IMAGE_ROM_OPTIONAL_HDR_MAGIC) return refuse("it is a ROM image");
  if (magic !== IMAGE_NT_OPTIONAL_HDR32_MAGIC) return refuse("its headers are damaged: no optional header");
  if ((file.getUint16(start + 22, true) & IMAGE_FILE_EXECUTABLE_IMAGE) === 0) {
    return refuse("it is not linked completely (not marked as executable)");
  }
  return null;
}

function readHeaders(
  file: DataView,
  start: number,
  { optional, optionalBytes }: { optional: number; optionalBytes: number },
): ImageHeaders {
  const u16 = (offset: number): number => file.getUint16(optional + offset, true);
  const u32 = (offset: number): number => file.getUint32(optional + offset, true);
  return {
    base: u32(28),
    entry: u32(16),
    size: roundUp(u32(56), PAGE_BYTES),
    headersSize: u32(60),
    sectionAlignment: u32(32),
    fileAlignment: u32(36),
    timeDateStamp: file.getUint32(start + 8, true),
    checkSum: u32(64),
    subsystem: u16(68),
    subsystemMajorVersion: u16(48),
    subsystemMinorVersion: u16(50),
    characteristics: file.getUint16(start + 22, true),
    dllCharacteristics: u16(70),
    stackReserve: u32(72),
    stackCommit: u32(76),
    heapReserve: u32(80),
    heapCommit: u32(84),
    directories: readDirectories(file, { optional, optionalBytes, named: u32(92) }),
  };
}

/** A directory that lies past the optional header or the file's end is one that the file does not have. */
function readDirectories(
  file: DataView,
  at: { optional: number; optionalBytes: number; named: number },
): readonly DataDirectory[] {
  const first = at.optional + OPTIONAL_HEADER_BYTES;
  const end = Math.min(at.optional + at.optionalBytes, file.byteLength);
  const directories: DataDirectory[] = [];
  for (let i = 0; i < NUMBER_OF_DIRECTORIES; i++) {
    const offset = first + DIRECTORY_BYTES * i;
    const present = i < at.named && offset + DIRECTORY_BYTES <= end;
    directories.push(
      present ? { rva: file.getUint32(offset, true), size: file.getUint32(offset + 4, true) } : { rva: 0, size: 0 },
    );
  }
  return directories;
}

function checkHeaders(headers: ImageHeaders, fileBytes: number): Refusal | null {
  const { base, size, headersSize, sectionAlignment, fileAlignment } = headers;
  if (base % BASE_ALIGNMENT !== 0) return refuse("its headers are damaged: its base is not a multiple of 64 KiB");
  if (size === 0 || size > LARGEST_IMAGE) return refuse("its headers are damaged: its size in memory is impossible");
  if (!isPowerOfTwo(fileAlignment) || !isPowerOfTwo(sectionAlignment) || fileAlignment > sectionAlignment) {
    return refuse("its headers are damaged: impossible alignment");
  }
  if (sectionAlignment < PAGE_BYTES) return refuse("its sections are smaller than a page, as a driver's may be");
  if (headersSize === 0 || headersSize >= size) return refuse("its headers are damaged: impossible size of headers");
  if (headersSize > fileBytes) return refuse("its file is cut short, within the headers");
  if (headers.entry >= size) return refuse("its headers are damaged: its entry point lies outside");
  const clr = headers.directories[ImageDirectory.ClrHeader];
  if (clr !== undefined && clr.rva !== 0 && clr.size !== 0) {
    return refuse("a .NET program needs mscoree, which is not here");
  }
  return null;
}

function checkSectionTable(table: SectionTable, fileBytes: number): Refusal | null {
  if (table.count === 0) return refuse("it has no sections");
  if (table.count > MAXIMUM_SECTIONS) return refuse("its headers are damaged: it has too many sections");
  if (table.offset + SECTION_HEADER_BYTES * table.count > fileBytes) {
    return refuse("its file is cut short, within the section table");
  }
  return null;
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

/** The next multiple of a power of two, as a number that may exceed 32 bits: a wrapped size would pass every check. */
export function roundUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
