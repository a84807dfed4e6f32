/**
 * Random ring-3 programs. Whatever a guest executes, the outcome is a trap or the end of its budget; the supervisor
 * page and all physical memory that is not mapped for the guest stay as they were; and the processor goes on working.
 */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { type Cpu, VECTOR_PROCESSOR_FAULT, VECTOR_QUANTUM } from "../../src/cpu/cpu.ts";
import { CODE, DATA, loadProgram, newCpu, resetCpu, STACK_TOP, startContext, TEB, word } from "../support/processor.ts";

const PROGRAMS = 60_000;
const BUDGET = 2000;
const PAGE = 0x1000;
const STACK = STACK_TOP - 4 * PAGE;

/** What random bytes hit too rarely: transfers, segments, system instructions, prefixes, panics of v86. */
const SPECIAL: readonly (readonly number[])[] = [
  [0xcf],
  [0x66, 0xcf],
  [0xcb],
  [0xca, 4, 0],
  [0xea, 0, 0, 0x40, 0, 0x1b, 0],
  [0xea, 0, 0, 0, 0, 0x07, 0],
  [0x9a, 0, 0, 0, 0, 0x08, 0],
  [0x9a, 0, 0, 0, 0, 0x04, 0],
  [0xcd, 0x2e],
  [0xcd, 0x80],
  [0x0f, 0x34],
  [0x0f, 0x35],
  [0x0f, 0x05],
  [0xf1],
  [0x8e, 0xd8],
  [0x8e, 0xe0],
  [0x8e, 0xd0],
  [0x0f, 0xb2, 0x24, 0x24],
  [0x0f, 0xb4, 0x04, 0x24],
  [0x62, 0x00],
  [0x0f, 0xae, 0x0c, 0x24],
  [0x0f, 0xae, 0x14, 0x24],
  [0x0f, 0xc7, 0x0c, 0x24],
  [0x0f, 0xa2],
  [0x0f, 0x31],
  [0x9d],
  [0x66, 0x9d],
  [0x07],
  [0x1f],
  [0x17],
  [0xf4],
  [0xee],
  [0xf3, 0x6e],
  [0x0f, 0x22, 0xd8],
  [0x0f, 0x01, 0xf8],
  [0x0f, 0x01, 0x3c, 0x24],
  [0x0f, 0x02, 0xc8],
  [0x0f, 0x03, 0xc8],
  [0x0f, 0x00, 0xe0],
  [0x0f, 0x0b],
  [0xc8, 0, 0, 31],
  [0xc8, 0x10, 0, 3],
  [0x66, 0xc8, 0x10, 0, 3],
  [0x0f, 0x38, 0, 0],
  [0x66, 0x0f, 0x3a, 0x0f, 0xc0, 4],
  [0xd9, 0xfa],
  [0xdb, 0xe3],
  [0xdd, 0x34, 0x24],
  [0xdd, 0x24, 0x24],
  [0x0f, 0x00, 0xd8],
  [0x0f, 0x01, 0xd0],
  [0xc5, 0xf8, 0x77],
  [0xf3, 0xa4],
  [0xf3, 0xab],
  [0xf2, 0xae],
  [0xeb, 0xf0],
  [0x75, 0xf0],
  [0xe2, 0xf0],
  [0x61],
  [0x66, 0x61],
  [0xc9],
  [0x67, 0xe3, 0x02],
];
const SELECTORS: readonly number[] = [0, 4, 7, 8, 0xb, 0x10, 0x18, 0x1b, 0x23, 0x28, 0x3b, 0xffff];

/** A small generator of its own, so that a seed names a sequence for good. */
class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  below(limit: number): number {
    return this.next() % limit;
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }
}

function randomCode(random: Random): Uint8Array {
  const code = Uint8Array.from({ length: 96 }, () => random.next() >>> 8);
  let offset = random.below(8);
  for (let i = random.below(5); i > 0; i--) {
    const special = random.of(SPECIAL);
    code.set(special, offset);
    offset += special.length + random.below(3);
  }
  // Some end in a jump back to the start, to become hot.
  if (random.below(3) === 0) code.set([0xe9, ...word(-(64 + 5))], 64);
  return code;
}

function randomWord(random: Random): number {
  const kind = random.below(6);
  if (kind === 0) return random.of(SELECTORS);
  if (kind === 1) return DATA + random.below(2 * PAGE);
  if (kind === 2) return CODE + random.below(96);
  if (kind === 3) return 0xffc00000 + random.below(PAGE);
  if (kind === 4) return random.below(64) - 32;
  return random.next();
}

class Fuzzer {
  readonly cpu: Cpu;
  readonly random: Random;
  readonly outcomes: Map<number, number> = new Map();
  /** Frames that the guest may write, and the page tables, in which the processor sets accessed and dirty bits. */
  readonly #writable: Set<number> = new Set();
  #codeFrame = 0;
  #reference: Uint8Array = new Uint8Array();
  #stackFrame = 0;

  constructor(mode: "interpreter" | "jit", seed: number) {
    this.cpu = newCpu({ mode, jitAfter: 0, ramBytes: 4 << 20 });
    this.random = new Random(seed);
    this.#prepare();
  }

  #prepare(): void {
    resetCpu(this.cpu);
    const space = loadProgram(this.cpu, new Uint8Array(96), 2);
    this.#writable.clear();
    const frameOf = (address: number): number => this.cpu.translate(address, { write: true }) >>> 12;
    for (const address of [CODE, DATA, DATA + PAGE, TEB]) this.#writable.add(frameOf(address));
    for (let page = 0; page < 4; page++) this.#writable.add(frameOf(STACK + page * PAGE));
    this.#codeFrame = frameOf(CODE);
    this.#stackFrame = frameOf(STACK_TOP - PAGE);
    this.#writable.add(space.directory >>> 12);
    for (let slot = 0; slot < 1023; slot++) {
      const entry = this.cpu.ram.i32[(space.directory >>> 2) + slot] ?? 0;
      if ((entry & 1) !== 0) this.#writable.add(entry >>> 12);
    }
    // A pattern everywhere else: reads from there would be seen in traces, writes are seen below.
    const { u8 } = this.cpu.ram;
    for (let frame = this.cpu.ram.firstFreeFrame; frame < u8.length >>> 12; frame++) {
      if (!this.#writable.has(frame)) u8.fill(0xa7, frame << 12, (frame + 1) << 12);
    }
    this.cpu.run(1);
    this.#reference = u8.slice();
  }

  program(): void {
    const { cpu, random } = this;
    const { u8, i32 } = cpu.ram;
    u8.set(randomCode(random), this.#codeFrame << 12);
    cpu.ram.invalidateCode(this.#codeFrame);
    const context = startContext();
    for (let i = 0; i < 8; i++) if (i !== 4) context.general[i] = randomWord(random);
    context.general[4] = STACK_TOP - 256;
    context.eflags = random.next();
    context.segGs = random.of(SELECTORS);
    for (let i = 0; i < 64; i++) i32[(this.#stackFrame << 10) + 1024 - 64 + i] = randomWord(random);
    cpu.load(context);
    cpu.setTeb(TEB);
    cpu.trap.eflags &= ~0x100;
    for (let stay = 0; stay < 3; stay++) {
      const before = cpu.instructions;
      const { vector, eip } = cpu.run(BUDGET);
      this.#judge(vector, eip, cpu.instructions - before);
      if (vector !== VECTOR_QUANTUM) cpu.trap.eip = (eip + 1) >>> 0;
    }
  }

  #judge(vector: number, eip: number, instructions: number): void {
    this.outcomes.set(vector, (this.outcomes.get(vector) ?? 0) + 1);
    const known = vector === VECTOR_QUANTUM || vector === VECTOR_PROCESSOR_FAULT || (vector >= 0 && vector < 256);
    if (!known) throw new Error(`vector ${vector} at 0x${eip.toString(16)}`);
    // A rep of a page counts as one, and compiled code ends at the next loop head.
    if (instructions > BUDGET + 200) throw new Error(`${instructions} instructions in a budget of ${BUDGET}`);
  }

  /** Compares all memory that the guest cannot write. The last words of the supervisor page are its stack. */
  checkMemory(): void {
    const { u8 } = this.cpu.ram;
    const reference = this.#reference;
    for (let frame = 0; frame < u8.length >>> 12; frame++) {
      if (this.#writable.has(frame)) continue;
      const start = frame << 12;
      const end = frame === 1 ? start + 0xf00 : start + PAGE;
      const same = Buffer.compare(u8.subarray(start, end), reference.subarray(start, end)) === 0;
      if (!same) throw new Error(`frame ${frame} changed`);
    }
  }

  digest(): string {
    return createHash("sha1")
      .update(this.cpu.ram.u8)
      .update(JSON.stringify([...this.outcomes]))
      .digest("hex");
  }
}

for (const mode of ["interpreter", "jit"] as const) {
  describe(`random ring-3 programs (${mode})`, () => {
    it(`end in a trap or with their budget, all ${PROGRAMS} of them, and change no memory but their own`, () => {
      const fuzzer = new Fuzzer(mode, 1);
      for (let i = 0; i < PROGRAMS; i++) {
        fuzzer.program();
        if (i % 200 === 199) fuzzer.checkMemory();
      }
      const { outcomes, cpu } = fuzzer;
      // The search reaches what it is for: system calls, all common faults, and panics of v86.
      for (const vector of [VECTOR_QUANTUM, VECTOR_PROCESSOR_FAULT, 0, 3, 6, 13, 14, 0x2e]) {
        expect(outcomes.get(vector), `vector ${vector}`).toBeGreaterThan(10);
      }
      expect(cpu.stats.processorFaults).toBeGreaterThan(100);
      // And the processor still works.
      resetCpu(cpu);
      loadProgram(cpu, [0xb8, ...word(5), 0xcd, 0x2e]);
      expect(cpu.run(10).vector).toBe(0x2e);
      expect(cpu.general[0]).toBe(5);
    });

    it("end the same way again", () => {
      const digests = [1, 2].map(() => {
        const fuzzer = new Fuzzer(mode, 7);
        for (let i = 0; i < 3000; i++) fuzzer.program();
        return fuzzer.digest();
      });
      expect(digests[1]).toBe(digests[0]);
    });
  });
}
