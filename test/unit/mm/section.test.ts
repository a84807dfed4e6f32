import { describe, expect, test } from "vitest";

import {
  MEM_COMMIT,
  MEM_IMAGE,
  MEM_MAPPED,
  MEM_RESERVE,
  PAGE_EXECUTE_READ,
  PAGE_EXECUTE_WRITECOPY,
  PAGE_NOACCESS,
  PAGE_READONLY,
  PAGE_READWRITE,
  PAGE_WRITECOPY,
  SEC_COMMIT,
  SEC_IMAGE,
  SEC_RESERVE,
  STATUS_ALREADY_COMMITTED,
  STATUS_INVALID_PARAMETER_8,
  STATUS_INVALID_PARAMETER_9,
  STATUS_MAPPED_ALIGNMENT,
  STATUS_MAPPED_FILE_SIZE_ZERO,
  STATUS_SECTION_NOT_IMAGE,
  STATUS_UNABLE_TO_DELETE_SECTION,
  ViewUnmap,
} from "../../../src/abi/mm.ts";
import {
  failure,
  STATUS_ACCESS_DENIED,
  STATUS_ACCESS_VIOLATION,
  STATUS_COMMITMENT_LIMIT,
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_IMAGE_NOT_AT_BASE,
  STATUS_IN_PAGE_ERROR,
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
  STATUS_SUCCESS,
  success,
} from "../../../src/abi/status.ts";
import { MmCleanProcessAddressSpace } from "../../../src/mm/clean.ts";
import { MmAccessFault } from "../../../src/mm/fault.ts";
import { MmFreeVirtualMemory } from "../../../src/mm/free.ts";
import type { MmProcess } from "../../../src/mm/process.ts";
import { MmProtectVirtualMemory } from "../../../src/mm/protect.ts";
import { MmQueryVirtualMemory } from "../../../src/mm/query.ts";
import {
  type CreateSectionArguments,
  MmCreateSection,
  MmGetImageInformation,
  MmQuerySection,
  type SectionFile,
  type SectionObject,
} from "../../../src/mm/section.ts";
import type { ByteSource } from "../../../src/mm/segment.ts";
import { type MapViewArguments, MmMapViewOfSection, MmUnmapViewOfSection } from "../../../src/mm/view.ts";
import { MmAllocateVirtualMemory } from "../../../src/mm/virtual.ts";
import { headerOf } from "../../../src/ob/header.ts";
import { ObDereferenceObject } from "../../../src/ob/reference.ts";
import { imageByte, testFile, testImage } from "../../support/image.ts";
import { statusOf, valueOf } from "../../support/kernel.ts";
import { Exception, MemoryMachine } from "../../support/ram.ts";

const MEMORY: CreateSectionArguments = {
  maximumSize: 0x4000,
  protection: PAGE_READWRITE,
  attributes: SEC_COMMIT,
  file: null,
};
const WHOLE: MapViewArguments = {
  base: 0,
  zeroBits: 0,
  offset: 0,
  viewSize: 0,
  inheritDisposition: ViewUnmap,
  allocationType: 0,
  protection: PAGE_READWRITE,
};
const VIOLATION = new Exception(STATUS_ACCESS_VIOLATION);

function create(m: MemoryMachine, args: Partial<CreateSectionArguments> = {}): SectionObject {
  return valueOf(MmCreateSection(m.k, { ...MEMORY, ...args }));
}

function map(
  m: MemoryMachine,
  section: SectionObject,
  args: Partial<MapViewArguments> = {},
  process?: MmProcess,
): number {
  return valueOf(MmMapViewOfSection(m.k, process ?? m.process, section, { ...WHOLE, ...args })).base;
}

function unmap(m: MemoryMachine, address: number): number {
  return m.call(MmUnmapViewOfSection(m.k, m.process, address));
}

function drop(m: MemoryMachine, section: SectionObject): void {
  m.call(ObDereferenceObject(m.k, section));
}

function fileOf(source: ByteSource, identity: string | null = "file"): SectionFile {
  return { object: null, name: "\\file", identity, source };
}

function dataFile(source: ByteSource, protection = PAGE_READONLY): Partial<CreateSectionArguments> {
  return { maximumSize: 0, protection, file: fileOf(source) };
}

function imageFile(base: number, identity: string | null = "image"): Partial<CreateSectionArguments> {
  const file = { object: null, name: "\\image", identity, image: success(testImage(base)) };
  return { maximumSize: 0, protection: PAGE_EXECUTE_READ, attributes: SEC_IMAGE, file };
}

function secondProcess(m: MemoryMachine): MmProcess {
  const process = m.newProcess();
  return process;
}

/** Runs `act` in a thread of the other process. */
function inside<T>(m: MemoryMachine, process: MmProcess, act: () => T): T {
  m.enter(m.newThread(process));
  const answer = act();
  m.enter(m.thread);
  return answer;
}

describe("shared memory", () => {
  test("shows the writes of one process to the other", () => {
    const m = new MemoryMachine();
    const section = create(m);
    const other = secondProcess(m);
    const [here, there] = [map(m, section), map(m, section, {}, other)];
    m.write(here + 0x1234, 42);
    expect(inside(m, other, () => m.read(there + 0x1234))).toBe(42);
  });

  test("starts as zeros", () => {
    const m = new MemoryMachine();
    expect(m.read(map(m, create(m)) + 0x3fff)).toBe(0);
  });

  test("is charged whole when it is made, and returned with its last user", () => {
    const m = new MemoryMachine();
    const section = create(m);
    const base = map(m, section);
    m.write(base, 1);
    drop(m, section);
    expect(m.audit()).toMatchObject({ committedPages: 4, segmentPages: 1 });
    expect(unmap(m, base + 0x2000)).toBe(STATUS_SUCCESS);
    expect(m.audit()).toMatchObject({ committedPages: 0, segmentPages: 0 });
    expect(m.k.mm.segments.size).toBe(0);
  });

  test("mapped to be copied keeps the writes to itself, once a page was written", () => {
    const m = new MemoryMachine();
    const section = create(m);
    const [shared, copied] = [map(m, section), map(m, section, { protection: PAGE_WRITECOPY })];
    m.write(shared, 1);
    expect(m.read(copied)).toBe(1);
    m.write(copied, 2);
    m.write(shared, 3);
    expect([m.read(copied), m.read(shared)]).toEqual([2, 3]);
    expect(m.audit()).toMatchObject({ committedPages: 8, privatePages: 1 });
  });

  test("keeps a page's copy when the processor faults on an old translation of it", () => {
    const m = new MemoryMachine();
    const base = map(m, create(m), { protection: PAGE_WRITECOPY });
    m.write(base, 5);
    const access = { write: true, user: true, present: true };
    expect([MmAccessFault(m.k, m.process, base, access), m.read(base)]).toEqual([STATUS_SUCCESS, 5]);
    expect(m.audit().privatePages).toBe(1);
  });

  test("shows the guest the copy that the kernel's own write made, although the guest had looked before", () => {
    const m = new MemoryMachine();
    const base = map(m, create(m), { protection: PAGE_WRITECOPY });
    expect(m.read(base)).toBe(0);
    m.k.mm.user.begin().writeU8(base, 7);
    expect([m.read(base), m.ram.staleTranslations()]).toEqual([7, []]);
  });

  test("can be mapped in part, from a multiple of 64 KiB on", () => {
    const m = new MemoryMachine();
    const section = create(m, { maximumSize: 0x30000 });
    const [whole, part] = [map(m, section), map(m, section, { offset: 0x10000, viewSize: 0x1800 })];
    m.write(whole + 0x10000 + 0x1fff, 5);
    expect([m.read(part + 0x1fff), m.read(part + 0x2000)]).toEqual([5, VIOLATION]);
  });

  test("that is reserved is committed page by page, for everybody", () => {
    const m = new MemoryMachine();
    const section = create(m, { attributes: SEC_RESERVE });
    const [one, two] = [map(m, section), map(m, section)];
    expect(m.read(one)).toEqual(VIOLATION);
    const commit = { zeroBits: 0, size: 0x1000, allocationType: MEM_COMMIT, protection: PAGE_READWRITE };
    valueOf(MmAllocateVirtualMemory(m.k, m.process, { base: one + 0x1000, ...commit }));
    expect([m.write(one + 0x1000, 8), m.read(two + 0x1000), m.read(two)]).toEqual([null, 8, VIOLATION]);
    const states = [0, 0x1000, 0x2000].map((at) => valueOf(MmQueryVirtualMemory(m.k, m.process, two + at)));
    expect(states.map(({ state, regionSize }) => [state, regionSize])).toEqual([
      [MEM_RESERVE, 0x1000],
      [MEM_COMMIT, 0x1000],
      [MEM_RESERVE, 0x2000],
    ]);
    expect(m.audit().committedPages).toBe(1);
  });

  test("that is committed can't be committed again, freed, or protected beyond its section", () => {
    const m = new MemoryMachine();
    const base = map(m, create(m, { protection: PAGE_READONLY }), { protection: PAGE_READONLY });
    const commit = { base, zeroBits: 0, size: 1, allocationType: MEM_COMMIT, protection: PAGE_READWRITE };
    expect(statusOf(MmAllocateVirtualMemory(m.k, m.process, commit))).toBe(STATUS_ALREADY_COMMITTED);
    const free = { base, size: 0, freeType: 0x8000 };
    expect(statusOf(MmFreeVirtualMemory(m.k, m.process, free))).toBe(STATUS_UNABLE_TO_DELETE_SECTION);
    const protect = { base, size: 1, protection: PAGE_READWRITE };
    expect(statusOf(MmProtectVirtualMemory(m.k, m.process, protect))).toBe(STATUS_SECTION_PROTECTION);
  });
});

describe("a mapped file", () => {
  test("shows the file's bytes and zeros behind its end", () => {
    const m = new MemoryMachine();
    const file = testFile(0x1810);
    const base = map(m, create(m, dataFile(file)), { protection: PAGE_READONLY });
    expect([m.read(base + 0x180f), m.read(base + 0x1810), m.read(base + 0x1fff)]).toEqual([file.bytes[0x180f], 0, 0]);
    expect(m.write(base, 1)).toEqual(VIOLATION);
  });

  test("is read once however many processes look at it", () => {
    const m = new MemoryMachine();
    const file = testFile(0x1000);
    const other = secondProcess(m);
    const [one, two] = [create(m, dataFile(file)), create(m, dataFile(file))];
    const here = map(m, one, { protection: PAGE_READONLY });
    const there = map(m, two, { protection: PAGE_READONLY }, other);
    expect(m.read(here + 5)).toBe(inside(m, other, () => m.read(there + 5)));
    expect(file.reads).toBe(1);
  });

  test("mapped to be copied never changes", () => {
    const m = new MemoryMachine();
    const file = testFile(0x1000);
    const base = map(m, create(m, dataFile(file)), { protection: PAGE_WRITECOPY });
    m.write(base + 1, 0xee);
    expect([m.read(base + 1), file.bytes[1], m.read(base + 2)]).toEqual([0xee, 1, 2]);
  });

  test("that can be written gets what was written back, up to its end, when the last user goes", () => {
    const m = new MemoryMachine();
    const file = testFile(0x1810);
    const written: [number, number][] = [];
    const source: ByteSource = {
      length: file.length,
      read: (offset, target) => file.read(offset, target),
      write(offset, bytes) {
        written.push([offset, bytes.length]);
        file.bytes.set(bytes, offset);
        return true;
      },
    };
    const section = create(m, dataFile(source, PAGE_READWRITE));
    const base = map(m, section);
    m.write(base + 0x1001, 0xee);
    unmap(m, base);
    expect(written).toEqual([]);
    drop(m, section);
    expect(written).toEqual([[0x1000, 0x810]]);
    expect(file.bytes[0x1001]).toBe(0xee);
  });

  test("that can't be read is an in-page error, and no frame is lost", () => {
    const m = new MemoryMachine();
    const base = map(m, create(m, dataFile({ length: 0x1000, read: () => -1 })), { protection: PAGE_READONLY });
    expect(m.read(base)).toEqual(new Exception(STATUS_IN_PAGE_ERROR));
    m.audit();
  });

  test("that got shorter shows zeros", () => {
    const m = new MemoryMachine();
    const base = map(m, create(m, dataFile({ length: 0x1000, read: () => 0 })), { protection: PAGE_READONLY });
    expect(m.read(base)).toBe(0);
  });
});

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
