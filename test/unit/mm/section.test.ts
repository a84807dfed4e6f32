import { describe, expect, test } from "vitest";

import {
  MEM_COMMIT,
  MEM_RESERVE,
  PAGE_READONLY,
  PAGE_READWRITE,
  PAGE_WRITECOPY,
  SEC_RESERVE,
  STATUS_ALREADY_COMMITTED,
  STATUS_UNABLE_TO_DELETE_SECTION,
} from "../../../src/abi/mm.ts";
import { STATUS_IN_PAGE_ERROR, STATUS_SECTION_PROTECTION, STATUS_SUCCESS } from "../../../src/abi/status.ts";
import { MmAccessFault } from "../../../src/mm/fault.ts";
import { MmFreeVirtualMemory } from "../../../src/mm/free.ts";
import { MmProtectVirtualMemory } from "../../../src/mm/protect.ts";
import { MmQueryVirtualMemory } from "../../../src/mm/query.ts";
import type { ByteSource } from "../../../src/mm/segment.ts";
import { MmAllocateVirtualMemory } from "../../../src/mm/virtual.ts";
import { testFile } from "../../support/image.ts";
import { statusOf, valueOf } from "../../support/kernel.ts";
import { Exception, MemoryMachine } from "../../support/ram.ts";
import { VIOLATION, create, dataFile, drop, inside, map, secondProcess, unmap } from "./sections.ts";

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
