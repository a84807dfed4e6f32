/**
 * Base relocations and the thread-local storage directory of an image.
 *
 * Invariant: the relocation directory is read once, from start to end, and is no longer than the file or than 16 MiB; a table
 * of callbacks ends within 1,024 entries.
 */
import { failure, STATUS_INVALID_IMAGE_FORMAT, success, type NtResult } from "../abi/status.ts";
import { ImageDirectory, type PeImage } from "./pe.ts";
import { ImageReader } from "./pereader.ts";

const RELOCATION_BLOCK_HEADER_BYTES = 8;
/** Ten times what the largest libraries have. */
const MAXIMUM_RELOCATION_BYTES = 0x1000000;
const IMAGE_REL_BASED_ABSOLUTE = 0;
const IMAGE_REL_BASED_HIGHLOW = 3;

/**
 * Offsets into the image of the 32-bit addresses that move with its base.
 * @returns STATUS_INVALID_IMAGE_FORMAT when a block is damaged, or holds a kind of relocation that no i386 linker makes.
 */
export function readRelocations(image: PeImage): NtResult<Uint32Array> {
  const directory = image.directories[ImageDirectory.BaseRelocation];
  if (directory === undefined || directory.rva === 0 || directory.size === 0) return success(new Uint32Array(0));
  if (directory.size > Math.min(image.bytes.byteLength, MAXIMUM_RELOCATION_BYTES))
    return failure(STATUS_INVALID_IMAGE_FORMAT);

  const reader = new ImageReader(image);
  const rvas = new Uint32Array(directory.size >>> 1);
  const end = directory.rva + directory.size;
  let count = 0;
  for (let block = directory.rva; block + RELOCATION_BLOCK_HEADER_BYTES <= end && !reader.failed;) {
    const page = reader.u32(block);
    const bytes = reader.u32(block + 4);
    // Linkers pad the directory with zeros.
    if (page === 0 && bytes === 0) break;
    if (bytes < RELOCATION_BLOCK_HEADER_BYTES || bytes > end - block) return failure(STATUS_INVALID_IMAGE_FORMAT);
    for (let at = block + RELOCATION_BLOCK_HEADER_BYTES; at + 2 <= block + bytes; at += 2) {
      const entry = reader.u16(at);
      const type = entry >>> 12;
      if (type === IMAGE_REL_BASED_ABSOLUTE) continue;
      const rva = page + (entry & 0xfff);
      if (type !== IMAGE_REL_BASED_HIGHLOW || rva + 4 > image.size) return failure(STATUS_INVALID_IMAGE_FORMAT);
      rvas[count++] = rva;
    }
    block += bytes;
  }
  return reader.failed ? failure(STATUS_INVALID_IMAGE_FORMAT) : success(rvas.slice(0, count));
}

/** `IMAGE_TLS_DIRECTORY32`. Addresses are absolute, for an image that lies at its preferred base. */
export interface TlsDirectory {
  readonly startOfRawData: number;
  readonly endOfRawData: number;
  readonly addressOfIndex: number;
  readonly addressOfCallbacks: number;
  readonly sizeOfZeroFill: number;
  readonly characteristics: number;
  /** The callbacks that the file lists, in order. */
  readonly callbacks: readonly number[];
}

const MAXIMUM_TLS_CALLBACKS = 1024;

/**
 * The thread-local storage directory.
 * @returns null in success when the image has none; STATUS_INVALID_IMAGE_FORMAT when its addresses leave the image.
 */
export function readTlsDirectory(image: PeImage): NtResult<TlsDirectory | null> {
  const directory = image.directories[ImageDirectory.Tls];
  if (directory === undefined || directory.rva === 0 || directory.size === 0) return success(null);
  const reader = new ImageReader(image);
  const field = (offset: number): number => reader.u32(directory.rva + offset);
  const startOfRawData = field(0);
  const endOfRawData = field(4);
  const addressOfCallbacks = field(12);
  const callbacks: number[] = [];
  if (addressOfCallbacks !== 0) {
    const table = addressOfCallbacks - image.base;
    if (table < 0 || table >= image.size) return failure(STATUS_INVALID_IMAGE_FORMAT);
    for (let at = table; !reader.failed; at += 4) {
      const callback = reader.u32(at);
      if (callback === 0) break;
      callbacks.push(callback);
      if (callbacks.length > MAXIMUM_TLS_CALLBACKS) reader.fail();
    }
  }
  if (endOfRawData < startOfRawData || endOfRawData - startOfRawData > image.size) reader.fail();
  if (reader.failed) return failure(STATUS_INVALID_IMAGE_FORMAT);
  return success({
    startOfRawData,
    endOfRawData,
    addressOfIndex: field(8),
    addressOfCallbacks,
    sizeOfZeroFill: field(16),
    characteristics: field(20),
    callbacks,
  });
}
