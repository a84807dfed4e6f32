import { describe, expect, test } from "vitest";

import {
  MEM_COMMIT,
  MEM_RESERVE,
  PAGE_GUARD,
  PAGE_NOACCESS,
  PAGE_READONLY,
  PAGE_READWRITE,
  STATUS_PARTIAL_COPY,
} from "../../../src/abi/mm.ts";
import {
  STATUS_ACCESS_VIOLATION,
  STATUS_DATATYPE_MISALIGNMENT,
  STATUS_GUARD_PAGE_VIOLATION,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_NO_MEMORY,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
} from "../../../src/abi/status.ts";
import { MmCleanProcessAddressSpace } from "../../../src/mm/clean.ts";
import { MmCopyVirtualMemory } from "../../../src/mm/copy.ts";
import type { MmProcess } from "../../../src/mm/process.ts";
import { MmProtectVirtualMemory } from "../../../src/mm/protect.ts";
import { UserMemory } from "../../../src/mm/usermemory.ts";
import { MmAllocateVirtualMemory } from "../../../src/mm/virtual.ts";
import { valueOf } from "../../support/kernel.ts";
import { MemoryMachine } from "../../support/ram.ts";

interface Setting {
  readonly m: MemoryMachine;
  readonly user: UserMemory;
  /** Four pages that can be written, with nothing behind them. */
  readonly base: number;
}

function memory(m: MemoryMachine, process: MmProcess, size = 0x4000): number {
  const args = { base: 0, zeroBits: 0, size, allocationType: MEM_COMMIT | MEM_RESERVE, protection: PAGE_READWRITE };
  return valueOf(MmAllocateVirtualMemory(m.k, process, args)).base;
}

function setting(): Setting {
  const m = new MemoryMachine();
  return { m, user: m.k.mm.user.begin(), base: memory(m, m.process) };
}

function protect(m: MemoryMachine, base: number, protection: number): void {
  valueOf(MmProtectVirtualMemory(m.k, m.process, { base, size: 1, protection }));
}

describe("the kernel's access to user memory", () => {
  test("writes little-endian numbers and reads them back, also across pages", () => {
    const { user, base } = setting();
    for (const at of [base, base + 1, base + 0xffd, base + 0xffe, base + 0xfff]) {
      user.writeU64(at, 0xfedcba9876543210n);
      expect([user.readU64(at), user.readU32(at), user.readU16(at), user.readU8(at), user.readI32(at + 4)]).toEqual([
        0xfedcba9876543210n,
        0x76543210,
        0x3210,
        0x10,
        0xfedcba98 | 0,
      ]);
      user.writeU32(at, 0xdeadbeef);
      user.writeU16(at + 4, 0xcafe);
      user.writeU8(at + 6, 0x7f);
      expect(user.readU64(at)).toBe(0xfe7fcafedeadbeefn);
    }
    expect(user.faulted).toBe(false);
  });

  test("sees what the guest wrote and shows the guest what it wrote", () => {
    const { m, user, base } = setting();
    m.write(base + 5, 77);
    user.writeU8(base + 6, 78);
    expect([user.readU8(base + 5), m.read(base + 6)]).toEqual([77, 78]);
  });

  test("follows the thread into the process that it is attached to", () => {
    const { m, user, base } = setting();
    const other = m.newProcess();
    user.writeU32(base, 1);
    m.enter(m.newThread(other));
    user.readU32(base);
    expect([user.faulted, user.status]).toEqual([true, STATUS_ACCESS_VIOLATION]);
  });

  test.each([
    ["null", 0],
    ["free memory", 0x70000],
    ["the guard behind the shared page", 0x7ffe1000],
    ["the end of user space", 0x7fff0000],
    ["the kernel", 0x80000000],
    ["the processor's own area", 0xffc00000],
    ["the last byte", 0xffffffff],
    ["a negative address", -4],
    ["an address that is too large", 2 ** 33],
  ])("fails at %s and remembers where", (_name, address) => {
    const { user } = setting();
    expect([user.readU8(address), user.faulted, user.status]).toEqual([0, true, STATUS_ACCESS_VIOLATION]);
    expect(user.faultAddress).toBe(address >>> 0);
  });

  test("does nothing after a failure, until it begins again", () => {
    const { user, base } = setting();
    user.writeU32(base, 5);
    user.readU32(0);
    user.writeU32(base, 6);
    expect([user.readU32(base), user.readBytes(base, 4).length, user.readU64(base)]).toEqual([0, 0, 0n]);
    expect(user.begin().readU32(base)).toBe(5);
  });

  test("keeps the first failure", () => {
    const { m, user, base } = setting();
    protect(m, base, PAGE_READWRITE | PAGE_GUARD);
    user.readU32(base);
    user.readU32(0);
    expect(user.status).toBe(STATUS_GUARD_PAGE_VIOLATION);
  });

  test("does not write half a number where the next page refuses", () => {
    const { m, user, base } = setting();
    protect(m, base + 0x1000, PAGE_READONLY);
    user.writeU32(base + 0xffe, 0xffffffff);
    expect([user.faulted, m.read(base + 0xffe)]).toEqual([true, 0]);
  });

  test("respects the protection of pages", () => {
    const { m, user, base } = setting();
    m.write(base, 4);
    protect(m, base, PAGE_READONLY);
    expect(user.readU8(base)).toBe(4);
    user.writeU8(base, 5);
    expect(user.status).toBe(STATUS_ACCESS_VIOLATION);
    protect(m, base, PAGE_NOACCESS);
    user.begin().readU8(base);
    expect([user.faulted, m.read(base)]).toEqual([true, expect.anything()]);
  });

  test("can't write to the shared page", () => {
    const { user } = setting();
    expect(user.readU32(0x7ffe0000 + 0x26c)).toBe(6);
    user.writeU32(0x7ffe0000, 1);
    expect(user.status).toBe(STATUS_ACCESS_VIOLATION);
  });

  test("invalidates the code of what it writes", () => {
    const { m, user, base } = setting();
    user.writeU32(base, 1);
    const frame = m.frameAt(base) ?? 0;
    const writes: (() => void)[] = [
      (): void => user.writeU8(base, 1),
      (): void => user.writeU32(base, 1),
      (): void => user.writeBytes(base, new Uint8Array(3)),
      (): void => user.fill(base, 3, 1),
    ];
    for (const write of writes) {
      m.ram.code.add(frame);
      write();
      expect(m.ram.code.has(frame)).toBe(false);
    }
  });

  test("copies bytes over page boundaries", () => {
    const { user, base } = setting();
    const bytes = Uint8Array.from({ length: 0x2100 }, (_, at) => at * 7);
    user.writeBytes(base + 0xf81, bytes);
    expect(user.readBytes(base + 0xf81, 0x2100)).toEqual(bytes);
    user.fill(base + 0xff0, 0x20, 9);
    expect(user.readBytes(base + 0xfef, 0x22)).toEqual(
      Uint8Array.from([bytes[0x6e] ?? 0, ...new Array<number>(0x20).fill(9), bytes[0x8f] ?? 0]),
    );
  });

  test("reads nothing from a range that ends outside", () => {
    const { user, base } = setting();
    expect([user.readBytes(base + 0x3fff, 2).length, user.faulted]).toEqual([0, true]);
    expect(user.begin().readBytes(0x7ffeffff, 2).length).toBe(0);
    expect(user.faulted).toBe(true);
  });

  test("an empty range is fine anywhere", () => {
    const { user } = setting();
    expect([user.readBytes(0xffffffff, 0).length, user.probeWrite(0, 0), user.faulted]).toEqual([0, true, false]);
  });

  test("a wild length costs the host nothing", () => {
    const { user, base } = setting();
    user.readBytes(base, 0xffffffff);
    expect(user.status).toBe(STATUS_INSUFFICIENT_RESOURCES);
    user.begin().readBytes(base, 0x10000000);
    expect(user.status).toBe(STATUS_ACCESS_VIOLATION);
  });

  test("reads and writes UTF-16 text", () => {
    const { user, base } = setting();
    user.writeUtf16(base + 1, "añ€\u{1f600}");
    expect([user.readUtf16(base + 1, 10), user.readUtf16(base + 1, 5)]).toEqual(["añ€\u{1f600}", "añ"]);
    const long = "x".repeat(0x1fff);
    user.writeUtf16(base, long);
    expect(user.readUtf16(base, 2 * 0x1fff)).toBe(long);
  });

  test("reads a UNICODE_STRING, unless it is too long", () => {
    const { user, base } = setting();
    user.writeUtf16(base + 0x100, "name");
    user.writeU32(base, 8 | (10 << 16));
    user.writeU32(base + 4, base + 0x100);
    expect(user.readUnicodeString(base, 8)).toBe("name");
    expect([user.readUnicodeString(base, 7), user.status]).toEqual(["", STATUS_INVALID_PARAMETER]);
  });

  test("an empty UNICODE_STRING needs no buffer", () => {
    const { user, base } = setting();
    expect([user.readUnicodeString(base, 100), user.faulted]).toEqual(["", false]);
  });

  test("probes range, alignment and every page", () => {
    const { m, user, base } = setting();
    protect(m, base + 0x2000, PAGE_READONLY);
    expect([user.probeRead(base, 0x4000, 4), user.probeWrite(base, 0x2000)]).toEqual([true, true]);
    expect([user.probeRead(base + 2, 4, 4), user.status]).toEqual([false, STATUS_DATATYPE_MISALIGNMENT]);
    expect([user.begin().probeWrite(base, 0x3000), user.status]).toEqual([false, STATUS_ACCESS_VIOLATION]);
    expect(user.begin().probeRead(0x7ffefffe, 4)).toBe(false);
  });

  test("reports that the machine has no frame left", () => {
    const m = new MemoryMachine({ pages: 16 });
    const base = memory(m, m.process, 0x20000);
    m.k.mm.user.begin().fill(base, 0x20000, 1);
    expect(m.k.mm.user.status).toBe(STATUS_NO_MEMORY);
  });

  test("fails everywhere in a machine without memory", () => {
    const m = new MemoryMachine({ pages: null });
    m.k.mm.user.begin().readU8(0x7ffe0000);
    expect(m.k.mm.user.faulted).toBe(true);
  });
});

describe("copying between processes", () => {
  interface Two extends Setting {
    readonly other: MmProcess;
    readonly there: number;
  }

  function two(): Two {
    const s = setting();
    const other = s.m.newProcess();
    memory(s.m, other, 0x10000);
    return { ...s, other, there: memory(s.m, other) };
  }

  test("delivers all bytes, however the pages lie", () => {
    const { m, user, base, other, there } = two();
    const bytes = Uint8Array.from({ length: 0x2345 }, (_, at) => at * 3);
    user.writeBytes(base + 0x123, bytes);
    const result = MmCopyVirtualMemory(
      m.k,
      { process: m.process, address: base + 0x123 },
      { process: other, address: there + 0xabc },
      bytes.length,
    );
    expect(result).toEqual({ status: STATUS_SUCCESS, bytes: bytes.length });
    expect(new UserMemory(m.k, other).readBytes(there + 0xabc, bytes.length)).toEqual(bytes);
  });

  test("breaks off at the page that is not there and says how far it came", () => {
    const { m, base, other, there } = two();
    const from = { process: m.process, address: base + 0x800 };
    const result = MmCopyVirtualMemory(m.k, from, { process: other, address: there + 0x1000 }, 0x4000);
    expect(result).toEqual({ status: STATUS_PARTIAL_COPY, bytes: 0x3000 });
  });

  test("refuses addresses of the kernel", () => {
    const { m, base, other } = two();
    const from = { process: m.process, address: base };
    const result = MmCopyVirtualMemory(m.k, from, { process: other, address: 0x7ffef000 }, 0x1001);
    expect(result).toEqual({ status: STATUS_ACCESS_VIOLATION, bytes: 0 });
  });

  test("refuses a process whose memory has gone", () => {
    const { m, base, other, there } = two();
    m.call(MmCleanProcessAddressSpace(m.k, other));
    const to = { process: other, address: there };
    const result = MmCopyVirtualMemory(m.k, { process: m.process, address: base }, to, 1);
    expect(result).toEqual({ status: STATUS_PROCESS_IS_TERMINATING, bytes: 0 });
  });
});
