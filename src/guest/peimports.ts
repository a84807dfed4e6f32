/**
 * The import directory of an image.
 *
 * Invariant: at most 4,096 libraries and 65,536 symbols are read. Descriptors may share one table, so that the length of
 * the file alone would bound the work only by its square.
 */
import { failure, STATUS_INVALID_IMAGE_FORMAT, success, type NtResult } from "../abi/status.ts";
import { ImageDirectory, type PeImage } from "./pe.ts";
import { ImageReader } from "./pereader.ts";

/** A symbol that an image wants, by name or by ordinal. */
export type ImportedSymbol =
  | { readonly name: string; readonly hint: number; readonly iatRva: number }
  | { readonly ordinal: number; readonly iatRva: number };

export interface ImportedLibrary {
  /** As the file spells it. */
  readonly dll: string;
  readonly symbols: readonly ImportedSymbol[];
}

const DESCRIPTOR_BYTES = 20;
const DESCRIPTOR = { lookupTable: 0, name: 12, addressTable: 16 } as const;
const BY_ORDINAL = 0x80000000;
const MAXIMUM_LIBRARIES = 4096;
const MAXIMUM_SYMBOLS = 0x10000;

/**
 * What the image imports, in the order of the file.
 * @returns STATUS_INVALID_IMAGE_FORMAT when the tables leave the image or do not end within reason.
 */
export function readImports(image: PeImage): NtResult<readonly ImportedLibrary[]> {
  const libraries: ImportedLibrary[] = [];
  const directory = image.directories[ImageDirectory.Import];
  if (directory === undefined || directory.rva === 0 || directory.size === 0) return success(libraries);

  const reader = new ImageReader(image);
  let symbolsLeft = MAXIMUM_SYMBOLS;
  for (let at = directory.rva; !reader.failed; at += DESCRIPTOR_BYTES) {
    const name = reader.u32(at + DESCRIPTOR.name);
    const addressTable = reader.u32(at + DESCRIPTOR.addressTable);
    if (name === 0 || addressTable === 0) break;
    const dll = reader.text(name);
    const symbols = readSymbols(reader, reader.u32(at + DESCRIPTOR.lookupTable) || addressTable, {
      addressTable,
      limit: symbolsLeft,
    });
    symbolsLeft -= symbols.length;
    libraries.push({ dll, symbols });
    if (libraries.length > MAXIMUM_LIBRARIES) reader.fail();
  }
  return reader.failed ? failure(STATUS_INVALID_IMAGE_FORMAT) : success(libraries);
}

function readSymbols(
  reader: ImageReader,
  lookupTable: number,
  { addressTable, limit }: { addressTable: number; limit: number },
): ImportedSymbol[] {
  const symbols: ImportedSymbol[] = [];
  for (let i = 0; !reader.failed; i++) {
    const entry = reader.u32(lookupTable + 4 * i);
    if (entry === 0) break;
    if (i >= limit) {
      reader.fail();
      break;
    }
    const iatRva = addressTable + 4 * i;
    if (entry >= BY_ORDINAL) symbols.push({ ordinal: entry & 0xffff, iatRva });
    else symbols.push({ name: reader.text(entry + 2), hint: reader.u16(entry), iatRva });
  }
  return symbols;
}
