import { describe, expect, it } from "vitest";
import { parseImage, type PeImage } from "../../../src/guest/pe.ts";
import { BSS_RVA, DATA_RVA, IMAGE_BASE, PE_OFFSET, putText, sampleImage, TEXT_RVA, type Field } from "./peimages.ts";

function parsed(bytes: Uint8Array): PeImage {
  const result = parseImage(bytes);
  if (!result.ok) throw new Error(result.reason);
  return result.value;
}

function reason(bytes: Uint8Array): string {
  const result = parseImage(bytes);
  if (result.ok) return "accepted";
  expect(result.status).toBe(0xc000007b);
  return result.reason;
}

describe("parseImage", () => {
  it("reads what the headers say", () => {
    expect(parsed(sampleImage())).toMatchObject({
      base: IMAGE_BASE,
      entry: TEXT_RVA,
      size: 0x5000,
      headersSize: 0x400,
      subsystem: 3,
      subsystemMajorVersion: 4,
      subsystemMinorVersion: 0,
      characteristics: 0x102,
      dllCharacteristics: 0,
      stackReserve: 0x200000,
      stackCommit: 0x1000,
      heapReserve: 0x100000,
      heapCommit: 0x1000,
    });
  });

  it("reads the sections, with the protection of their pages", () => {
    expect(parsed(sampleImage()).sections).toMatchObject([
      {
        name: ".text",
        va: TEXT_RVA,
        virtualSize: 0x180,
        span: 0x1000,
        rawOffset: 0x400,
        rawSize: 0x200,
        protection: 0x20,
      },
      {
        name: ".data",
        va: DATA_RVA,
        virtualSize: 0x400,
        span: 0x1000,
        rawOffset: 0x600,
        rawSize: 0x400,
        protection: 0x08,
      },
      { name: ".bss", va: BSS_RVA, virtualSize: 0x1800, span: 0x2000, rawSize: 0, protection: 0x08 },
    ]);
  });

  it.each([
    [0x20000000, 0x10],
    [0x40000000, 0x02],
    [0x60000000, 0x20],
    [0xc0000000, 0x08],
    [0xe0000000, 0x80],
    [0xd0000000, 0x04],
    [0xf0000000, 0x40],
    [0x00000000, 0x01],
  ])("turns section flags %s into page protection %s", (flags, protection) => {
    expect(parsed(sampleImage({ textCharacteristics: flags })).sections[0]?.protection).toBe(protection);
  });

  it("knows the file bytes behind each page", () => {
    const image = parsed(sampleImage());
    const sources = [0, 1, 2, 3, 4, 5].map((page) => image.pageSource(page));
    expect(sources.map(({ length }) => length)).toEqual([0x400, 0x200, 0x400, 0, 0, 0]);
    expect(sources.slice(0, 3).map(({ offset }) => offset)).toEqual([0, 0x400, 0x600]);
  });

  it("backs a section no further than the pages that it asked for", () => {
    const image = parsed(sampleImage({ textVirtualSize: 0x10, textRawSize: 0x600 }));
    expect(image.pageSource(1)).toEqual({ offset: 0x400, length: 0x600 });
  });

  it("takes a section without a virtual size to be as long as its file bytes", () => {
    expect(parsed(sampleImage({ textVirtualSize: 0 })).sections[0]?.virtualSize).toBe(0x200);
  });

  it("reads a section from the disk sector in which it starts", () => {
    const image = parsed(sampleImage({ textRawOffset: 0x410, textRawSize: 0x1f0 }));
    expect(image.pageSource(1)).toEqual({ offset: 0x400, length: 0x200 });
  });

  it("takes a gap between sections for address space that nothing backs", () => {
    const image = parsed(sampleImage({ bssVa: BSS_RVA + 0x1000, sizeOfImage: 0x6000 }));
    expect(image.pageSource(3)).toEqual({ offset: 0, length: 0 });
  });

  it("takes directories that the optional header has no room for to be absent", () => {
    expect(parsed(sampleImage({ numberOfDirectories: 2 })).directories[9]).toEqual({ rva: 0, size: 0 });
    expect(parsed(sampleImage({ numberOfDirectories: 0xffffffff })).directories).toHaveLength(16);
  });

  it.each<[string, Partial<Record<Field, number>>]>([
    ["64-bit (x86-64)", { machine: 0x8664, magic: 0x20b }],
    ["ARM64", { machine: 0xaa64 }],
    ["machine 0x1234", { machine: 0x1234 }],
    ["64-bit headers", { magic: 0x20b }],
    ["no optional header", { magic: 0 }],
    [".NET", { clrRva: DATA_RVA, clrSize: 72 }],
    ["MS-DOS program", { peSignature: 0 }],
    ["MS-DOS program", { peOffset: 0xffffffff }],
    ["16-bit Windows", { peSignature: 0x454e }],
    ["not aligned", { peOffset: 0x82 }],
    ["not linked completely", { characteristics: 0x100 }],
    ["64 KiB", { base: 0x401000 }],
    ["size in memory", { sizeOfImage: 0 }],
    ["size in memory", { sizeOfImage: 0xffffffff }],
    ["impossible alignment", { fileAlignment: 0 }],
    ["impossible alignment", { sectionAlignment: 0x1800 }],
    ["impossible alignment", { fileAlignment: 0x2000 }],
    ["smaller than a page", { sectionAlignment: 0x200 }],
    ["size of headers", { sizeOfHeaders: 0 }],
    ["size of headers", { sizeOfHeaders: 0x5000 }],
    ["within the headers", { sizeOfHeaders: 0x2000 }],
    ["entry point", { entry: 0x5000 }],
    ["no sections", { numberOfSections: 0 }],
    ["too many sections", { numberOfSections: 97 }],
    ["section table", { numberOfSections: 60 }],
    ["section table", { sizeOfOptionalHeader: 0xfff0 }],
    ["not aligned", { textVa: 0x1010 }],
    ["overlap", { dataVa: TEXT_RVA }],
    ["overlap", { textVa: 0 }],
    ["overlap", { textVirtualSize: 0x1001 }],
    ["outside", { bssVirtualSize: 0x2001 }],
    ["outside", { bssVirtualSize: 0xffffffff }],
    ["within a section", { dataRawSize: 0x401 }],
    ["within a section", { dataRawOffset: 0xfffffe00 }],
  ])("refuses with words about: %s (%o)", (words, changes) => {
    const image = sampleImage(changes);
    if (changes.peOffset === 0x82) image.set([0x50, 0x45, 0, 0], 0x82);
    expect(reason(image)).toContain(words);
  });

  it("says what a file is that is no image at all", () => {
    const text = (content: string): Uint8Array => {
      const bytes = new Uint8Array(128);
      putText(bytes, 0, content);
      return bytes;
    };
    expect(reason(new Uint8Array(0))).toBe("its file is empty");
    expect(reason(text("\x7fELF"))).toContain("Linux");
    expect(reason(text("#!/bin/sh"))).toContain("script");
    expect(reason(text("hello"))).toBe("it is not a Windows program");
    expect(reason(text("MZ"))).toContain("MS-DOS");
    expect(reason(new Uint8Array([0x4d, 0x5a]))).toBe("it is not a Windows program");
  });

  it("refuses a file that is cut short, wherever that is", () => {
    const whole = sampleImage();
    for (let length = 0; length < whole.length; length += 7)
      expect(reason(whole.subarray(0, length))).not.toBe("accepted");
    expect(reason(whole.subarray(0, PE_OFFSET + 60))).toContain("cut short");
  });

  it("reads a file that starts within a larger buffer", () => {
    const whole = sampleImage();
    const buffer = new Uint8Array(whole.length + 33);
    buffer.set(whole, 33);
    expect(parsed(buffer.subarray(33)).sections).toHaveLength(3);
  });
});
