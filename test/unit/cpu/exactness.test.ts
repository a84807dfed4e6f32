import { describe, expect, it } from "vitest";
import { VECTOR_PAGE_FAULT, VECTOR_QUANTUM, type Cpu } from "../../../src/cpu/cpu.ts";
import { allocateFrame, CODE, loadProgram, newCpu, word, type AddressSpace } from "../../support/processor.ts";

/** Arithmetic, calls, a page of rep movsd, system calls and demand-paged stores: l: ... jmp l. */
const MIXED = [
  ...[0x41, 0x89, 0xc8, 0xc1, 0xe0, 0x0c, 0x25, ...word(0xff000)], // inc ecx; mov eax,ecx; shl eax,12; and eax,0xff000
  ...[0x01, 0x88, ...word(0x1000_0000)], // add [eax+0x10000000],ecx: a new page now and then
  ...[0x51, 0xe8, ...word(3), 0x59, 0xeb, 0x05], // push ecx; call f; pop ecx; jmp over
  ...[0xd1, 0xc3, 0x01, 0xcb, 0xc3], // f: rol ebx,1; add ebx,ecx; ret
  ...[0xf6, 0xc1, 0x07, 0x75, 0x02, 0xcd, 0x2e], // over: test cl,7; jnz +2; int 2e
  ...[0x51, 0xbe, ...word(0x500000), 0xbf, ...word(0x504000), 0xb9, ...word(37), 0xf3, 0xa5, 0x59], // rep movsd
];
const PROGRAM = [...MIXED, 0xe9, ...word(-(MIXED.length + 5))];

function service(cpu: Cpu, space: AddressSpace): void {
  const { trap } = cpu;
  if (trap.vector !== VECTOR_PAGE_FAULT) return;
  space.map(trap.faultAddress & ~0xfff, allocateFrame(cpu));
}

/** Runs to exactly `target` instructions in pieces of `piece`, and returns the registers there. */
function runTo(target: number, piece: number | "steps"): { state: string; vectors: Map<number, number> } {
  const cpu = newCpu();
  const space = loadProgram(cpu, PROGRAM);
  const vectors = new Map<number, number>();
  while (cpu.instructions < target) {
    const left = target - cpu.instructions;
    const { vector } = piece === "steps" ? cpu.step() : cpu.run(Math.min(piece, left));
    if (piece !== "steps" || vector !== VECTOR_QUANTUM) vectors.set(vector, (vectors.get(vector) ?? 0) + 1);
    service(cpu, space);
  }
  const { eip, esp, eflags } = cpu.trap;
  return {
    state: JSON.stringify([...cpu.general.filter((_, i) => i !== 4), eip, esp, eflags, cpu.instructions]),
    vectors,
  };
}

describe("the interpreter", () => {
  it("reaches the same state at an instruction count, whatever pieces it was run in", () => {
    for (const target of [1, 17, 1000, 20_011, 100_003]) {
      const reference = runTo(target, target);
      for (const piece of [1, 7, 1000, 4096]) expect(runTo(target, piece).state).toBe(reference.state);
    }
  });

  it("reaches the same state by single steps, with the same faults and system calls on the way", () => {
    const run = runTo(30_000, 30_000);
    const steps = runTo(30_000, "steps");
    expect(steps.state).toBe(run.state);
    run.vectors.delete(VECTOR_QUANTUM);
    expect([...steps.vectors]).toEqual([...run.vectors]);
    expect(run.vectors.get(0x2e)).toBeGreaterThan(100);
    expect(run.vectors.get(VECTOR_PAGE_FAULT)).toBeGreaterThan(100);
  });

  it("counts a faulting instruction once at each attempt", () => {
    const cpu = newCpu();
    const space = loadProgram(cpu, [0xa3, ...word(0x700000), 0xcd, 0x2e]); // mov [0x700000],eax; int 2e
    expect(cpu.run(100).vector).toBe(VECTOR_PAGE_FAULT);
    expect(cpu.run(100).vector).toBe(VECTOR_PAGE_FAULT);
    expect(cpu.instructions).toBe(2);
    space.map(0x700000);
    expect(cpu.run(100).vector).toBe(0x2e);
    expect(cpu.instructions).toBe(4);
  });

  it("stops in straight-line code and right before a trap", () => {
    const cpu = newCpu();
    loadProgram(cpu, [0x40, 0x40, 0x40, 0xcd, 0x2e]);
    expect(cpu.run(3)).toMatchObject({ vector: VECTOR_QUANTUM, eip: CODE + 3 });
    expect(cpu.run(1)).toMatchObject({ vector: 0x2e, eip: CODE + 5 });
  });

  it("runs nothing with a budget of nothing", () => {
    const cpu = newCpu();
    loadProgram(cpu, [0x40]);
    expect(cpu.run(0)).toMatchObject({ vector: VECTOR_QUANTUM, eip: CODE });
    expect(cpu.instructions).toBe(0);
  });
});

describe("a single step", () => {
  it("passes over compiled code", () => {
    const cpu = newCpu({ mode: "jit", jitAfter: 0 });
    loadProgram(cpu, [0x40, 0x43, 0xeb, 0xfc]); // l: inc eax; inc ebx; jmp l
    for (let i = 0; i < 20; i++) cpu.run(100_000);
    expect(cpu.stats.compiledModules).toBeGreaterThan(0);
    for (let i = 0; i < 10; i++) {
      const before = cpu.instructions;
      expect(cpu.step().vector).toBe(VECTOR_QUANTUM);
      expect(cpu.instructions - before).toBe(1);
    }
  });

  it("is what the trap flag in the context asks for", () => {
    const cpu = newCpu();
    loadProgram(cpu, [0x40, 0x40, 0x40]);
    cpu.trap.eflags |= 0x100;
    const trap = cpu.run(1000);
    expect(trap).toMatchObject({ vector: 1, eip: CODE + 1 });
    expect(trap.eflags & 0x100).toBe(0);
  });
});
