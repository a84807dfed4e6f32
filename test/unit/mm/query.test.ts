import { describe, expect, test } from "vitest";

import {
  MEM_COMMIT,
  MEM_FREE,
  MEM_PRIVATE,
  MEM_RESERVE,
  PAGE_NOACCESS,
  PAGE_READONLY,
  PAGE_READWRITE,
} from "../../../src/abi/mm.ts";
import { STATUS_INVALID_PARAMETER } from "../../../src/abi/status.ts";
import { MmProtectVirtualMemory } from "../../../src/mm/protect.ts";
import { type MemoryBasicInformation, MmQueryVirtualMemory } from "../../../src/mm/query.ts";
import { MmAllocateVirtualMemory } from "../../../src/mm/virtual.ts";
import { statusOf, valueOf } from "../../support/kernel.ts";
import { MemoryMachine } from "../../support/ram.ts";

function ask(m: MemoryMachine, address: number): MemoryBasicInformation {
  return valueOf(MmQueryVirtualMemory(m.k, m.process, address));
}

function reserved(m: MemoryMachine, size: number): number {
  const args = { base: 0, zeroBits: 0, size, allocationType: MEM_RESERVE, protection: PAGE_READWRITE };
  return valueOf(MmAllocateVirtualMemory(m.k, m.process, args)).base;
}

function commit(m: MemoryMachine, base: number, size: number): void {
  const args = { base, zeroBits: 0, size, allocationType: MEM_COMMIT, protection: PAGE_READWRITE };
  valueOf(MmAllocateVirtualMemory(m.k, m.process, args));
}

describe("asking what is at an address", () => {
  test("an empty address space is free up to the shared page", () => {
    const m = new MemoryMachine();
    expect(ask(m, 0x12345)).toEqual({
      baseAddress: 0x12000,
      allocationBase: 0,
      allocationProtect: 0,
      regionSize: 0x7ffe0000 - 0x12000,
      state: MEM_FREE,
      protect: PAGE_NOACCESS,
      type: 0,
    });
  });

  test("a free gap ends where the next region starts", () => {
    const m = new MemoryMachine();
    reserved(m, 0x1000);
    expect(ask(m, 0).regionSize).toBe(0x10000);
    expect(ask(m, 0x11000).state).toBe(MEM_FREE);
  });

  test("a region is told in runs of the same state and protection", () => {
    const m = new MemoryMachine();
    const base = reserved(m, 0x8000);
    commit(m, base + 0x2000, 0x4000);
    valueOf(MmProtectVirtualMemory(m.k, m.process, { base: base + 0x3000, size: 0x1000, protection: PAGE_READONLY }));
    const runs: [number, number, number][] = [];
    for (let at = base; at < base + 0x8000;) {
      const run = ask(m, at);
      runs.push([run.regionSize, run.state, run.protect]);
      at += run.regionSize;
    }
    expect(runs).toEqual([
      [0x2000, MEM_RESERVE, 0],
      [0x1000, MEM_COMMIT, PAGE_READWRITE],
      [0x1000, MEM_COMMIT, PAGE_READONLY],
      [0x2000, MEM_COMMIT, PAGE_READWRITE],
      [0x2000, MEM_RESERVE, 0],
    ]);
  });

  test("every page names the base, the protection and the type of its allocation", () => {
    const m = new MemoryMachine();
    const base = reserved(m, 0x8000);
    const { allocationBase, allocationProtect, type, baseAddress } = ask(m, base + 0x3fff);
    expect([allocationBase, allocationProtect, type, baseAddress]).toEqual([
      base,
      PAGE_READWRITE,
      MEM_PRIVATE,
      base + 0x3000,
    ]);
  });

  test("two regions side by side are not one", () => {
    const m = new MemoryMachine();
    const base = reserved(m, 0x10000);
    reserved(m, 0x10000);
    expect(ask(m, base).regionSize).toBe(0x10000);
  });

  test("the shared page is read-only, and what follows it is reserved to the end of user space", () => {
    const m = new MemoryMachine();
    const [shared, rest] = [ask(m, 0x7ffe0000), ask(m, 0x7ffe1000)];
    expect([shared.state, shared.protect, shared.regionSize]).toEqual([MEM_COMMIT, PAGE_READONLY, 0x1000]);
    expect([rest.state, rest.regionSize, rest.allocationBase]).toEqual([MEM_RESERVE, 0xf000, 0x7ffe0000]);
  });

  test("an address of the kernel is refused", () => {
    const m = new MemoryMachine();
    expect(statusOf(MmQueryVirtualMemory(m.k, m.process, 0x7fff0000))).toBe(STATUS_INVALID_PARAMETER);
  });
});
