/**
 * Random hot loops, with branches, calls, memory and several entries: compiled code computes what the interpreter
 * computes, and always comes back when its budget ends.
 */
import { describe, expect, it } from "vitest";
import { type Cpu, VECTOR_QUANTUM } from "../../src/cpu/cpu.ts";
import { CODE, DATA, loadProgram, newCpu, resetCpu, word } from "../support/processor.ts";

const PROGRAMS = 250;
const BUDGET = 30_000;
const STAYS = 30;

function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** Registers that bodies may change; ESP, and EDI which holds DATA, are left alone. */
const REGISTERS: readonly number[] = [0, 1, 2, 3, 5, 6];

/** One instruction, or a few, that cannot fault. */
function instruction(below: (limit: number) => number): number[] {
  const register = (): number => REGISTERS[below(REGISTERS.length)] ?? 0;
  const both = (): number => 0xc0 | (register() << 3) | register();
  const immediate = (): number[] => word(below(0x1_0000_0000));
  const slot = (): number[] => word(below(1000) * 4);
  const choices: (() => number[])[] = [
    () => [[0x01, 0x09, 0x11, 0x19, 0x21, 0x29, 0x31, 0x39, 0x85, 0x89][below(10)] ?? 0x01, both()],
    () => [0x81, 0xc0 | (below(8) << 3) | register(), ...immediate()],
    () => [0x40 + register()],
    () => [0x48 + register()],
    () => [0xb8 + register(), ...immediate()],
    () => [0x0f, 0xaf, both()],
    () => [0x8d, 0x84 | (register() << 3), (below(4) << 6) | (register() << 3) | register(), ...immediate()],
    () => [[0x01, 0x29, 0x31, 0x89, 0x8b, 0x03, 0x33, 0x3b][below(8)] ?? 0x89, 0x87 | (register() << 3), ...slot()],
    () => [0x0f, [0xb6, 0xb7, 0xbe, 0xbf][below(4)] ?? 0xb6, both()],
    () => [0x50 + register(), 0x58 + register()],
    () => [0x0f, 0x90 + below(16), 0xc0 | [0, 1, 2, 3][below(4)]!],
    () => [0x0f, 0x40 + below(16), both()],
    () => [0xf7, 0xd0 | (below(2) << 3) | register()],
    () => [0x0f, 0xc8 + register()],
    () => [0xc1, 0xc0 | ([0, 1, 4, 5, 7][below(5)]! << 3) | register(), 1],
  ];
  return choices[below(choices.length)]!();
}

/**
 * `blocks` basic blocks, each with a conditional jump to any other; one in sixteen ends by a call through a register
 * to a function, so that loops get several entries. A counter in memory ends it all: dec [DATA+0x1000]; jz out.
 */
function program(seed: number): number[] {
  const below = generator(seed);
  const blocks = 4 + below(below(4) === 0 ? 240 : 40);
  const bodies = Array.from({ length: blocks }, () =>
    Array.from({ length: below(5) }, () => instruction(below)).flat(),
  );
  const calls = bodies.map(() => below(16) === 0);
  const targets = bodies.map(() => below(blocks));
  const conditions = bodies.map(() => below(16));
  const counts = bodies.map(() => below(3) === 0);
  const starts: number[] = [];
  let size = 0;
  const count = [0xff, 0x8f, ...word(0x1000), 0x0f, 0x84];
  bodies.forEach((body, i) => {
    starts.push(size);
    size += body.length + (counts[i] === true ? 12 : 0) + (calls[i] === true ? 5 : 0) + 6;
  });
  const end = size + 5;
  const code: number[] = [];
  bodies.forEach((body, i) => {
    code.push(...body);
    if (counts[i] === true) code.push(...count, ...word(end - (code.length + count.length + 4)));
    if (calls[i] === true) code.push(0xe8, ...word(end + 2 - (code.length + 5)));
    code.push(0x0f, 0x80 | (conditions[i] ?? 0), ...word((starts[targets[i] ?? 0] ?? 0) - (code.length + 6)));
  });
  code.push(0xe9, ...word(-(code.length + 5)), 0xcd, 0x2e, 0x43, 0x85, 0xdb, 0x78, 0x01, 0xc3, 0x45, 0xc3);
  return code;
}

interface Result {
  readonly vector: number;
  readonly state: string;
}

/** Runs to the end of the program, or to `instructions` exactly, which only the interpreter can. */
function run(cpu: Cpu, code: readonly number[]): Result {
  resetCpu(cpu);
  loadProgram(cpu, code, 4);
  cpu.ram.i32[cpu.translate(DATA + 0x1000, { write: true }) >>> 2] = 20_000;
  cpu.general[7] = DATA;
  let stays = 0;
  let longest = 0;
  do {
    const before = cpu.instructions;
    cpu.run(BUDGET);
    longest = Math.max(longest, cpu.instructions - before);
  } while (cpu.trap.vector === VECTOR_QUANTUM && ++stays < STAYS);
  expect(longest).toBeLessThan(BUDGET + 3000);
  const at = cpu.translate(DATA, { write: false });
  const memory = cpu.ram.u8.slice(at, at + 0x1004);
  const state = JSON.stringify([...cpu.general.filter((_, i) => i !== 4), cpu.trap.eip - CODE, cpu.trap.esp]);
  return { vector: cpu.trap.vector, state: state + Buffer.from(memory).toString("base64") };
}

describe("random hot loops", () => {
  it("end alike in compiled code and in the interpreter, and within their budget", () => {
    const interpreter = newCpu({ ramBytes: 4 << 20 });
    const compiler = newCpu({ mode: "jit", jitAfter: 0, ramBytes: 4 << 20 });
    let ended = 0;
    for (let seed = 1; seed <= PROGRAMS; seed++) {
      const code = program(seed);
      const expected = run(interpreter, code);
      const found = run(compiler, code);
      // A program that has not ended is somewhere else in compiled code, which stops near the budget, not at it.
      expect(found.vector, `seed ${seed}`).toBe(expected.vector);
      if (expected.vector === VECTOR_QUANTUM) continue;
      expect(found.state, `seed ${seed}`).toBe(expected.state);
      ended++;
    }
    expect(ended).toBeGreaterThan(PROGRAMS / 10);
    expect(compiler.stats.compiledModules).toBeGreaterThan(PROGRAMS / 4);
    expect(compiler.stats.guardedModules).toBeGreaterThan(PROGRAMS / 10);
  });
});
