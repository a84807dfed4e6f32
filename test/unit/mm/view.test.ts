import { describe, expect, test } from "vitest";

import {
  MEM_MAPPED,
  MEM_RESERVE,
  PAGE_NOACCESS,
  PAGE_READONLY,
  PAGE_READWRITE,
  PAGE_WRITECOPY,
  SEC_COMMIT,
  SEC_IMAGE,
  SEC_RESERVE,
  STATUS_INVALID_PARAMETER_8,
  STATUS_INVALID_PARAMETER_9,
  STATUS_MAPPED_ALIGNMENT,
  STATUS_MAPPED_FILE_SIZE_ZERO,
} from "../../../src/abi/mm.ts";
import {
  failure,
  STATUS_ACCESS_DENIED,
  STATUS_COMMITMENT_LIMIT,
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_FILE_FOR_SECTION,
  STATUS_INVALID_IMAGE_FORMAT,
  STATUS_INVALID_PAGE_PROTECTION,
  STATUS_INVALID_PARAMETER_3,
  STATUS_INVALID_PARAMETER_4,
  STATUS_INVALID_PARAMETER_6,
  STATUS_INVALID_VIEW_SIZE,
  STATUS_NOT_MAPPED_VIEW,
  STATUS_SECTION_PROTECTION,
  STATUS_SECTION_TOO_BIG,
} from "../../../src/abi/status.ts";
import { MmQueryVirtualMemory } from "../../../src/mm/query.ts";
import { type CreateSectionArguments, MmCreateSection } from "../../../src/mm/section.ts";
import { type MapViewArguments, MmMapViewOfSection } from "../../../src/mm/view.ts";
import { MmAllocateVirtualMemory } from "../../../src/mm/virtual.ts";
import { headerOf } from "../../../src/ob/header.ts";
import { testFile } from "../../support/image.ts";
import { statusOf, valueOf } from "../../support/kernel.ts";
import { MemoryMachine } from "../../support/ram.ts";
import { MEMORY, WHOLE, create, dataFile, imageFile, map, unmap } from "./sections.ts";

describe("creating a section is refused for", () => {
  test.each<[string, Partial<CreateSectionArguments>, number]>([
    ["no kind", { attributes: 0 }, STATUS_INVALID_PARAMETER_6],
    ["two kinds", { attributes: SEC_COMMIT | SEC_RESERVE }, STATUS_INVALID_PARAMETER_6],
    ["unknown attributes", { attributes: SEC_COMMIT | 1 }, STATUS_INVALID_PARAMETER_6],
    ["no access", { protection: PAGE_NOACCESS }, STATUS_INVALID_PAGE_PROTECTION],
    ["a senseless protection", { protection: 3 }, STATUS_INVALID_PAGE_PROTECTION],
    ["an image without a file", { attributes: SEC_IMAGE }, STATUS_INVALID_FILE_FOR_SECTION],
    ["memory without a size", { maximumSize: 0 }, STATUS_INVALID_PARAMETER_4],
    ["more than an address space", { maximumSize: 2 ** 40 }, STATUS_SECTION_TOO_BIG],
    ["an empty file", dataFile(testFile(0)), STATUS_MAPPED_FILE_SIZE_ZERO],
    ["more than the file", { ...dataFile(testFile(0x100)), maximumSize: 0x101 }, STATUS_SECTION_TOO_BIG],
    ["writing to a file that can't be", dataFile(testFile(0x100), PAGE_READWRITE), STATUS_ACCESS_DENIED],
    [
      "a file that is no image",
      {
        attributes: SEC_IMAGE,
        file: { object: null, name: "", identity: null, image: failure(STATUS_INVALID_IMAGE_FORMAT) },
      },
      STATUS_INVALID_IMAGE_FORMAT,
    ],
  ])("%s", (_name, args, status) => {
    const m = new MemoryMachine();
    expect(statusOf(MmCreateSection(m.k, { ...MEMORY, ...args }))).toBe(status);
    expect(m.audit().committedPages).toBe(0);
  });

  test("want of commit", () => {
    const m = new MemoryMachine({ commitLimitPages: 3 });
    expect(statusOf(MmCreateSection(m.k, MEMORY))).toBe(STATUS_COMMITMENT_LIMIT);
  });

  test("want of pool, with nothing kept", () => {
    const m = new MemoryMachine();
    m.k.ex.pool.failure = (): boolean => true;
    expect(statusOf(MmCreateSection(m.k, MEMORY))).toBe(STATUS_INSUFFICIENT_RESOURCES);
    const image = { ...MEMORY, ...imageFile(0x400000) };
    expect(statusOf(MmCreateSection(m.k, image))).toBe(STATUS_INSUFFICIENT_RESOURCES);
    expect([m.k.mm.images.size, m.k.mm.segments.size, m.audit().committedPages]).toEqual([0, 0, 0]);
  });
});

describe("mapping a view", () => {
  test.each<[string, Partial<MapViewArguments>, number]>([
    ["an unknown inheritance", { inheritDisposition: 3 }, STATUS_INVALID_PARAMETER_8],
    ["an unknown type", { allocationType: 1 }, STATUS_INVALID_PARAMETER_9],
    ["a senseless protection", { protection: 0 }, STATUS_INVALID_PAGE_PROTECTION],
    ["too many zero bits", { zeroBits: 22 }, STATUS_INVALID_PARAMETER_4],
    ["a kernel address", { base: 0x80000000 }, STATUS_INVALID_PARAMETER_3],
    ["a base that is not at 64 KiB", { base: 0x401000 }, STATUS_MAPPED_ALIGNMENT],
    ["an offset that is not at 64 KiB", { offset: 0x1000 }, STATUS_MAPPED_ALIGNMENT],
    ["an offset behind the end", { offset: 0x10000 }, STATUS_INVALID_VIEW_SIZE],
    ["more than the section", { viewSize: 0x4001 }, STATUS_INVALID_VIEW_SIZE],
    ["a taken base", { base: 0x10000 }, STATUS_CONFLICTING_ADDRESSES],
  ])("with %s is refused and takes no reference", (_name, args, status) => {
    const m = new MemoryMachine();
    const section = create(m);
    map(m, create(m));
    expect(statusOf(MmMapViewOfSection(m.k, m.process, section, { ...WHOLE, ...args }))).toBe(status);
    expect(headerOf(section).pointerCount).toBe(1);
  });

  test("with more rights than the section has is refused", () => {
    const m = new MemoryMachine();
    const section = create(m, { protection: PAGE_READONLY });
    expect(statusOf(MmMapViewOfSection(m.k, m.process, section, WHOLE))).toBe(STATUS_SECTION_PROTECTION);
  });

  test("without commit for its copies is refused and leaves no region", () => {
    const m = new MemoryMachine({ commitLimitPages: 5 });
    const section = create(m);
    const args = { ...WHOLE, protection: PAGE_WRITECOPY };
    expect(statusOf(MmMapViewOfSection(m.k, m.process, section, args))).toBe(STATUS_COMMITMENT_LIMIT);
    expect(map(m, section)).toBe(0x10000);
  });

  test("holds a reference on the section until it is unmapped", () => {
    const m = new MemoryMachine();
    const section = create(m);
    const base = map(m, section);
    expect(headerOf(section).pointerCount).toBe(2);
    unmap(m, base);
    expect(headerOf(section).pointerCount).toBe(1);
  });

  test("is of type mapped", () => {
    const m = new MemoryMachine();
    const base = map(m, create(m));
    expect(valueOf(MmQueryVirtualMemory(m.k, m.process, base)).type).toBe(MEM_MAPPED);
  });

  test.each([0x70000, 0x7ffe0000, 0x7fff0000, 0xffffffff])(
    "unmapping at %i is refused: nothing is there",
    (address) => {
      const m = new MemoryMachine();
      expect(unmap(m, address)).toBe(STATUS_NOT_MAPPED_VIEW);
    },
  );

  test("unmapping private memory is refused", () => {
    const m = new MemoryMachine();
    const args = { base: 0, zeroBits: 0, size: 1, allocationType: MEM_RESERVE, protection: PAGE_READWRITE };
    expect(unmap(m, valueOf(MmAllocateVirtualMemory(m.k, m.process, args)).base)).toBe(STATUS_NOT_MAPPED_VIEW);
  });
});
