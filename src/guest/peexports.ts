/**
 * The export directory of an image.
 *
 * Invariant: at most 65,536 functions and as many names are read, which is all that ordinals can tell apart, so that
 * hostile counts cost no more than the file is long.
 */
import { failure, STATUS_INVALID_IMAGE_FORMAT, success, type NtResult } from "../abi/status.ts";
import { ImageDirectory, type PeImage } from "./pe.ts";
import { ImageReader } from "./pereader.ts";

export interface ExportedSymbol {
  readonly name: string;
  readonly ordinal: number;
  /** Relative to the base of the image. Of a forwarder: where its text lies. */
  readonly rva: number;
  /** "dll.name" or "dll.#ordinal" when another image provides the symbol. */
  readonly forwarder: string | null;
}

const FIELD = { base: 16, functions: 20, names: 24, functionTable: 28, nameTable: 32, ordinalTable: 36 } as const;
const MAXIMUM_EXPORTS = 0x10000;

/**
 * The named exports, in the order of the file. Of a name that occurs twice the first counts.
 * @returns STATUS_INVALID_IMAGE_FORMAT when the tables contradict each other or the image. An image without an export
 *   directory has no exports, which is success.
 */
export function readExports(image: PeImage): NtResult<ReadonlyMap<string, ExportedSymbol>> {
  const symbols = new Map<string, ExportedSymbol>();
  const texts = new ImageReader(image);
  const intact = visitExports(image, (nameRva, ordinal, rva, forwarded) => {
    const name = texts.text(nameRva);
    const forwarder = forwarded ? texts.text(rva) : null;
    if (!symbols.has(name)) symbols.set(name, { name, ordinal, rva, forwarder });
    return !texts.failed;
  });
  return intact ? success(symbols) : failure(STATUS_INVALID_IMAGE_FORMAT);
}

/** Returns whether to go on. Names are handed over unread, because most who walk an export directory want few of them. */
type ExportVisitor = (nameRva: number, ordinal: number, rva: number, forwarded: boolean) => boolean;

/** Shows every named export, in the order of the file. @returns whether it came to the end, of tables that are in order */
export function visitExports(image: PeImage, visit: ExportVisitor): boolean {
  const directory = image.directories[ImageDirectory.Export];
  if (directory === undefined || directory.rva === 0 || directory.size === 0) return true;

  const reader = new ImageReader(image);
  const field = (offset: number): number => reader.u32(directory.rva + offset);
  const functions = field(FIELD.functions);
  const names = field(FIELD.names);
  const functionTable = field(FIELD.functionTable);
  const nameTable = field(FIELD.nameTable);
  const ordinalTable = field(FIELD.ordinalTable);
  const ordinalBase = field(FIELD.base);
  if (functions > MAXIMUM_EXPORTS || names > MAXIMUM_EXPORTS) reader.fail();

  for (let i = 0; i < names && !reader.failed; i++) {
    const name = reader.u32(nameTable + 4 * i);
    const index = reader.u16(ordinalTable + 2 * i);
    if (index >= functions) return false;
    const rva = reader.u32(functionTable + 4 * index);
    const forwarded = rva >= directory.rva && rva < directory.rva + directory.size;
    if (!visit(name, ordinalBase + index, rva, forwarded)) return false;
  }
  return !reader.failed;
}

/**
 * One named export, found as the loader finds it: by halving the sorted table of names.
 * @returns null when there is none, or the tables are damaged.
 */
export function findExport(image: PeImage, name: string): ExportedSymbol | null {
  const directory = image.directories[ImageDirectory.Export];
  if (directory === undefined || directory.rva === 0 || directory.size === 0) return null;
  const reader = new ImageReader(image);
  const field = (offset: number): number => reader.u32(directory.rva + offset);
  const nameTable = field(FIELD.nameTable);
  let low = 0;
  let high = field(FIELD.names) - 1;
  while (low <= high && !reader.failed) {
    const middle = Math.floor((low + high) / 2);
    const found = reader.text(reader.u32(nameTable + 4 * middle));
    if (found < name) low = middle + 1;
    else if (found > name) high = middle - 1;
    else {
      const index = reader.u16(field(FIELD.ordinalTable) + 2 * middle);
      const rva = reader.u32(field(FIELD.functionTable) + 4 * index);
      const forwarded = rva >= directory.rva && rva < directory.rva + directory.size;
      const forwarder = forwarded ? reader.text(rva) : null;
      if (reader.failed || index >= field(FIELD.functions)) return null;
      return { name, ordinal: field(FIELD.base) + index, rva, forwarder };
    }
  }
  return null;
}
