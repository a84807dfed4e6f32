import { describe, expect, it } from "vitest";
import { VECTOR_PAGE_FAULT, VECTOR_QUANTUM, type Cpu } from "../../../src/cpu/cpu.ts";
import { allocateFrame, CODE, DATA, loadProgram, newCpu, word } from "../../support/processor.ts";

/** l: inc ecx; add [DATA+ecx*4 & ...],ecx; fld1/fadd; rdrand esi; mov [ecx*4096+0x10000000],ecx now and then */
const CODE_BYTES = [
  ...[0x41, 0x89, 0xc8, 0x25, ...word(0xfff), 0x01, 0x0c, 0x85, ...word(DATA)],
  ...[0xd9, 0xe8, 0xde, 0xc1, 0x0f, 0xc7, 0xf6],
  ...[0x89, 0xc8, 0xc1, 0xe0, 0x06, 0x89, 0x88, ...word(0x1000_0000)],
];
const PROGRAM = [0xd9, 0xee, ...CODE_BYTES, 0xe9, ...word(-(CODE_BYTES.length + 5))];

for (const mode of ["interpreter", "jit"] as const) {
  describe(`a snapshot (${mode})`, () => {
    function follow(cpu: Cpu, map: (address: number) => void, runs: number): string[] {
      const lines: string[] = [];
      for (let i = 0; i < runs; i++) {
        const { vector, eip, faultAddress } = cpu.run(3000);
        lines.push(`${vector} ${eip} ${cpu.instructions} ${[...cpu.general.filter((_, r) => r !== 4)].join(",")}`);
        if (vector === VECTOR_PAGE_FAULT) map(faultAddress);
      }
      return lines;
    }

    it("leads to the same future every time it is restored", () => {
      const cpu = newCpu({ mode, jitAfter: 0 });
      const space = loadProgram(cpu, PROGRAM);
      const base = allocateFrame(cpu) + 1;
      cpu.ram.framesInUse = base + 600;
      let next = base;
      const map = (address: number): void => {
        space.map(address & ~0xfff, next++);
      };
      // The page table for the new pages exists before, so that frames come from `next` only.
      space.map(0x1000_0000);
      cpu.ram.framesInUse = base + 600;
      follow(cpu, map, 200);
      const snapshot = cpu.snapshot();
      const nextThen = next;
      const futures = Array.from({ length: 3 }, () => {
        next = nextThen;
        const lines = follow(cpu, map, 150);
        cpu.restore(snapshot);
        return lines;
      });
      // Compiled code stops near the budget, not at it, and what is compiled by then differs.
      if (mode === "interpreter") {
        expect(futures[1]).toEqual(futures[0]);
        expect(futures[2]).toEqual(futures[0]);
      }
      expect(new Set(futures[0]).size).toBe(150);
      const again = cpu.snapshot();
      expect(again.sameMemory(snapshot)).toBe(true);
    });

    it("brings back code that was overwritten since", () => {
      const cpu = newCpu({ mode, jitAfter: 0 });
      // l: mov eax,1; dec ecx; jnz l; int 2e
      const space = loadProgram(cpu, [0xb8, ...word(1), 0x49, 0x75, 0xf8, 0xcd, 0x2e]);
      const result = (): number => {
        cpu.trap.eip = CODE;
        cpu.general[1] = 200_000;
        while (cpu.run(1_000_000).vector === VECTOR_QUANTUM);
        return cpu.general[0] ?? 0;
      };
      const snapshot = cpu.snapshot();
      expect(result()).toBe(1);
      space.write(CODE + 1, word(2));
      expect(result()).toBe(2);
      cpu.restore(snapshot);
      expect(result()).toBe(1);
    });

    it("empties frames that came into use since", () => {
      const cpu = newCpu({ mode, jitAfter: 0 });
      loadProgram(cpu, [0x90]);
      const snapshot = cpu.snapshot();
      const frame = allocateFrame(cpu);
      cpu.ram.i32[frame * 1024 + 5] = 77;
      cpu.restore(snapshot);
      expect(cpu.ram.i32[frame * 1024 + 5]).toBe(0);
      expect(cpu.ram.framesInUse).toBe(snapshot.frames);
    });
  });
}
