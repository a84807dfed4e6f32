import { describe, expect, test } from "vitest";

import {
  MEM_IMAGE,
  PAGE_EXECUTE_READ,
  PAGE_EXECUTE_WRITECOPY,
  PAGE_NOACCESS,
  PAGE_READONLY,
  PAGE_READWRITE,
  PAGE_WRITECOPY,
  SEC_IMAGE,
  STATUS_SECTION_NOT_IMAGE,
} from "../../../src/abi/mm.ts";
import { STATUS_IMAGE_NOT_AT_BASE, STATUS_SUCCESS, success } from "../../../src/abi/status.ts";
import { MmCleanProcessAddressSpace } from "../../../src/mm/clean.ts";
import { MmProtectVirtualMemory } from "../../../src/mm/protect.ts";
import { MmQueryVirtualMemory } from "../../../src/mm/query.ts";
import { MmGetImageInformation, MmQuerySection } from "../../../src/mm/section.ts";
import { MmMapViewOfSection } from "../../../src/mm/view.ts";
import { MmAllocateVirtualMemory } from "../../../src/mm/virtual.ts";
import { imageByte, testImage } from "../../support/image.ts";
import { statusOf, valueOf } from "../../support/kernel.ts";
import { MemoryMachine } from "../../support/ram.ts";
import { VIOLATION, WHOLE, create, drop, imageFile, inside, map, secondProcess, unmap } from "./sections.ts";

describe("an image", () => {
  test("lies at its base, with the protections of its sections", () => {
    const m = new MemoryMachine();
    const view = valueOf(MmMapViewOfSection(m.k, m.process, create(m, imageFile(0x400000)), WHOLE));
    expect(view).toEqual({ base: 0x400000, size: 0x7000, status: STATUS_SUCCESS });
    const pages = [0, 1, 2, 3, 4, 5, 6].map((page) => 0x400000 + page * 0x1000);
    const runs = pages.map((page) => valueOf(MmQueryVirtualMemory(m.k, m.process, page)));
    expect(runs.map((run) => run.protect)).toEqual([
      PAGE_READONLY,
      PAGE_EXECUTE_READ,
      PAGE_EXECUTE_READ,
      PAGE_WRITECOPY,
      PAGE_NOACCESS,
      PAGE_READWRITE,
      PAGE_READONLY,
    ]);
    expect(runs.map((run) => [run.type, run.allocationProtect])).toEqual(
      pages.map(() => [MEM_IMAGE, PAGE_EXECUTE_WRITECOPY]),
    );
  });

  test("shows its file's bytes and zeros where the file has none", () => {
    const m = new MemoryMachine();
    const base = map(m, create(m, imageFile(0x400000)));
    const places = [0, 1, 0x1005, 0x2fff, 0x37ff, 0x3800, 0x3fff, 0x6000];
    expect(places.map((at) => m.read(base + at))).toEqual(places.map((at) => imageByte(at >>> 12, at & 0xfff)));
    expect([m.read(base + 0x4000), m.write(base + 0x1000, 1)]).toEqual([VIOLATION, VIOLATION]);
  });

  test("moves if its base is taken, and says so", () => {
    const m = new MemoryMachine();
    const section = create(m, imageFile(0x400000));
    map(m, section);
    const moved = valueOf(MmMapViewOfSection(m.k, m.process, section, WHOLE));
    expect([moved.base, moved.status]).toEqual([0x10000, STATUS_IMAGE_NOT_AT_BASE]);
  });

  test("whose base can't be user memory moves", () => {
    const m = new MemoryMachine();
    const bases = [0, 0x7ffd8000, 0x80000000, 0x401000, 0xffff0000];
    const found = bases.map((base) => {
      const section = create(m, imageFile(base, null));
      return valueOf(MmMapViewOfSection(m.k, m.process, section, WHOLE)).status;
    });
    expect(found).toEqual(bases.map(() => STATUS_IMAGE_NOT_AT_BASE));
  });

  test("shares its pages between processes until one of them writes", () => {
    const m = new MemoryMachine();
    const other = secondProcess(m);
    const section = create(m, imageFile(0x400000));
    map(m, section);
    map(m, section, {}, other);
    const codeFrames = [m.read(0x401000), m.frameAt(0x401000)];
    expect(inside(m, other, () => [m.read(0x401000), m.frameAt(0x401000)])).toEqual(codeFrames);
    m.write(0x403000, 0x99);
    expect(inside(m, other, () => m.read(0x403000))).toBe(imageByte(3, 0));
    expect(m.read(0x403000)).toBe(0x99);
  });

  test("shows a copied page as writable", () => {
    const m = new MemoryMachine();
    map(m, create(m, imageFile(0x400000)));
    m.write(0x403000, 1);
    expect(valueOf(MmQueryVirtualMemory(m.k, m.process, 0x403000)).protect).toBe(PAGE_READWRITE);
  });

  test("made writable by the loader is copied, and the next process sees the file", () => {
    const m = new MemoryMachine();
    const other = secondProcess(m);
    const section = create(m, imageFile(0x400000));
    map(m, section);
    map(m, section, {}, other);
    m.read(0x401000);
    const protect = { base: 0x400000, size: 0x7000, protection: PAGE_READWRITE };
    valueOf(MmProtectVirtualMemory(m.k, m.process, protect));
    expect(valueOf(MmQueryVirtualMemory(m.k, m.process, 0x401000)).protect).toBe(PAGE_WRITECOPY);
    expect([m.write(0x401000, 0xcc), m.read(0x401000)]).toEqual([null, 0xcc]);
    expect(inside(m, other, () => m.read(0x401000))).toBe(imageByte(1, 0));
    m.audit();
  });

  test("charges each page that may be copied once, however often it is protected", () => {
    const m = new MemoryMachine();
    const base = map(m, create(m, imageFile(0x400000)));
    expect(m.audit().committedPages).toBe(1);
    for (const protection of [PAGE_READWRITE, PAGE_READONLY, PAGE_READWRITE, PAGE_EXECUTE_READ]) {
      valueOf(MmProtectVirtualMemory(m.k, m.process, { base: base + 0x1000, size: 0x1000, protection }));
    }
    expect(m.audit().committedPages).toBe(2);
    unmap(m, base);
    expect(m.audit().committedPages).toBe(0);
  });

  test("keeps its shared data only as long as somebody uses it", () => {
    const m = new MemoryMachine();
    const other = secondProcess(m);
    const section = create(m, imageFile(0x400000));
    const base = map(m, section);
    map(m, section, {}, other);
    m.write(base + 0x5000, 7);
    expect(inside(m, other, () => m.read(base + 0x5000))).toBe(7);
    drop(m, section);
    unmap(m, base);
    m.call(MmCleanProcessAddressSpace(m.k, other));
    expect(m.read(map(m, create(m, imageFile(0x400000))) + 0x5000)).toBe(0);
    m.audit();
  });

  test("stays loaded when nobody uses it, and gives its frames up when they run short", () => {
    const m = new MemoryMachine({ pages: 24 });
    const sections = [{ firstPage: 1, pageCount: 3, protection: PAGE_EXECUTE_READ, shared: false }];
    const file = { object: null, name: "", identity: "image", image: success(testImage(0x400000, sections)) };
    const args = { maximumSize: 0, protection: PAGE_EXECUTE_READ, attributes: SEC_IMAGE, file };
    const section = create(m, args);
    const base = map(m, section);
    for (let page = 0; page < 4; page++) m.read(base + page * 0x1000);
    unmap(m, base);
    drop(m, section);
    expect(m.audit().segmentPages).toBe(4);
    const hog = { base: 0, zeroBits: 0, size: 0x20000, allocationType: 0x3000, protection: PAGE_READWRITE };
    const { base: memory } = valueOf(MmAllocateVirtualMemory(m.k, m.process, hog));
    const answers = Array.from({ length: 32 }, (_, page) => m.write(memory + page * 0x1000, 1));
    expect(m.audit().segmentPages).toBe(0);
    expect(answers.filter((answer) => answer === null).length).toBe(m.audit().privatePages);
    expect(create(m, args).segment).toBe(section.segment);
  });

  test("tells what the loader wants to know", () => {
    const m = new MemoryMachine();
    const image = create(m, imageFile(0x400000));
    expect(valueOf(MmGetImageInformation(image))).toMatchObject({ stackReserve: 0x200000, subsystem: 3 });
    expect(statusOf(MmGetImageInformation(create(m)))).toBe(STATUS_SECTION_NOT_IMAGE);
    expect(MmQuerySection(image)).toEqual({ base: 0, attributes: SEC_IMAGE, sizeBytes: 0x7000 });
  });
});
