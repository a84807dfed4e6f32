/** A processor that remembers what guests computed shows nothing of it, and forgets nothing that a stay depends on. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { type Cpu, VECTOR_PAGE_FAULT, VECTOR_QUANTUM } from "../../../src/cpu/cpu.ts";
import {
  type AddressSpace,
  allocateFrame,
  CODE,
  DATA,
  loadProgram,
  newCpu,
  PTE_USER_READ,
  resetCpu,
  word,
} from "../../support/processor.ts";
import { randomFrom } from "../../support/random.ts";

const PAGE = 0x1000;
/** Those of the processor itself; between them and the first that is handed out there is nothing. */
const OWN_FRAMES = 3;
const NEW_PAGES = 0x1000_0000;

/** Sums the words of DATA into EAX and writes the sum behind them, then traps: some three thousand instructions. */
const SUM = [
  ...[0xbb, ...word(DATA), 0xb9, ...word(1000), 0x31, 0xc0], // mov ebx,DATA; mov ecx,1000; xor eax,eax
  ...[0x03, 0x03, 0x83, 0xc3, 0x04, 0x49, 0x75, 0xf8], // l: add eax,[ebx]; add ebx,4; dec ecx; jnz l
  ...[0x89, 0x03, 0xcd, 0x2e], // mov [ebx],eax; int 2e
];

/** Everything that a guest or a kernel can see of a processor. */
function seen(cpu: Cpu): string {
  const { vector, errorCode, eip, esp, eflags, faultAddress } = cpu.trap;
  const { u8, firstFreeFrame, framesInUse } = cpu.ram;
  const ram = createHash("sha1").update(u8.subarray(0, OWN_FRAMES * PAGE));
  ram.update(u8.subarray(firstFreeFrame * PAGE, framesInUse * PAGE));
  const registers = cpu.general.filter((_, register) => register !== 4).join();
  const trap = [vector, errorCode, eip, esp, eflags, vector === VECTOR_PAGE_FAULT ? faultAddress : 0].join();
  return [trap, registers, cpu.instructions, ram.digest("hex")].join(" ");
}

/** What `use` does to a program shows the same on a processor that remembers, which has seen it three times before. */
function expectSame(code: readonly number[], use: (cpu: Cpu, space: AddressSpace) => string[], spared: boolean): void {
  const run = (cpu: Cpu): string[] => use(cpu, loadProgram(cpu, code));
  const plain = run(newCpu());
  const remembering = newCpu({ remember: 1 });
  for (let time = 0; time < 4; time++) {
    expect(run(remembering), `time ${String(time)}`).toEqual(plain);
    resetCpu(remembering);
  }
  expect(remembering.instructionsSpared > 0).toBe(spared);
}

describe("a stay that is remembered", () => {
  it("leaves memory, registers, counts and the bits of page tables as it did", () => {
    const use = (cpu: Cpu): string[] => {
      cpu.run(100_000);
      return [seen(cpu)];
    };
    expectSame(SUM, use, true);
  });

  it("ends where the budget ends, whatever that was before", () => {
    for (const budgets of [[10], [700, 700, 700], [4005], [4006], [4007], [4008], [1, 2, 5000]]) {
      const use = (cpu: Cpu): string[] => budgets.map((budget) => (cpu.run(budget), seen(cpu)));
      expectSame(SUM, use, true);
    }
    const cpu = newCpu({ remember: 1 });
    for (const budget of [100_000, 100_000, 100_000, 50, 4000, 100_000, 3999]) {
      const plain = newCpu();
      for (const each of [cpu, plain]) loadProgram(each, SUM);
      for (const each of [cpu, plain]) each.run(budget);
      expect(seen(cpu)).toBe(seen(plain));
      resetCpu(cpu);
    }
    expect(cpu.instructionsSpared).toBeGreaterThan(0);
  });

  it("is made anew when a word that it read has changed", () => {
    const cpu = newCpu({ remember: 1 });
    for (const value of [0, 0, 0, 5, 0, 7, 7, 7]) {
      const space = loadProgram(cpu, SUM);
      space.write(DATA + 999 * 4, word(value));
      cpu.run(100_000);
      expect(cpu.general[0]).toBe(value);
      expect(space.readWord(DATA + 4000)).toBe(value);
      resetCpu(cpu);
    }
    expect(cpu.instructionsSpared).toBeGreaterThan(0);
  });

  it("is made anew when its code has changed", () => {
    const cpu = newCpu({ remember: 1 });
    for (const count of [1000, 1000, 1000, 10, 1000, 10, 10, 10]) {
      const space = loadProgram(cpu, SUM);
      space.write(CODE + 6, word(count));
      cpu.run(100_000);
      expect(cpu.general[3]).toBe(DATA + 4 * count);
      resetCpu(cpu);
    }
    expect(cpu.instructionsSpared).toBeGreaterThan(0);
  });

  it("is made anew when a page lies elsewhere, may not be written any more, or is gone", () => {
    const cpu = newCpu({ remember: 1 });
    const changes = [null, null, null, "elsewhere", null, "read-only", null, "gone", null] as const;
    for (const change of changes) {
      const space = loadProgram(cpu, SUM);
      const frame = change === "elsewhere" ? space.map(DATA) : null;
      if (frame !== null) cpu.ram.i32[frame * 1024] = 3;
      // Page 0 of DATA is the one that all of the program's words are in, but for the one behind them.
      if (change === "read-only") space.map(DATA, allocateFrame(cpu), PTE_USER_READ);
      if (change === "gone") space.map(DATA, 0, 0);
      cpu.ram.flushTranslations();
      const { vector, faultAddress } = cpu.run(100_000);
      const faults = { "read-only": DATA + 4000, gone: DATA };
      if (change === "read-only" || change === "gone") {
        expect([vector, faultAddress]).toEqual([VECTOR_PAGE_FAULT, faults[change]]);
      } else expect([vector, cpu.general[0]]).toEqual([0x2e, change === "elsewhere" ? 3 : 0]);
      resetCpu(cpu);
    }
    expect(cpu.instructionsSpared).toBeGreaterThan(0);
  });

  it("faults as before only while the page is still missing", () => {
    // mov eax,[NEW_PAGES]; int 2e
    const cpu = newCpu({ remember: 1 });
    for (const mapped of [false, false, false, true, false, true, true, true]) {
      const space = loadProgram(cpu, [0xa1, ...word(NEW_PAGES), 0xcd, 0x2e]);
      if (mapped) space.map(NEW_PAGES);
      expect(cpu.run(100).vector).toBe(mapped ? 0x2e : VECTOR_PAGE_FAULT);
      resetCpu(cpu);
    }
    expect(cpu.instructionsSpared).toBeGreaterThan(0);
  });

  it("draws the next random numbers, and sees time go on", () => {
    // l: rdrand eax; rdtsc; add [DATA],eax; jmp l
    const code = [0x0f, 0xc7, 0xf0, 0x01, 0x05, ...word(DATA), 0x0f, 0x31, 0x01, 0x05, ...word(DATA + 4), 0xeb, 0xed];
    const use = (cpu: Cpu): string[] =>
      [1000, 1000, 1000].map((budget, index) => {
        cpu.timestampBase = index * 1e6;
        cpu.run(budget);
        return seen(cpu);
      });
    expectSame(code, use, true);
  });

  it("keeps the rounding mode that it set", () => {
    // push f7f; fldcw [esp]; int 2e; push 3fe66666 (1.8); fld [esp]; fistp [DATA]; int 2e
    const set = [0x68, ...word(0xf7f), 0xd9, 0x2c, 0x24, 0xcd, 0x2e];
    const round = [0x68, ...word(0x3fe6_6666), 0xd9, 0x04, 0x24, 0xdb, 0x1d, ...word(DATA), 0xcd, 0x2e];
    const use = (cpu: Cpu, space: AddressSpace): string[] => {
      cpu.run(100);
      cpu.run(100);
      return [String(space.readWord(DATA)), seen(cpu)];
    };
    expectSame([...set, ...round], use, true);
  });
});

describe("random programs", () => {
  it.each([1, 2, 3])("show the same with and without memory, seed %i", (seed) => {
    const random = randomFrom(seed);
    const remembering = newCpu({ remember: 1 });
    const plain = newCpu();
    for (let program = 0; program < 40; program++) {
      const code = Array.from({ length: 200 }, () => random.below(256));
      const budget = 1 + random.below(300);
      const expected = trapsOf(plain, code, budget);
      for (let time = 0; time < 3; time++) expect(trapsOf(remembering, code, budget)).toEqual(expected);
    }
    expect(remembering.instructionsSpared).toBeGreaterThan(1000);
  });
});

/** Runs on behind whatever stops the program, as a kernel would that answers every fault by skipping a byte. */
function trapsOf(cpu: Cpu, code: readonly number[], budget: number): string[] {
  loadProgram(cpu, code);
  for (let register = 0; register < 8; register++) if (register !== 4) cpu.general[register] = DATA + 64 * register;
  const traps: string[] = [];
  for (let stay = 0; stay < 20; stay++) {
    const { vector } = cpu.run(budget);
    traps.push(seen(cpu));
    if (vector !== VECTOR_QUANTUM) cpu.trap.eip = (cpu.trap.eip + 1) >>> 0;
  }
  resetCpu(cpu);
  return traps;
}
