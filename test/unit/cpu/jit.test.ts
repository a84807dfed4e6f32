import { describe, expect, it } from "vitest";
import { type Cpu, VECTOR_PAGE_FAULT, VECTOR_QUANTUM } from "../../../src/cpu/cpu.ts";
import type { WasmModule } from "../../../src/cpu/webassembly.ts";
import {
  AddressSpace,
  allocateFrame,
  CODE,
  DATA,
  loadProgram,
  newCpu,
  processorModule,
  startContext,
  word,
} from "../../support/processor.ts";

const newJit = (): Cpu => newCpu({ mode: "jit", jitAfter: 0 });

/**
 * A hot loop of more than 220 basic blocks with two entries, A and B: v86 compiles it without any limit.
 * xor eax,eax; mov ecx,0; test ecx,1; jz A; jmp B; A: inc eax; (test eax,1<<i; jz +1; inc ebx) * 220, B amid; jmp A
 */
function manyBlocksTwoEntries(): number[] {
  const blocks = Array.from({ length: 220 }, (_, i) => [0xa9, ...word(1 << (i % 20)), 0x74, 0x01, 0x43]);
  const before = blocks.slice(0, 111).flat();
  const after = blocks.slice(111).flat();
  const head = [0x31, 0xc0, 0xb9, ...word(0), 0xf7, 0xc1, ...word(1)];
  const toA = [0x74, 0x05];
  const toB = [0xe9, ...word(1 + before.length)];
  const body = [0x40, ...before, ...after];
  return [...head, ...toA, ...toB, ...body, 0xe9, ...word(-(body.length + 5))];
}

describe("compiled code", () => {
  it("leaves a hot loop with several entries when the budget ends", () => {
    const cpu = newJit();
    loadProgram(cpu, manyBlocksTwoEntries());
    let longest = 0;
    for (let i = 0; i < 400; i++) {
      const before = cpu.instructions;
      expect(cpu.run(50_000).vector).toBe(VECTOR_QUANTUM);
      longest = Math.max(longest, cpu.instructions - before);
      // Enter the loop at its other entry, so that both are compiled as entries.
      if (i === 100) cpu.trap.eip = CODE + 20;
    }
    expect(cpu.stats.compiledModules).toBeGreaterThan(0);
    expect(cpu.stats.guardedModules).toBeGreaterThan(0);
    expect(longest).toBeLessThan(51_000);
  });

  it("ends near a small budget as well", () => {
    const cpu = newJit();
    loadProgram(cpu, [0x40, 0x75, 0xfd, 0xeb, 0xfb]); // l: inc eax; jnz l; jmp l
    for (let i = 0; i < 10; i++) cpu.run(100_000);
    expect(cpu.stats.compiledModules).toBeGreaterThan(0);
    const before = cpu.instructions;
    for (let i = 0; i < 10; i++) cpu.run(500);
    expect(cpu.instructions - before).toBeGreaterThanOrEqual(5000);
    expect(cpu.instructions - before).toBeLessThan(5100);
  });

  it("computes what the interpreter computes", () => {
    // ecx times: eax = eax * 1103515245 + 12345; xor [data + (eax >> 20 & 0xffc)], eax; rol eax, cl
    const loop = [0x69, 0xc0, ...word(1103515245), 0x05, ...word(12345), 0x89, 0xc3, 0xc1, 0xeb, 0x14, 0x81, 0xe3];
    const body = [...loop, ...word(0xffc), 0x31, 0x83, ...word(DATA), 0xd3, 0xc0, 0x49];
    const code = [0xb9, ...word(3_000_000), ...body, 0x0f, 0x85, ...word(-(body.length + 6)), 0xcd, 0x2e];
    const results = [newCpu(), newJit()].map((cpu) => {
      const space = loadProgram(cpu, code);
      while (cpu.run(100_000).vector === VECTOR_QUANTUM);
      const words = Array.from({ length: 1024 }, (_, i) => space.readWord(DATA + i * 4));
      return { registers: [...cpu.general.filter((_, i) => i !== 4)], words, eflags: cpu.trap.eflags };
    });
    expect(results[1]).toEqual(results[0]);
  });

  it("is not confused by guest constants that look like the compiler's own marks", () => {
    const results = [newCpu(), newJit()].map((cpu) => {
      // l: add eax,0x10123004; add ebx,0x7fffff1; cmp ebx,0x7fffff1; jae over; inc edx; over: xor [DATA+0x1fff0000],eax..
      const body = [
        ...[
          0x05,
          ...word(0x1012_3004),
          0x81,
          0xc3,
          ...word(0x7ff_fff1),
          0x81,
          0xfb,
          ...word(0x7ff_fff1),
          0x73,
          0x01,
          0x42,
        ],
        ...[0x31, 0x86, ...word(0x1fff_0000), 0x49],
      ];
      loadProgram(cpu, [...body, 0x0f, 0x85, ...word(-(body.length + 6)), 0xcd, 0x2e]);
      cpu.general[1] = 2_000_000;
      cpu.general[6] = DATA - 0x1fff_0000;
      while (cpu.run(100_000).vector === VECTOR_QUANTUM);
      expect(cpu.trap.vector).toBe(0x2e);
      return [...cpu.general.filter((_, i) => i !== 4)];
    });
    expect(results[1]).toEqual(results[0]);
  });

  it("is compiled only after the instruction count that was asked for", () => {
    const switchedOn: number[] = [];
    const jitModule = (): WasmModule => {
      switchedOn.push(cpu.instructions);
      return processorModule();
    };
    const cpu: Cpu = newCpu({ mode: "jit", jitAfter: 1_000_000, jitModule });
    loadProgram(cpu, [0x40, 0xeb, 0xfd]);
    for (let i = 0; i < 9; i++) cpu.run(110_000);
    expect(cpu.stats.compiledModules).toBe(0);
    for (let i = 0; i < 20; i++) cpu.run(110_000);
    expect(switchedOn).toEqual([1_100_000]);
    expect(cpu.stats.compiledModules).toBeGreaterThan(0);
  });

  it("goes on with registers and memory as they were when another module takes over", () => {
    const results = [Number.POSITIVE_INFINITY, 50_000].map((jitAfter) => {
      const cpu = newCpu({ mode: "jit", jitAfter, jitModule: processorModule });
      // fld1; l: fld1; faddp; add eax,ecx; mov [DATA],eax; dec ecx; jnz l; fistp dword [DATA + 8]; int 2e
      const body = [0xd9, 0xe8, 0xde, 0xc1, 0x01, 0xc8, 0xa3, ...word(DATA), 0x49];
      const loop = [0xd9, 0xe8, ...body, 0x75, -(body.length + 2) & 0xff];
      const space = loadProgram(cpu, [...loop, 0xdb, 0x1d, ...word(DATA + 8), 0xcd, 0x2e]);
      cpu.general[1] = 40_000;
      while (cpu.run(10_000).vector === VECTOR_QUANTUM);
      return {
        general: [...cpu.general.filter((_, i) => i !== 4)],
        sum: space.readWord(DATA + 8),
        vector: cpu.trap.vector,
        instructions: cpu.instructions,
      };
    });
    expect(results[1]).toEqual(results[0]);
    expect(results[0]?.sum).toBe(40_001);
  });
});

for (const mode of ["interpreter", "jit"] as const) {
  describe(`changed code (${mode})`, () => {
    const create = (): Cpu => newCpu({ mode, jitAfter: 0 });
    /** l: call f; dec ecx; jnz l; int 2e, with f: mov eax,value; ret on the next page. */
    const F = CODE + 0x1000;
    const caller = [0xe8, ...word(F - CODE - 5), 0x49, 0x75, 0xf8, 0xcd, 0x2e];
    const callee = (value: number): number[] => [0xb8, ...word(value), 0xc3];

    function callMany(cpu: Cpu, times: number): number {
      cpu.trap.eip = CODE;
      cpu.general[1] = times;
      while (cpu.run(1_000_000).vector === VECTOR_QUANTUM);
      expect(cpu.trap.vector).toBe(0x2e);
      return cpu.general[0] ?? 0;
    }

    it("executes anew after the kernel wrote it and said so", () => {
      const cpu = create();
      const space = loadProgram(cpu, caller);
      space.map(F);
      for (let value = 1; value < 20; value++) {
        space.write(F, callee(value));
        expect(callMany(cpu, 200_000)).toBe(value);
      }
      if (mode === "jit") expect(cpu.stats.compiledModules).toBeGreaterThan(10);
    });

    it("executes anew on a page that two address spaces share, whichever of them wrote it", () => {
      const cpu = create();
      const first = loadProgram(cpu, caller);
      const frame = first.map(F);
      const second = loadProgram(cpu, caller);
      second.map(F, frame);
      second.map(DATA, frame);
      for (let value = 1; value < 10; value++) {
        cpu.ram.setPageDirectory(second.directory);
        second.write(DATA, callee(value));
        expect(callMany(cpu, 200_000)).toBe(value);
        cpu.ram.setPageDirectory(first.directory);
        expect(callMany(cpu, 200_000)).toBe(value);
      }
    });

    it("executes anew after the guest itself wrote it", () => {
      const cpu = create();
      // l: mov [F+1],ecx; call F; cmp eax,ecx; jne bad; dec ecx; jnz l; int 2e; bad: int3
      const code = [
        ...[0x89, 0x0d, ...word(F + 1)],
        ...[0xe8, ...word(F - CODE - 11)],
        ...[0x39, 0xc8, 0x75, 0x05, 0x49, 0x75, 0xee, 0xcd, 0x2e, 0xcc],
      ];
      const space = loadProgram(cpu, code);
      space.map(F);
      space.write(F, callee(0));
      cpu.general[1] = 100_000;
      while (cpu.run(1_000_000).vector === VECTOR_QUANTUM);
      expect(cpu.trap.vector).toBe(0x2e);
      expect(cpu.general[1]).toBe(0);
    });

    it("executes anew when hot code was rewritten through another mapping of its page", () => {
      const cpu = create();
      const space = loadProgram(cpu, caller);
      const frame = space.map(F);
      space.map(DATA, frame);
      space.write(F, callee(7));
      expect(callMany(cpu, 300_000)).toBe(7);
      // mov dword [DATA+1],9; int 2e
      space.map(CODE + 0x2000);
      space.write(CODE + 0x2000, [0xc7, 0x05, ...word(DATA + 1), ...word(9), 0xcd, 0x2e]);
      cpu.trap.eip = CODE + 0x2000;
      expect(cpu.run(100).vector).toBe(0x2e);
      expect(callMany(cpu, 1)).toBe(9);
    });
  });

  describe(`translations (${mode})`, () => {
    const create = (): Cpu => newCpu({ mode, jitAfter: 0 });
    /** l: mov eax,[DATA]; dec ecx; jnz l; int 2e */
    const reader = [0xa1, ...word(DATA), 0x49, 0x75, 0xf8, 0xcd, 0x2e];

    function read(cpu: Cpu): { vector: number; value: number } {
      cpu.trap.eip = CODE;
      cpu.general[1] = 100_000;
      while (cpu.run(1_000_000).vector === VECTOR_QUANTUM);
      return { vector: cpu.trap.vector, value: cpu.general[0] ?? 0 };
    }

    it("follow a page that the kernel replaced, as after copy-on-write", () => {
      const cpu = create();
      const space = loadProgram(cpu, reader);
      for (let value = 1; value < 10; value++) {
        const frame = space.map(DATA);
        cpu.ram.i32[frame * 1024] = value;
        cpu.ram.invalidatePage(DATA);
        expect(read(cpu)).toEqual({ vector: 0x2e, value });
      }
    });

    it("end with an unmapped page", () => {
      const cpu = create();
      const space = loadProgram(cpu, reader);
      expect(read(cpu).vector).toBe(0x2e);
      space.map(DATA, 0, 0);
      cpu.ram.invalidatePage(DATA);
      expect(read(cpu).vector).toBe(VECTOR_PAGE_FAULT);
      space.map(DATA);
      cpu.ram.flushTranslations();
      expect(read(cpu).vector).toBe(0x2e);
    });

    it("end for code as well", () => {
      const cpu = create();
      const space = loadProgram(cpu, reader);
      expect(read(cpu).vector).toBe(0x2e);
      space.map(CODE, 0, 0);
      cpu.ram.invalidatePage(CODE);
      expect(read(cpu).vector).toBe(VECTOR_PAGE_FAULT);
      expect(cpu.trap).toMatchObject({ eip: CODE, faultAddress: CODE, errorCode: 4 });
    });

    it("become read-only when the kernel says so", () => {
      const cpu = create();
      const space = loadProgram(cpu, [0xff, 0x05, ...word(DATA), 0x49, 0x75, 0xf7, 0xcd, 0x2e]); // l: inc [DATA]; dec ecx; jnz l
      const frame = space.map(DATA);
      expect(read(cpu).vector).toBe(0x2e);
      expect(cpu.ram.i32[frame * 1024]).toBe(100_000);
      space.map(DATA, frame, 5);
      cpu.ram.invalidatePage(DATA);
      expect(read(cpu).vector).toBe(VECTOR_PAGE_FAULT);
      expect(cpu.trap.errorCode).toBe(7);
      expect(cpu.ram.i32[frame * 1024]).toBe(100_000);
    });

    it("are those of the address space that the kernel chose", () => {
      const cpu = create();
      const first = loadProgram(cpu, reader);
      const second = new AddressSpace(cpu);
      second.map(CODE);
      cpu.ram.setPageDirectory(second.directory);
      second.write(CODE, reader);
      cpu.ram.i32[second.map(DATA, allocateFrame(cpu)) * 1024] = 2;
      cpu.ram.setPageDirectory(first.directory);
      cpu.ram.i32[first.map(DATA) * 1024] = 1;
      cpu.ram.invalidatePage(DATA);
      cpu.load(startContext());
      for (let i = 0; i < 6; i++) {
        cpu.ram.setPageDirectory(i % 2 === 0 ? first.directory : second.directory);
        expect(read(cpu)).toEqual({ vector: 0x2e, value: (i % 2) + 1 });
      }
    });
  });
}
