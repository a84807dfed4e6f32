import { describe, expect, test } from "vitest";

import {
  MEM_COMMIT,
  MEM_RESERVE,
  PAGE_EXECUTE_READ,
  PAGE_READWRITE,
  SEC_COMMIT,
  SEC_IMAGE,
  ViewUnmap,
} from "../../../src/abi/mm.ts";
import {
  STATUS_ACCESS_VIOLATION,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_NO_MEMORY,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  success,
} from "../../../src/abi/status.ts";
import { KUserSharedData } from "../../../src/abi/teb.ts";
import { MmCreateProcessAddressSpace } from "../../../src/mm/addressspace.ts";
import { MmCleanProcessAddressSpace, MmDeleteProcessAddressSpace } from "../../../src/mm/clean.ts";
import { MmFreeVirtualMemory } from "../../../src/mm/free.ts";
import { MmCreateKernelStack, MmDeleteKernelStack, TAG_KERNEL_STACK } from "../../../src/mm/kernelstack.ts";
import { mmLedger } from "../../../src/mm/ledger.ts";
import type { MmProcess } from "../../../src/mm/process.ts";
import { MmProtectVirtualMemory } from "../../../src/mm/protect.ts";
import { MmQueryVirtualMemory } from "../../../src/mm/query.ts";
import { MmCreateSection, type SectionObject } from "../../../src/mm/section.ts";
import { MmUpdateSharedTime } from "../../../src/mm/shareddata.ts";
import { MmCreateUserStack } from "../../../src/mm/stack.ts";
import { MmCreateTeb, MmDeleteTeb } from "../../../src/mm/teb.ts";
import { MmMapViewOfSection, MmUnmapViewOfSection } from "../../../src/mm/view.ts";
import { MmAllocateVirtualMemory } from "../../../src/mm/virtual.ts";
import { headerOf } from "../../../src/ob/header.ts";
import { ObDereferenceObject } from "../../../src/ob/reference.ts";
import { KeInitThread } from "../../../src/ke/thread.ts";
import { testImage } from "../../support/image.ts";
import { statusOf, valueOf } from "../../support/kernel.ts";
import { Exception, MemoryMachine } from "../../support/ram.ts";

const ALLOCATION = {
  base: 0,
  zeroBits: 0,
  size: 0x8000,
  allocationType: MEM_COMMIT | MEM_RESERVE,
  protection: PAGE_READWRITE,
};
const VIEW = {
  base: 0,
  zeroBits: 0,
  offset: 0,
  viewSize: 0,
  inheritDisposition: ViewUnmap,
  allocationType: 0,
  protection: PAGE_READWRITE,
};

interface Occupied {
  readonly process: MmProcess;
  readonly memory: number;
  readonly section: SectionObject;
}

/** A second process with something of everything, all of it touched. */
function occupy(m: MemoryMachine): Occupied {
  const process = m.newProcess();
  const memory = valueOf(MmAllocateVirtualMemory(m.k, process, ALLOCATION)).base;
  const args = { maximumSize: 0x4000, protection: PAGE_READWRITE, attributes: SEC_COMMIT, file: null };
  const section = valueOf(MmCreateSection(m.k, args));
  const view = valueOf(MmMapViewOfSection(m.k, process, section, VIEW)).base;
  const file = { object: null, name: "", identity: null, image: success(testImage(0x400000)) };
  const imageArgs = { maximumSize: 0, protection: PAGE_EXECUTE_READ, attributes: SEC_IMAGE, file };
  const image = valueOf(MmCreateSection(m.k, imageArgs));
  valueOf(MmMapViewOfSection(m.k, process, image, VIEW));
  m.call(ObDereferenceObject(m.k, image));
  const stack = valueOf(MmCreateUserStack(m.k, process, { reserve: 0, commit: 0 }));
  valueOf(MmCreateTeb(m.k, process, { clientId: { process: 4, thread: 8 }, stack }));
  m.enter(m.newThread(process));
  for (const at of [memory, view, 0x403000, stack.limit]) m.write(at, 1);
  m.read(0x401000);
  m.enter(m.thread);
  return { process, memory, section };
}

describe("emptying an address space", () => {
  test("frees its memory, returns its commit and drops its views", () => {
    const m = new MemoryMachine();
    const before = m.audit();
    const { process, section } = occupy(m);
    m.call(MmCleanProcessAddressSpace(m.k, process));
    expect(headerOf(section).pointerCount).toBe(1);
    m.call(ObDereferenceObject(m.k, section));
    expect(m.audit()).toEqual({ ...before, available: before.available - 1, directories: 2 });
  });

  test("happens once", () => {
    const m = new MemoryMachine();
    const { process, section } = occupy(m);
    m.call(MmCleanProcessAddressSpace(m.k, process));
    m.call(MmCleanProcessAddressSpace(m.k, process));
    expect([process.vmDeleted, headerOf(section).pointerCount]).toEqual([true, 1]);
    m.audit();
  });

  test("makes every user address fault, the shared page too", () => {
    const m = new MemoryMachine();
    const { process, memory } = occupy(m);
    m.enter(m.newThread(process));
    expect(m.read(memory)).toBe(1);
    m.call(MmCleanProcessAddressSpace(m.k, process));
    const answers = [memory, 0x401000, KUserSharedData.Address].map((at) => m.read(at));
    expect(answers).toEqual(answers.map(() => new Exception(STATUS_ACCESS_VIOLATION)));
  });

  test("makes every service on its memory refuse", () => {
    const m = new MemoryMachine();
    const { process, memory, section } = occupy(m);
    m.call(MmCleanProcessAddressSpace(m.k, process));
    const results = [
      MmAllocateVirtualMemory(m.k, process, ALLOCATION),
      MmFreeVirtualMemory(m.k, process, { base: memory, size: 0, freeType: 0x8000 }),
      MmProtectVirtualMemory(m.k, process, { base: memory, size: 1, protection: PAGE_READWRITE }),
      MmQueryVirtualMemory(m.k, process, memory),
      MmMapViewOfSection(m.k, process, section, VIEW),
      MmCreateUserStack(m.k, process, { reserve: 0, commit: 0 }),
      MmCreateTeb(m.k, process, { clientId: { process: 4, thread: 8 }, stack: null }),
    ];
    expect(results.map((result) => statusOf<unknown>(result))).toEqual(
      results.map(() => STATUS_PROCESS_IS_TERMINATING),
    );
    expect(m.call(MmUnmapViewOfSection(m.k, process, memory))).toBe(STATUS_PROCESS_IS_TERMINATING);
    MmDeleteTeb(m.k, process, 0x7ffde000);
    m.audit();
  });

  test("does not disturb another process", () => {
    const m = new MemoryMachine();
    const { base } = valueOf(MmAllocateVirtualMemory(m.k, m.process, ALLOCATION));
    m.write(base, 9);
    const { process } = occupy(m);
    m.call(MmCleanProcessAddressSpace(m.k, process));
    expect([m.read(base), m.ram.staleTranslations()]).toEqual([9, []]);
  });
});

describe("deleting an address space", () => {
  test("empties it first if nobody has", () => {
    const m = new MemoryMachine();
    const before = m.audit();
    const { process, section } = occupy(m);
    m.call(MmDeleteProcessAddressSpace(m.k, process));
    m.call(ObDereferenceObject(m.k, section));
    expect(m.audit()).toEqual(before);
    expect([process.addressSpace, process.directoryTableBase]).toEqual([null, 0]);
  });

  test("leaves no translation for a process that gets the same directory", () => {
    const m = new MemoryMachine();
    const { process, memory } = occupy(m);
    m.enter(m.newThread(process));
    m.read(memory);
    m.call(MmDeleteProcessAddressSpace(m.k, process));
    const next = m.newProcess();
    m.enter(m.newThread(next));
    expect([m.read(memory), m.ram.directory]).toEqual([
      new Exception(STATUS_ACCESS_VIOLATION),
      next.directoryTableBase,
    ]);
  });

  test("does nothing to a process that has none", () => {
    const m = new MemoryMachine({ pages: null });
    m.call(MmDeleteProcessAddressSpace(m.k, m.process));
    m.call(MmDeleteProcessAddressSpace(m.k, m.process));
    expect(m.k.mm.addressSpaces.size).toBe(0);
  });
});

describe("making an address space", () => {
  test("that finds no frame leaves nothing behind", () => {
    const m = new MemoryMachine({ pages: 16 });
    const { base } = valueOf(MmAllocateVirtualMemory(m.k, m.process, { ...ALLOCATION, size: 0x20000 }));
    for (let page = 0; page < 32; page++) m.write(base + page * 0x1000, 1);
    for (const freed of [0, 1]) {
      if (freed > 0) valueOf(MmFreeVirtualMemory(m.k, m.process, { base, size: 0x1000, freeType: 0x4000 }));
      const before = m.audit();
      const process = m.process;
      process.addressSpace = null;
      const status = MmCreateProcessAddressSpace(m.k, process);
      process.addressSpace = [...m.k.mm.addressSpaces][0] ?? null;
      expect([status, m.audit()]).toEqual([STATUS_NO_MEMORY, before]);
    }
  });

  test("keeps the processor's own area in it", () => {
    const m = new MemoryMachine();
    const { directory } = m.process.addressSpace ?? { directory: 0 };
    expect(m.ram.i32[(directory >>> 2) + 1023]).toBe(m.ram.supervisorPde);
  });
});

describe("a machine without memory", () => {
  test("has real regions, sections, views and commit, and no pages", () => {
    const m = new MemoryMachine({ pages: null });
    const { base } = valueOf(MmAllocateVirtualMemory(m.k, m.process, ALLOCATION));
    const args = { maximumSize: 0x4000, protection: PAGE_READWRITE, attributes: SEC_COMMIT, file: null };
    const section = valueOf(MmCreateSection(m.k, args));
    valueOf(MmMapViewOfSection(m.k, m.process, section, VIEW));
    const stack = valueOf(MmCreateUserStack(m.k, m.process, { reserve: 0, commit: 0 }));
    const teb = valueOf(MmCreateTeb(m.k, m.process, { clientId: { process: 4, thread: 8 }, stack }));
    expect([base, teb, m.audit().committedPages]).toEqual([0x10000, 0x7ffde000, 8 + 4 + 2 + 2]);
    MmDeleteTeb(m.k, m.process, teb);
    m.call(MmDeleteProcessAddressSpace(m.k, m.process));
    expect([m.audit().committedPages, headerOf(section).pointerCount]).toEqual([4, 1]);
  });
});

describe("the shared page", () => {
  test("tells the version, the system's directory, and the time of the last clock interrupt in 100 ns and in ms", () => {
    const m = new MemoryMachine();
    const at = KUserSharedData.Address;
    const { user } = m.k.mm;
    m.k.ke.prcb.clock = 40 * 15_625_000 + 5000;
    MmUpdateSharedTime(m.k);
    expect([user.begin().readU32(at + KUserSharedData.NtMajorVersion), user.readUtf16(at + 0x30, 20)]).toEqual([
      6,
      "C:\\windows",
    ]);
    expect(user.readU32(at + KUserSharedData.TickCount)).toBe(625);
    expect(user.readU64(at + KUserSharedData.InterruptTime)).toBe(40n * 156_250n);
    expect((user.readU64(at + KUserSharedData.SystemTime) - 132_223_104_000_000_000n) / 156_250n).toBe(40n);
    const highs = [4, 8].map((offset) => user.readU32(at + KUserSharedData.SystemTime + offset));
    expect(highs[0]).toBe(highs[1]);
  });

  test("can't be written by anybody", () => {
    const m = new MemoryMachine();
    expect(m.read(KUserSharedData.Address + KUserSharedData.NtMajorVersion)).toBe(6);
    expect(m.write(KUserSharedData.Address, 1)).toEqual(new Exception(STATUS_ACCESS_VIOLATION));
    expect(m.read(KUserSharedData.Address + 0x1000)).toEqual(new Exception(STATUS_ACCESS_VIOLATION));
  });
});

describe("a kernel stack", () => {
  test("is paid for from the pool and returned once", () => {
    const m = new MemoryMachine();
    const thread = m.newThread(m.process);
    KeInitThread(m.k, thread, function* () {
      throw new Error("the thread never runs");
    });
    expect(MmCreateKernelStack(m.k, thread)).toBe(STATUS_SUCCESS);
    expect(m.k.ex.pool.tags.get(TAG_KERNEL_STACK)?.bytes).toBe(0x3000);
    MmDeleteKernelStack(m.k, thread);
    expect([m.k.ex.pool.tags.get(TAG_KERNEL_STACK)?.bytes, thread.initialStack]).toEqual([0, null]);
    expect(() => MmDeleteKernelStack(m.k, thread)).toThrow("a kernel stack is freed once");
  });

  test("may not be had", () => {
    const m = new MemoryMachine();
    const thread = m.newThread(m.process);
    KeInitThread(m.k, thread, function* () {
      throw new Error("the thread never runs");
    });
    m.k.ex.pool.failure = (_ordinal, tag): boolean => tag === TAG_KERNEL_STACK;
    expect(MmCreateKernelStack(m.k, thread)).toBe(STATUS_INSUFFICIENT_RESOURCES);
  });
});

describe("the books", () => {
  test("complain about a frame that two own, one that nobody owns, and commit that does not add up", () => {
    const m = new MemoryMachine();
    const { base } = valueOf(MmAllocateVirtualMemory(m.k, m.process, ALLOCATION));
    m.write(base, 1);
    const frame = m.frameAt(base) ?? 0;
    m.k.mm.frames.free.push(frame);
    expect(mmLedger(m.k).complaints).toEqual([`frame ${frame} is owned twice: free and private page`]);
    m.k.mm.frames.free.pop();
    m.k.mm.frames.next++;
    expect(mmLedger(m.k).complaints).toEqual([`frame ${m.k.mm.frames.next - 1} is lost`]);
    m.k.mm.frames.next--;
    m.k.mm.committedPages++;
    expect(mmLedger(m.k).complaints).toEqual(["the machine committed 9 pages and its users 8"]);
  });

  test("complain about a page in no region", () => {
    const m = new MemoryMachine();
    const { base } = valueOf(MmAllocateVirtualMemory(m.k, m.process, ALLOCATION));
    m.write(base, 1);
    const vad = m.process.addressSpace?.find(base);
    if (vad === null || vad === undefined) throw new Error("it is there");
    m.process.addressSpace?.remove(vad);
    expect(mmLedger(m.k).complaints[0]).toBe("page 0x10000 is in no region");
  });
});
