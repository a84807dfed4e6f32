import fc from "fast-check";
import { expect, test } from "vitest";

import {
  MEM_COMMIT,
  MEM_DECOMMIT,
  MEM_RELEASE,
  MEM_RESERVE,
  PAGE_EXECUTE_READ,
  PAGE_NOACCESS,
  PAGE_READONLY,
  PAGE_READWRITE,
  PAGE_WRITECOPY,
  SEC_COMMIT,
  SEC_IMAGE,
  ViewUnmap,
} from "../../../src/abi/mm.ts";
import { type NtResult, success } from "../../../src/abi/status.ts";
import { MmCleanProcessAddressSpace, MmDeleteProcessAddressSpace } from "../../../src/mm/clean.ts";
import { MmFreeVirtualMemory } from "../../../src/mm/free.ts";
import { MmProtectVirtualMemory } from "../../../src/mm/protect.ts";
import { MmQueryVirtualMemory } from "../../../src/mm/query.ts";
import { MmCreateSection, type SectionObject } from "../../../src/mm/section.ts";
import { UserMemory } from "../../../src/mm/usermemory.ts";
import { MmMapViewOfSection, MmUnmapViewOfSection } from "../../../src/mm/view.ts";
import { MmAllocateVirtualMemory, type Region } from "../../../src/mm/virtual.ts";
import { imageByte, SECTIONS, testImage } from "../../support/image.ts";
import { valueOf } from "../../support/kernel.ts";
import {
  MODEL_PAGES,
  MODEL_ZERO_BITS,
  ModelProcess,
  type ModelSection,
  type Outcome,
  PROTECTIONS,
} from "../../support/mmmodel.ts";
import { Exception, MemoryMachine, type MemoryProcess } from "../../support/ram.ts";

const IMAGE_BASE = 0x40000;

/** One process of the program under test, its model beside it. */
interface Pair {
  real: MemoryProcess;
  model: ModelProcess;
}

class Experiment {
  readonly m = new MemoryMachine({ pages: 512 });
  readonly pairs: Pair[];
  readonly sections: readonly { readonly real: SectionObject; readonly model: ModelSection }[];
  current: Pair;

  constructor() {
    const first = { real: this.m.process, model: new ModelProcess() };
    this.current = first;
    this.pairs = [first, { real: this.m.newProcess(), model: new ModelProcess() }];
    this.sections = [this.#memory(PAGE_READWRITE), this.#memory(PAGE_READONLY), this.#image()];
  }

  switchTo(index: number): void {
    const pair = this.pairs[index % this.pairs.length];
    if (pair === undefined) throw new Error("there are two");
    this.current = pair;
    this.m.enter(this.m.newThread(pair.real));
  }

  /** The process ends and another one takes its place. */
  replace(): void {
    const { current, m } = this;
    m.call(MmCleanProcessAddressSpace(m.k, current.real));
    m.call(MmDeleteProcessAddressSpace(m.k, current.real));
    current.real = m.newProcess();
    current.model = new ModelProcess();
    m.enter(m.newThread(current.real));
  }

  /** What must hold whatever has happened. */
  check(): void {
    const ledger = this.m.audit();
    const sections = this.sections.filter(({ model }) => model.image === null);
    const expected = sections.reduce((sum, { model }) => sum + model.bytes.length, 0);
    expect(ledger.committedPages).toBe(this.pairs.reduce((sum, { model }) => sum + model.charge, expected));
    expect(this.m.ram.staleTranslations()).toEqual([]);
  }

  #memory(protection: number): { real: SectionObject; model: ModelSection } {
    const args = { maximumSize: 20 * 4096, protection, attributes: SEC_COMMIT, file: null };
    const model = { bytes: new Array<number>(20).fill(0), protection, image: null };
    return { real: valueOf(MmCreateSection(this.m.k, args)), model };
  }

  #image(): { real: SectionObject; model: ModelSection } {
    const file = { object: null, name: "", identity: null, image: success(testImage(IMAGE_BASE)) };
    const args = { maximumSize: 0, protection: PAGE_EXECUTE_READ, attributes: SEC_IMAGE, file };
    const image = Array.from({ length: 7 }, (_, page) => {
      const section = SECTIONS.find((other) => page >= other.firstPage && page < other.firstPage + other.pageCount);
      if (section === undefined) return { protection: page === 0 ? PAGE_READONLY : PAGE_NOACCESS, shared: false };
      const copied = section.protection === PAGE_READWRITE && !section.shared;
      return { protection: copied ? PAGE_WRITECOPY : section.protection, shared: section.shared };
    });
    const bytes = image.map((_, page) => imageByte(page, 0));
    return { real: valueOf(MmCreateSection(this.m.k, args)), model: { bytes, protection: 0, image } };
  }
}

function outcome(result: NtResult<Region>): Outcome {
  return result.ok ? [result.value.base, result.value.size] : result.status;
}

/** One call: what really happens and what should. */
type Call = (e: Experiment) => void;

const GRANULES = MODEL_PAGES / 16;

// Regions start at granules, so most addresses lie a few pages behind the start of one.
const page = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.tuple(fc.integer({ min: 1, max: GRANULES - 1 }), fc.nat(7)).map(([at, offset]) => at * 16 + offset),
  },
  { weight: 1, arbitrary: fc.integer({ min: 16, max: MODEL_PAGES - 1 }) },
);
const count = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 6 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 24 }) },
);
const protection = fc.oneof(
  { weight: 2, arbitrary: fc.constant(PAGE_READWRITE) },
  { weight: 3, arbitrary: fc.constantFrom(...PROTECTIONS) },
);
const sometimesBase = fc.option(page, { nil: 0, freq: 1 });

const allocate = fc
  .tuple(
    sometimesBase,
    count,
    fc.constantFrom(MEM_RESERVE, MEM_RESERVE | MEM_COMMIT, MEM_RESERVE | MEM_COMMIT),
    protection,
  )
  .map(([at, pages, allocationType, value]): Call => {
    return (e) => {
      if (at + pages > MODEL_PAGES) return;
      const args = {
        base: at * 4096,
        zeroBits: MODEL_ZERO_BITS,
        size: pages * 4096,
        allocationType,
        protection: value,
      };
      const real = outcome(MmAllocateVirtualMemory(e.m.k, e.current.real, args));
      expect(real).toEqual(e.current.model.reserve(at * 4096, pages, allocationType, value));
    };
  });

const commit = fc.tuple(page, count, protection).map(([at, pages, value]): Call => {
  return (e) => {
    const args = {
      base: at * 4096 + 1,
      zeroBits: 0,
      size: pages * 4096 - 1,
      allocationType: MEM_COMMIT,
      protection: value,
    };
    const real = outcome(MmAllocateVirtualMemory(e.m.k, e.current.real, args));
    expect(real).toEqual(e.current.model.commit(at, at + pages, value));
  };
});

const free = fc
  .tuple(page, fc.option(count), fc.constantFrom(MEM_DECOMMIT, MEM_RELEASE))
  .map(([at, pages, freeType]): Call => {
    return (e) => {
      const args = { base: at * 4096, size: (pages ?? 0) * 4096, freeType };
      const real = outcome(MmFreeVirtualMemory(e.m.k, e.current.real, args));
      expect(real).toEqual(e.current.model.free(at, pages === null ? null : at + pages, freeType));
    };
  });

const protect = fc.tuple(page, count, protection).map(([at, pages, value]): Call => {
  return (e) => {
    const args = { base: at * 4096, size: pages * 4096, protection: value };
    const result = MmProtectVirtualMemory(e.m.k, e.current.real, args);
    const real = result.ok ? [result.value.base, result.value.size, result.value.oldProtection] : result.status;
    expect(real).toEqual(e.current.model.protect(at, at + pages, value));
  };
});

const granule = fc.option(fc.integer({ min: 1, max: GRANULES - 1 }), { nil: 0, freq: 1 });

const map = fc
  .tuple(granule, fc.nat(2), fc.nat(1), fc.constantFrom(PAGE_READONLY, PAGE_READWRITE, PAGE_WRITECOPY))
  .map(([at, which, half, value]): Call => {
    return (e) => {
      const section = e.sections[which];
      if (section === undefined) return;
      const offset = section.model.image === null ? half * 16 : 0;
      const base = at * 0x10000;
      if (base / 4096 + section.model.bytes.length - offset > MODEL_PAGES) return;
      const args = {
        base,
        zeroBits: MODEL_ZERO_BITS,
        offset: offset * 4096,
        viewSize: 0,
        inheritDisposition: ViewUnmap,
        allocationType: 0,
        protection: value,
      };
      const real = outcome(MmMapViewOfSection(e.m.k, e.current.real, section.real, args));
      expect(real).toEqual(e.current.model.map(base, section.model, offset, value, IMAGE_BASE));
    };
  });

const unmap = page.map((at): Call => {
  return (e) => {
    const real = e.m.call(MmUnmapViewOfSection(e.m.k, e.current.real, at * 4096 + 5));
    expect(real).toEqual(e.current.model.unmap(at));
  };
});

const access = fc.tuple(page, fc.option(fc.nat(255))).map(([at, value]): Call => {
  return (e) => {
    const answer = value === null ? e.m.read(at * 4096) : e.m.write(at * 4096, value);
    const real = answer instanceof Exception ? answer.status : [answer];
    expect(real).toEqual(e.current.model.access(at, value));
  };
});

const kernelAccess = fc.tuple(page, fc.nat(1), fc.option(fc.nat(255))).map(([at, which, value]): Call => {
  return (e) => {
    const pair = e.pairs[which];
    if (pair === undefined) return;
    const user = new UserMemory(e.m.k, pair.real);
    const answer = value === null ? user.readU8(at * 4096) : (user.writeU8(at * 4096, value), null);
    expect(user.faulted ? user.status : [answer]).toEqual(pair.model.access(at, value));
  };
});

const query = page.map((at): Call => {
  return (e) => {
    const {
      state,
      protect: value,
      type,
      regionSize,
      allocationProtect,
    } = valueOf(MmQueryVirtualMemory(e.m.k, e.current.real, at * 4096));
    const expected = e.current.model.query(at);
    const open = typeof expected !== "number" && expected[3] === 0;
    expect([state, value, type, open ? 0 : regionSize, allocationProtect]).toEqual(expected);
  };
});

const switchProcess = fc.nat(1).map(
  (index): Call =>
    (e) =>
      e.switchTo(index),
);
const replaceProcess = fc.constant<Call>((e) => e.replace());

const call = fc.oneof(
  { weight: 6, arbitrary: allocate },
  { weight: 3, arbitrary: commit },
  { weight: 2, arbitrary: free },
  { weight: 5, arbitrary: protect },
  { weight: 5, arbitrary: map },
  { weight: 2, arbitrary: unmap },
  { weight: 24, arbitrary: access },
  { weight: 4, arbitrary: kernelAccess },
  { weight: 6, arbitrary: query },
  { weight: 2, arbitrary: switchProcess },
  { weight: 1, arbitrary: replaceProcess },
);

const PROGRAM = fc.array(call, { minLength: 80, maxLength: 200, size: "max" });

test("memory behaves like an array of pages, whatever two processes do to it", () => {
  fc.assert(
    fc.property(PROGRAM, (calls) => {
      const e = new Experiment();
      for (const act of calls) act(e);
      e.check();
      for (let index = 0; index < 2; index++) {
        e.switchTo(index);
        e.replace();
      }
      e.check();
      expect(e.m.audit().privatePages).toBe(0);
    }),
    { numRuns: 120, seed: 20 },
  );
});

test("the random programs reach what they are meant to reach", () => {
  const totals = { copyOnWrite: 0, guardFaults: 0, demandZero: 0, accessViolations: 0 };
  for (const calls of fc.sample(PROGRAM, { numRuns: 30, seed: 20 })) {
    const e = new Experiment();
    for (const act of calls) act(e);
    for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += e.m.k.mm.statistics[key];
  }
  const { copyOnWrite, guardFaults, demandZero, accessViolations } = totals;
  expect(Math.min(copyOnWrite, demandZero, accessViolations)).toBeGreaterThan(50);
  expect(guardFaults).toBeGreaterThan(10);
});
