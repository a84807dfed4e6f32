import { describe, expect, test } from "vitest";

import { PAGE_GUARD, PAGE_READWRITE, MEM_COMMIT, MEM_RESERVE } from "../../../src/abi/mm.ts";
import {
  STATUS_ACCESS_VIOLATION,
  STATUS_FREE_VM_NOT_AT_BASE,
  STATUS_GUARD_PAGE_VIOLATION,
  STATUS_INVALID_PAGE_PROTECTION,
  STATUS_STACK_OVERFLOW,
  STATUS_SUCCESS,
} from "../../../src/abi/status.ts";
import { Teb } from "../../../src/abi/teb.ts";
import { MmFreeVirtualMemory } from "../../../src/mm/free.ts";
import { MmProtectVirtualMemory } from "../../../src/mm/protect.ts";
import { MmCreateUserStack, MmFreeUserStack, type StackSizes, type UserStack } from "../../../src/mm/stack.ts";
import { MmCreatePeb, MmCreateTeb, MmDeleteTeb } from "../../../src/mm/teb.ts";
import { UserMemory } from "../../../src/mm/usermemory.ts";
import { MmAllocateVirtualMemory } from "../../../src/mm/virtual.ts";
import { skipZeroFill } from "../../../src/mm/zerofill.ts";
import { statusOf, valueOf } from "../../support/kernel.ts";
import { Exception, MemoryMachine } from "../../support/ram.ts";

const CLIENT = { process: 8, thread: 12 };

function withStack(m: MemoryMachine, sizes: StackSizes): UserStack {
  const stack = valueOf(MmCreateUserStack(m.k, m.process, sizes));
  m.thread.teb = valueOf(MmCreateTeb(m.k, m.process, { clientId: CLIENT, stack }));
  return stack;
}

function teb(m: MemoryMachine, offset: number): number {
  return new UserMemory(m.k, m.process).readU32(m.thread.teb + offset);
}

describe("a stack", () => {
  test("commits its top, guards the page below and reserves the rest", () => {
    const m = new MemoryMachine();
    const stack = withStack(m, { reserve: 0x100000, commit: 0x3000 });
    expect([stack.base - stack.allocation, stack.base - stack.limit]).toEqual([0x100000, 0x3000]);
    expect(m.write(stack.limit, 1)).toBe(null);
    expect(m.write(stack.allocation, 1)).toEqual(new Exception(STATUS_ACCESS_VIOLATION));
    expect(m.process.addressSpace?.committedPages).toBe(4 + 2);
  });

  test("grows by a page at each touch of its guard, and the TEB says so", () => {
    const m = new MemoryMachine();
    const stack = withStack(m, { reserve: 0x100000, commit: 0x1000 });
    for (let page = 1; page <= 5; page++) {
      expect(m.write(stack.base - 0x1000 - page * 0x1000, page)).toBe(null);
      expect(teb(m, Teb.StackLimit)).toBe(stack.base - 0x1000 - page * 0x1000);
    }
    expect(m.k.mm.statistics.stackExtensions).toBe(5);
    m.audit();
  });

  test("is not grown by a touch below its guard", () => {
    const m = new MemoryMachine();
    const stack = withStack(m, { reserve: 0x100000, commit: 0x1000 });
    expect(m.write(stack.limit - 0x2000, 1)).toEqual(new Exception(STATUS_ACCESS_VIOLATION));
    expect(teb(m, Teb.StackLimit)).toBe(stack.limit);
  });

  /** Touches pages downwards until the guest gets an exception. */
  function overflow(m: MemoryMachine, stack: UserStack): { status: number; at: number } {
    for (let at = stack.base - 0x1000; at >= stack.allocation; at -= 0x1000) {
      const answer = m.write(at, 1);
      if (answer !== null) return { status: answer.status, at };
    }
    throw new Error("the stack has no end");
  }

  test("overflows three pages above its end, with a page left to handle it", () => {
    const m = new MemoryMachine();
    const stack = withStack(m, { reserve: 0x10000, commit: 0x1000 });
    expect(overflow(m, stack)).toEqual({ status: STATUS_STACK_OVERFLOW, at: stack.allocation + 0x2000 });
    expect(teb(m, Teb.StackLimit)).toBe(stack.allocation + 0x1000);
    expect(m.write(stack.allocation + 0x1000, 1)).toBe(null);
    expect(m.write(stack.allocation, 1)).toEqual(new Exception(STATUS_ACCESS_VIOLATION));
    m.audit();
  });

  test("overflows earlier by what the thread wants guaranteed", () => {
    const m = new MemoryMachine();
    const stack = withStack(m, { reserve: 0x10000, commit: 0x1000 });
    new UserMemory(m.k, m.process).writeU32(m.thread.teb + Teb.GuaranteedStackBytes, 0x2800);
    expect(overflow(m, stack)).toEqual({ status: STATUS_STACK_OVERFLOW, at: stack.allocation + 0x5000 });
  });

  test("overflows when there is no commit left for it", () => {
    const m = new MemoryMachine({ commitLimitPages: 6 });
    const stack = withStack(m, { reserve: 0x10000, commit: 0x1000 });
    expect(overflow(m, stack).status).toBe(STATUS_STACK_OVERFLOW);
    m.audit();
  });

  test("of another thread is guarded like any other memory", () => {
    const m = new MemoryMachine();
    const stack = withStack(m, { reserve: 0x10000, commit: 0x1000 });
    const other = m.newThread(m.process);
    m.enter(other);
    expect(m.write(stack.limit - 0x1000, 1)).toEqual(new Exception(STATUS_GUARD_PAGE_VIOLATION));
    expect(m.write(stack.limit - 0x1000, 1)).toBe(null);
  });

  test("survives a TEB full of nonsense", () => {
    const m = new MemoryMachine();
    const stack = withStack(m, { reserve: 0x10000, commit: 0x1000 });
    const user = new UserMemory(m.k, m.process);
    for (const value of [0, 1, 0xffffffff, 0x7ffe0000, stack.base]) {
      for (const field of [Teb.StackBase, Teb.DeallocationStack, Teb.GuaranteedStackBytes]) {
        user.writeU32(m.thread.teb + field, value);
        m.write(stack.limit - 0x1000, 1);
      }
    }
    m.audit();
  });

  test("that commits everything leaves out its lowest page and guards the next", () => {
    const m = new MemoryMachine();
    const stack = withStack(m, { reserve: 0x100000, commit: "all" });
    expect(stack.limit).toBe(stack.allocation + 0x2000);
    expect(m.write(stack.limit, 1)).toBe(null);
    expect(m.write(stack.allocation + 0x1000, 1)).toEqual(new Exception(STATUS_STACK_OVERFLOW));
    expect(m.write(stack.allocation, 1)).toEqual(new Exception(STATUS_ACCESS_VIOLATION));
  });

  test("that would commit more than it reserves reserves more", () => {
    const m = new MemoryMachine();
    const stack = withStack(m, { reserve: 0x10000, commit: 0x20000 });
    expect(stack.base - stack.allocation).toBe(0x100000);
  });

  test("is freed by the address in DeallocationStack, and nothing else is freed by a wrong one", () => {
    const m = new MemoryMachine();
    const stack = withStack(m, { reserve: 0x10000, commit: 0x1000 });
    expect(MmFreeUserStack(m.k, m.process, stack.limit)).toBe(STATUS_FREE_VM_NOT_AT_BASE);
    expect(MmFreeUserStack(m.k, m.process, m.thread.teb)).toBe(STATUS_INVALID_PAGE_PROTECTION);
    expect(MmFreeUserStack(m.k, m.process, stack.allocation)).toBe(STATUS_SUCCESS);
    expect(m.read(stack.base - 1)).toEqual(new Exception(STATUS_ACCESS_VIOLATION));
  });
});

describe("a guard page that is no stack's", () => {
  test("raises once and is an ordinary page then", () => {
    const m = new MemoryMachine();
    const protection = PAGE_READWRITE | PAGE_GUARD;
    const args = { base: 0, zeroBits: 0, size: 0x2000, allocationType: MEM_COMMIT | MEM_RESERVE, protection };
    const { base } = valueOf(MmAllocateVirtualMemory(m.k, m.process, args));
    expect(m.read(base)).toEqual(new Exception(STATUS_GUARD_PAGE_VIOLATION));
    expect(m.read(base)).toBe(0);
    expect(m.read(base + 0x1000)).toEqual(new Exception(STATUS_GUARD_PAGE_VIOLATION));
  });

  test("keeps its content while it is guarded", () => {
    const m = new MemoryMachine();
    const args = { zeroBits: 0, size: 0x1000, allocationType: MEM_COMMIT | MEM_RESERVE, protection: PAGE_READWRITE };
    const { base } = valueOf(MmAllocateVirtualMemory(m.k, m.process, { base: 0, ...args }));
    m.write(base, 3);
    const guarded = { base, size: 1, protection: PAGE_READWRITE | PAGE_GUARD };
    valueOf(MmProtectVirtualMemory(m.k, m.process, guarded));
    expect([m.read(base), m.read(base)]).toEqual([new Exception(STATUS_GUARD_PAGE_VIOLATION), 3]);
  });
});

describe("environment blocks", () => {
  test("a TEB names its thread, its stack, its process and itself", () => {
    const m = new MemoryMachine();
    const init = { processors: 2, sessionId: 1, osMajorVersion: 6, osMinorVersion: 1, osBuildNumber: 7601 };
    const peb = valueOf(MmCreatePeb(m.k, m.process, { imageBase: 0x400000, ...init }));
    const stack = withStack(m, { reserve: 0x100000, commit: 0x1000 });
    const fields = [Teb.ExceptionList, Teb.StackBase, Teb.StackLimit, Teb.Self, Teb.UniqueProcess, Teb.UniqueThread];
    expect([...fields, Teb.ProcessEnvironmentBlock, Teb.DeallocationStack].map((field) => teb(m, field))).toEqual([
      0xffffffff,
      stack.base,
      stack.limit,
      m.thread.teb,
      8,
      12,
      peb,
      stack.allocation,
    ]);
  });

  test("lie below the shared page, the PEB on top", () => {
    const m = new MemoryMachine();
    const init = { processors: 1, sessionId: 1, osMajorVersion: 6, osMinorVersion: 1, osBuildNumber: 7601 };
    const peb = valueOf(MmCreatePeb(m.k, m.process, { imageBase: 0, ...init }));
    const blocks = [1, 2].map(() => valueOf(MmCreateTeb(m.k, m.process, { clientId: CLIENT, stack: null })));
    expect([peb, ...blocks]).toEqual([0x7ffde000, 0x7ffdc000, 0x7ffda000]);
  });

  test("can't be freed or protected by the program", () => {
    const m = new MemoryMachine();
    const base = valueOf(MmCreateTeb(m.k, m.process, { clientId: CLIENT, stack: null }));
    const free = MmFreeVirtualMemory(m.k, m.process, { base, size: 0, freeType: 0x8000 });
    const protect = MmProtectVirtualMemory(m.k, m.process, { base, size: 1, protection: PAGE_READWRITE });
    expect([statusOf(free), statusOf(protect)]).toEqual([
      STATUS_INVALID_PAGE_PROTECTION,
      STATUS_INVALID_PAGE_PROTECTION,
    ]);
  });

  test("go with their thread, and the next one takes their place", () => {
    const m = new MemoryMachine();
    const base = valueOf(MmCreateTeb(m.k, m.process, { clientId: CLIENT, stack: null }));
    const before = m.audit();
    MmDeleteTeb(m.k, m.process, base);
    expect(m.read(base)).toEqual(new Exception(STATUS_ACCESS_VIOLATION));
    expect(valueOf(MmCreateTeb(m.k, m.process, { clientId: CLIENT, stack: null }))).toBe(base);
    expect(m.audit()).toEqual(before);
  });

  test("that find no frame leave nothing behind", () => {
    const m = new MemoryMachine({ pages: 8 });
    const hog = { base: 0, zeroBits: 0, size: 0x8000, allocationType: 0x3000, protection: PAGE_READWRITE };
    const { base } = valueOf(MmAllocateVirtualMemory(m.k, m.process, hog));
    for (let page = 0; page < 8; page++) m.write(base + page * 0x1000, 1);
    const before = m.audit().committedPages;
    expect(MmCreateTeb(m.k, m.process, { clientId: CLIENT, stack: null }).ok).toBe(false);
    expect(m.audit().committedPages).toBe(before);
  });
});

describe("zero fill over untouched pages", () => {
  function memory(m: MemoryMachine, protection: number): number {
    const args = { base: 0, zeroBits: 0, size: 0x10000, allocationType: MEM_COMMIT | MEM_RESERVE, protection };
    return valueOf(MmAllocateVirtualMemory(m.k, m.process, args)).base;
  }

  test("skips all of them, from the middle of a page to the middle of another", () => {
    const m = new MemoryMachine();
    const base = memory(m, PAGE_READWRITE);
    expect(skipZeroFill(m.k, m.process, base + 0x800, 0x2c00)).toBe(0x2c00);
    expect(m.audit().privatePages).toBe(0);
  });

  test("stops at a page that has been touched", () => {
    const m = new MemoryMachine();
    const base = memory(m, PAGE_READWRITE);
    m.write(base + 0x3000, 1);
    expect(skipZeroFill(m.k, m.process, base, 0x4000)).toBe(0xc00);
    expect(skipZeroFill(m.k, m.process, base + 0x3000, 0x100)).toBe(0);
  });

  test("stops at the end of the region", () => {
    const m = new MemoryMachine();
    const base = memory(m, PAGE_READWRITE);
    expect(skipZeroFill(m.k, m.process, base + 0xf000, 0x10000)).toBe(0x400);
  });

  test("never passes a guard page", () => {
    const m = new MemoryMachine();
    const base = memory(m, PAGE_READWRITE);
    valueOf(
      MmProtectVirtualMemory(m.k, m.process, { base: base + 0x1000, size: 1, protection: PAGE_READWRITE | PAGE_GUARD }),
    );
    expect(skipZeroFill(m.k, m.process, base, 0x4000)).toBe(0x400);
    expect(skipZeroFill(m.k, m.process, base + 0x1000, 0x400)).toBe(0);
  });

  test.each([
    ["read-only memory", 2],
    ["memory without access", 1],
  ])("does not write to %s", (_name, protection) => {
    const m = new MemoryMachine();
    expect(skipZeroFill(m.k, m.process, memory(m, protection), 0x400)).toBe(0);
  });

  test.each([0, 0x7ffe0000, 0x7fff0000, 0xfffff000])("does nothing at 0x%s", (address) => {
    const m = new MemoryMachine();
    expect(skipZeroFill(m.k, m.process, address, 0x40000000)).toBe(0);
  });
});
