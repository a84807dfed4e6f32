import { describe, expect, test } from "vitest";

import {
  MEM_COMMIT,
  MEM_DECOMMIT,
  MEM_LARGE_PAGES,
  MEM_PHYSICAL,
  MEM_RELEASE,
  MEM_RESERVE,
  MEM_RESET,
  MEM_TOP_DOWN,
  MEM_WRITE_WATCH,
  PAGE_EXECUTE_READ,
  PAGE_GUARD,
  PAGE_NOACCESS,
  PAGE_READONLY,
  PAGE_READWRITE,
  PAGE_WRITECOPY,
  STATUS_PAGEFILE_QUOTA,
} from "../../../src/abi/mm.ts";
import {
  STATUS_ACCESS_VIOLATION,
  STATUS_COMMITMENT_LIMIT,
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_FREE_VM_NOT_AT_BASE,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PAGE_PROTECTION,
  STATUS_INVALID_PARAMETER_2,
  STATUS_INVALID_PARAMETER_3,
  STATUS_INVALID_PARAMETER_4,
  STATUS_INVALID_PARAMETER_5,
  STATUS_MEMORY_NOT_ALLOCATED,
  STATUS_NO_MEMORY,
  STATUS_NOT_COMMITTED,
  STATUS_NOT_IMPLEMENTED,
  STATUS_PRIVILEGE_NOT_HELD,
  STATUS_UNABLE_TO_FREE_VM,
} from "../../../src/abi/status.ts";
import { MmFreeVirtualMemory } from "../../../src/mm/free.ts";
import { MmProtectVirtualMemory } from "../../../src/mm/protect.ts";
import { type AllocateArguments, MmAllocateVirtualMemory } from "../../../src/mm/virtual.ts";
import { statusOf, valueOf } from "../../support/kernel.ts";
import { Exception, MemoryMachine } from "../../support/ram.ts";

const COMMITTED: AllocateArguments = {
  base: 0,
  zeroBits: 0,
  size: 0x1000,
  allocationType: MEM_RESERVE | MEM_COMMIT,
  protection: PAGE_READWRITE,
};

function allocate(m: MemoryMachine, args: Partial<AllocateArguments> = {}): number {
  return valueOf(MmAllocateVirtualMemory(m.k, m.process, { ...COMMITTED, ...args })).base;
}

function refused(m: MemoryMachine, args: Partial<AllocateArguments>): number {
  return statusOf(MmAllocateVirtualMemory(m.k, m.process, { ...COMMITTED, ...args }));
}

describe("allocation", () => {
  test("the first region lies at 0x10000 and the next one 64 KiB above", () => {
    const m = new MemoryMachine();
    expect([allocate(m), allocate(m), allocate(m, { size: 0x10001 }), allocate(m)]).toEqual([
      0x10000, 0x20000, 0x30000, 0x50000,
    ]);
  });

  test("a freed hole is used again before higher addresses", () => {
    const m = new MemoryMachine();
    const regions = [allocate(m), allocate(m), allocate(m)];
    valueOf(MmFreeVirtualMemory(m.k, m.process, { base: regions[1] ?? 0, size: 0, freeType: MEM_RELEASE }));
    expect(allocate(m)).toBe(regions[1]);
  });

  test("a top-down region ends below the shared page", () => {
    const m = new MemoryMachine();
    expect(allocate(m, { allocationType: MEM_RESERVE | MEM_TOP_DOWN, size: 0x20000 })).toBe(0x7ffc0000);
  });

  test("zero bits keep a region low", () => {
    const m = new MemoryMachine();
    const base = allocate(m, { allocationType: MEM_RESERVE | MEM_TOP_DOWN, zeroBits: 12, size: 0x10000 });
    expect(base).toBe(0xf0000);
    expect(refused(m, { zeroBits: 15, size: 0x20000 })).toBe(STATUS_NO_MEMORY);
  });

  test("a wanted address is rounded down to 64 KiB and the size grows to match", () => {
    const m = new MemoryMachine();
    const region = valueOf(MmAllocateVirtualMemory(m.k, m.process, { ...COMMITTED, base: 0x401234, size: 0x1000 }));
    expect(region).toEqual({ base: 0x400000, size: 0x3000 });
  });

  test("fresh pages read as zero although their frames held garbage", () => {
    const m = new MemoryMachine();
    const base = allocate(m);
    const bytes = new Set(Array.from({ length: 4096 }, (_, at) => m.read(base + at)));
    expect([...bytes]).toEqual([0]);
  });

  test("a region that is only reserved can't be touched", () => {
    const m = new MemoryMachine();
    const base = allocate(m, { allocationType: MEM_RESERVE });
    expect(m.read(base)).toEqual(new Exception(STATUS_ACCESS_VIOLATION));
  });

  test("committing a reserved page makes that page usable and no other", () => {
    const m = new MemoryMachine();
    const base = allocate(m, { allocationType: MEM_RESERVE, size: 0x4000 });
    expect(allocate(m, { base: base + 0x1000, allocationType: MEM_COMMIT })).toBe(base + 0x1000);
    expect([m.write(base + 0x1000, 7), m.read(base + 0x1000)]).toEqual([null, 7]);
    expect(m.read(base + 0x2000)).toEqual(new Exception(STATUS_ACCESS_VIOLATION));
  });

  test("committing again keeps the content and takes the new protection", () => {
    const m = new MemoryMachine();
    const base = allocate(m);
    m.write(base, 9);
    allocate(m, { base, allocationType: MEM_COMMIT, protection: PAGE_READONLY });
    expect([m.read(base), m.write(base, 1)]).toEqual([9, new Exception(STATUS_ACCESS_VIOLATION)]);
    expect(m.process.addressSpace?.committedPages).toBe(1);
  });

  test("declaring pages worthless gives up their frames", () => {
    const m = new MemoryMachine();
    const base = allocate(m);
    m.write(base, 9);
    const before = m.audit().privatePages;
    allocate(m, { base, allocationType: MEM_RESET });
    expect([m.audit().privatePages, m.read(base)]).toEqual([before - 1, 0]);
  });

  test.each([
    ["too many zero bits", { zeroBits: 22 }, STATUS_INVALID_PARAMETER_3],
    ["no action", { allocationType: MEM_TOP_DOWN }, STATUS_INVALID_PARAMETER_5],
    ["an unknown type", { allocationType: MEM_COMMIT | 1 }, STATUS_INVALID_PARAMETER_5],
    ["a reset with a commit", { allocationType: MEM_RESET | MEM_COMMIT }, STATUS_INVALID_PARAMETER_5],
    ["write watching without reserving", { allocationType: MEM_COMMIT | MEM_WRITE_WATCH }, STATUS_INVALID_PARAMETER_5],
    ["no protection", { protection: 0 }, STATUS_INVALID_PAGE_PROTECTION],
    ["two protections", { protection: PAGE_READONLY | PAGE_READWRITE }, STATUS_INVALID_PAGE_PROTECTION],
    ["a guard on no access", { protection: PAGE_GUARD | PAGE_NOACCESS }, STATUS_INVALID_PAGE_PROTECTION],
    ["a private page to be copied", { protection: PAGE_WRITECOPY }, STATUS_INVALID_PAGE_PROTECTION],
    ["a base in the kernel", { base: 0x80000000 }, STATUS_INVALID_PARAMETER_2],
    ["a base in the first 64 KiB", { base: 1 }, STATUS_INVALID_PARAMETER_2],
    ["no size", { size: 0 }, STATUS_INVALID_PARAMETER_4],
    ["a size that wraps around", { base: 0x10000, size: 0xfffffff0 }, STATUS_INVALID_PARAMETER_4],
    ["large pages", { allocationType: MEM_RESERVE | MEM_LARGE_PAGES }, STATUS_PRIVILEGE_NOT_HELD],
    ["physical pages", { allocationType: MEM_RESERVE | MEM_PHYSICAL }, STATUS_NOT_IMPLEMENTED],
    ["a commit of free memory", { base: 0x10000, allocationType: MEM_COMMIT }, STATUS_CONFLICTING_ADDRESSES],
    ["the shared page", { base: 0x7ffe0000 }, STATUS_INVALID_PARAMETER_2],
  ])("%s is refused", (_name, args, status) => {
    expect(refused(new MemoryMachine(), args)).toBe(status);
  });

  test("a reservation over another region is a conflict", () => {
    const m = new MemoryMachine();
    const base = allocate(m, { size: 0x20000 });
    expect(refused(m, { base: base + 0x10000 })).toBe(STATUS_CONFLICTING_ADDRESSES);
  });

  test("a commit that reaches beyond its region is a conflict", () => {
    const m = new MemoryMachine();
    const base = allocate(m, { size: 0x10000 });
    allocate(m, { base: base + 0x10000, size: 0x10000 });
    expect(refused(m, { base, allocationType: MEM_COMMIT, size: 0x11000 })).toBe(STATUS_CONFLICTING_ADDRESSES);
  });

  test("a full address space is NO_MEMORY and no crash", () => {
    const m = new MemoryMachine();
    let regions = 0;
    while (MmAllocateVirtualMemory(m.k, m.process, { ...COMMITTED, allocationType: MEM_RESERVE }).ok) regions++;
    expect(regions).toBe(0x7ffe - 1);
  });
});

describe("the number of regions", () => {
  test("is limited, so that no program uses up the host's memory", () => {
    const m = new MemoryMachine({ regionLimit: 1000 });
    const answers = new Set<number>();
    for (let region = 0; region < 2000; region++) {
      const result = MmAllocateVirtualMemory(m.k, m.process, { ...COMMITTED, allocationType: MEM_RESERVE });
      answers.add(result.ok ? 0 : result.status);
    }
    expect([...answers]).toEqual([0, STATUS_INSUFFICIENT_RESOURCES]);
    expect(m.process.addressSpace?.vads.length).toBe(1024);
  });

  test("does not stop a region from being freed whole, only from being split", () => {
    const m = new MemoryMachine({ regionLimit: 200 });
    while (MmAllocateVirtualMemory(m.k, m.process, { ...COMMITTED, size: 0x3000, allocationType: MEM_RESERVE }).ok);
    const free = (base: number, size: number): number => {
      const result = MmFreeVirtualMemory(m.k, m.process, { base, size, freeType: MEM_RELEASE });
      return result.ok ? 0 : result.status;
    };
    expect([free(0x11000, 0x1000), free(0x10000, 0x1000), free(0x11000, 0)]).toEqual([
      STATUS_INSUFFICIENT_RESOURCES,
      0,
      0,
    ]);
  });
});

describe("commit", () => {
  test("the machine's limit refuses the page that is one too many", () => {
    const m = new MemoryMachine({ commitLimitPages: 10 });
    allocate(m, { size: 0xa000 });
    expect(refused(m, {})).toBe(STATUS_COMMITMENT_LIMIT);
    expect(m.audit().committedPages).toBe(10);
  });

  test("the process's quota refuses, and leaves the machine's count as it was", () => {
    const m = new MemoryMachine();
    const process = m.newProcess({ committedPages: 2 });
    const result = MmAllocateVirtualMemory(m.k, process, { ...COMMITTED, size: 0x3000 });
    expect([statusOf(result), m.audit().committedPages]).toEqual([STATUS_PAGEFILE_QUOTA, 0]);
  });

  test("a refused allocation leaves no region behind", () => {
    const m = new MemoryMachine({ commitLimitPages: 1 });
    refused(m, { size: 0x2000 });
    expect(allocate(m)).toBe(0x10000);
  });

  test("decommitting returns exactly what was committed", () => {
    const m = new MemoryMachine();
    const base = allocate(m, { size: 0x8000 });
    valueOf(MmFreeVirtualMemory(m.k, m.process, { base: base + 0x2000, size: 0x3000, freeType: MEM_DECOMMIT }));
    valueOf(MmFreeVirtualMemory(m.k, m.process, { base: base + 0x2000, size: 0x4000, freeType: MEM_DECOMMIT }));
    expect(m.audit().committedPages).toBe(4);
  });

  test("a page that no frame is left for is NO_MEMORY at its first touch", () => {
    const m = new MemoryMachine({ pages: 16 });
    const base = allocate(m, { size: 0x40000 });
    const answers = Array.from({ length: 64 }, (_, page) => m.write(base + page * 0x1000, 1));
    expect(answers.find((answer) => answer !== null)).toEqual(new Exception(STATUS_NO_MEMORY));
    m.audit();
  });
});

describe("freeing", () => {
  function free(m: MemoryMachine, base: number, size: number, freeType: number): number {
    const result = MmFreeVirtualMemory(m.k, m.process, { base, size, freeType });
    return result.ok ? 0 : result.status;
  }

  test("a released region faults and its frames are free", () => {
    const m = new MemoryMachine();
    const before = m.audit().privatePages;
    const base = allocate(m);
    m.write(base, 1);
    expect(free(m, base, 0, MEM_RELEASE)).toBe(0);
    expect(m.read(base)).toEqual(new Exception(STATUS_ACCESS_VIOLATION));
    expect(m.audit().privatePages).toBe(before);
  });

  test("a freed frame holds no compiled code", () => {
    const m = new MemoryMachine();
    const base = allocate(m);
    m.write(base, 1);
    m.ram.code.add(m.frameAt(base) ?? 0);
    free(m, base, 0, MEM_RELEASE);
    expect(m.ram.code.size).toBe(0);
  });

  test("releasing the middle leaves two regions", () => {
    const m = new MemoryMachine();
    const base = allocate(m, { size: 0x5000 });
    for (let page = 0; page < 5; page++) m.write(base + page * 0x1000, page);
    expect(free(m, base + 0x2000, 0x1000, MEM_RELEASE)).toBe(0);
    expect([m.read(base + 0x1000), m.read(base + 0x3000)]).toEqual([1, 3]);
    expect(free(m, base + 0x3000, 0, MEM_RELEASE)).toBe(0);
    expect(free(m, base, 0, MEM_RELEASE)).toBe(0);
    expect(m.audit().committedPages).toBe(0);
  });

  test.each([
    ["an unknown type", 0x10000, 0, MEM_RELEASE | MEM_DECOMMIT, STATUS_INVALID_PARAMETER_4],
    ["a kernel address", 0x80000000, 0, MEM_RELEASE, STATUS_INVALID_PARAMETER_2],
    ["a size that wraps around", 0x10000, 0xfffffff0, MEM_RELEASE, STATUS_INVALID_PARAMETER_3],
    ["free memory", 0x70000, 0, MEM_RELEASE, STATUS_MEMORY_NOT_ALLOCATED],
    ["more than the region", 0x10000, 0x11000, MEM_RELEASE, STATUS_UNABLE_TO_FREE_VM],
    ["size 0 in the middle", 0x11000, 0, MEM_RELEASE, STATUS_FREE_VM_NOT_AT_BASE],
    ["size 0 in the middle, decommitting", 0x11000, 0, MEM_DECOMMIT, STATUS_FREE_VM_NOT_AT_BASE],
    ["the shared page", 0x7ffe0000, 0, MEM_RELEASE, STATUS_INVALID_PARAMETER_2],
  ])("%s is refused", (_name, base, size, freeType, status) => {
    const m = new MemoryMachine();
    allocate(m, { size: 0x10000 });
    expect(free(m, base, size, freeType)).toBe(status);
  });
});

describe("protecting", () => {
  function protect(m: MemoryMachine, base: number, size: number, protection: number): number {
    const result = MmProtectVirtualMemory(m.k, m.process, { base, size, protection });
    return result.ok ? result.value.oldProtection : result.status;
  }

  test("the old protection is the first page's", () => {
    const m = new MemoryMachine();
    const base = allocate(m, { size: 0x3000 });
    protect(m, base + 0x1000, 0x1000, PAGE_EXECUTE_READ);
    expect(protect(m, base + 0x1000, 0x2000, PAGE_READONLY)).toBe(PAGE_EXECUTE_READ);
  });

  test("a page made read-only refuses writes at once", () => {
    const m = new MemoryMachine();
    const base = allocate(m);
    m.write(base, 5);
    protect(m, base, 1, PAGE_READONLY);
    expect([m.write(base, 6), m.read(base)]).toEqual([new Exception(STATUS_ACCESS_VIOLATION), 5]);
  });

  test("a page without access keeps its content", () => {
    const m = new MemoryMachine();
    const base = allocate(m);
    m.write(base, 5);
    protect(m, base, 1, PAGE_NOACCESS);
    expect(m.read(base)).toEqual(new Exception(STATUS_ACCESS_VIOLATION));
    protect(m, base, 1, PAGE_READWRITE);
    expect(m.read(base)).toBe(5);
  });

  test("the range covers every page that it touches", () => {
    const m = new MemoryMachine();
    const base = allocate(m, { size: 0x2000 });
    const region = valueOf(
      MmProtectVirtualMemory(m.k, m.process, { base: base + 0xfff, size: 2, protection: PAGE_READONLY }),
    );
    expect(region).toEqual({ base, size: 0x2000, oldProtection: PAGE_READWRITE });
  });

  test.each([
    ["nonsense", 0x10000, 1, 3, STATUS_INVALID_PAGE_PROTECTION],
    ["a copy of a private page", 0x10000, 1, PAGE_WRITECOPY, STATUS_INVALID_PAGE_PROTECTION],
    ["a kernel address", 0x80000000, 1, PAGE_READONLY, STATUS_INVALID_PARAMETER_2],
    ["no size", 0x10000, 0, PAGE_READONLY, STATUS_INVALID_PARAMETER_3],
    ["free memory", 0x70000, 1, PAGE_READONLY, STATUS_CONFLICTING_ADDRESSES],
    ["more than the region", 0x10000, 0x20000, PAGE_READONLY, STATUS_CONFLICTING_ADDRESSES],
    ["reserved pages", 0x10000, 0x2000, PAGE_READONLY, STATUS_NOT_COMMITTED],
  ])("%s is refused", (_name, base, size, protection, status) => {
    const m = new MemoryMachine();
    const region = allocate(m, { allocationType: MEM_RESERVE, size: 0x10000 });
    allocate(m, { base: region, allocationType: MEM_COMMIT });
    expect(protect(m, base, size, protection)).toBe(status);
  });
});
