/** Images for tests of sections: no file format, just pages. */
import { PAGE_EXECUTE_READ, PAGE_READONLY, PAGE_READWRITE } from "../../src/abi/mm.ts";
import { createSharedImage, type ImageInformation, type ImageSection, type SharedImage } from "../../src/mm/image.ts";
import type { ByteSource } from "../../src/mm/segment.ts";

const INFORMATION: ImageInformation = {
  entryPoint: 0x1000,
  stackReserve: 0x200000,
  stackCommit: 0x2000,
  subsystem: 3,
  subsystemMajorVersion: 5,
  subsystemMinorVersion: 1,
  characteristics: 0x102,
  dllCharacteristics: 0,
  machine: 0x14c,
  containsCode: true,
  loaderFlags: 0,
  fileSize: 0x2400,
  checkSum: 0,
};

/** Headers, two pages of code, a page of data (half of it in the file), a page without bytes that is shared. */
export const SECTIONS: readonly ImageSection[] = [
  { firstPage: 1, pageCount: 2, protection: PAGE_EXECUTE_READ, shared: false },
  { firstPage: 3, pageCount: 1, protection: PAGE_READWRITE, shared: false },
  { firstPage: 5, pageCount: 1, protection: PAGE_READWRITE, shared: true },
  { firstPage: 6, pageCount: 1, protection: PAGE_READONLY, shared: false },
];

/** Byte `at` of page `page` of the image below; page 4 belongs to no section. */
export function imageByte(page: number, at: number): number {
  if (page > 3 || (page === 3 && at >= 0x800)) return 0;
  return (page * 16 + (at & 15)) & 0xff;
}

export function testImage(base: number, sections: readonly ImageSection[] = SECTIONS): SharedImage {
  const bytes = Uint8Array.from({ length: 0x3800 }, (_, at) => imageByte(at >>> 12, at & 0xfff));
  return createSharedImage({
    base,
    size: 7 * 0x1000,
    headersSize: 0x400,
    sections,
    bytes,
    information: INFORMATION,
    pageSource: (page) => ({ offset: page * 0x1000, length: Math.max(0, Math.min(0x1000, 0x3800 - page * 0x1000)) }),
  });
}

/** A file whose byte at `at` is `at` divided by 256, plus `at`. */
export function testFile(length: number): ByteSource & { readonly bytes: Uint8Array; reads: number } {
  const bytes = Uint8Array.from({ length }, (_, at) => (at >>> 8) + at);
  return {
    bytes,
    length,
    reads: 0,
    read(offset, target): number {
      this.reads++;
      const piece = bytes.subarray(offset, offset + target.length);
      target.set(piece);
      return piece.length;
    },
  };
}
