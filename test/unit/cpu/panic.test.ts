import { describe, expect, it } from "vitest";
import { type Cpu, VECTOR_PAGE_FAULT, VECTOR_PROCESSOR_FAULT } from "../../../src/cpu/cpu.ts";
import { CODE, DATA, loadProgram, newCpu, STACK_TOP, TEB, word } from "../../support/processor.ts";

/** push flags, selector 0, eip; iret: v86 has no answer to a null code segment and panics. */
const BAD_IRET = [0x68, ...word(0x202), 0x6a, 0x00, 0x68, ...word(CODE), 0xcf];

function registers(cpu: Cpu): number[] {
  return [...cpu.general.filter((_, index) => index !== 4)];
}

for (const mode of ["interpreter", "jit"] as const) {
  describe(`a panic of v86 (${mode})`, () => {
    const create = (): Cpu => newCpu({ mode, jitAfter: 0 });

    it("is a fault of the guest's instruction, with registers, stack and memory as they were", () => {
      const cpu = create();
      const code = [0xbb, ...word(0x1234_5678), 0xbf, ...word(DATA), 0x89, 0x1f, 0xf9, ...BAD_IRET]; // ...; stc; iret
      const space = loadProgram(cpu, code);
      const trap = cpu.run(1000);
      expect(trap).toMatchObject({ vector: VECTOR_PROCESSOR_FAULT, eip: CODE + code.length - 1, esp: STACK_TOP - 28 });
      expect(trap.eflags & 1).toBe(1);
      expect(registers(cpu)).toEqual([0, 0, 0, 0x1234_5678, 0, 0, DATA]);
      expect(space.readWord(DATA)).toBe(0x1234_5678);
      expect(space.readWord(STACK_TOP - 20)).toBe(0x202);
      expect(cpu.stats.processorFaults).toBe(1);
      expect(cpu.instructions).toBe(8);
    });

    it("leaves a processor that goes on: the kernel moves EIP and the program ends as usual", () => {
      const cpu = create();
      const space = loadProgram(cpu, [...BAD_IRET, 0x64, 0xa1, ...word(0x18), 0xcd, 0x2e]); // ...; mov eax,fs:[18]
      space.write(TEB + 0x18, word(TEB));
      cpu.run(1000);
      cpu.trap.eip += 1;
      expect(cpu.run(1000)).toMatchObject({ vector: 0x2e, eip: CODE + BAD_IRET.length + 8 });
      expect(cpu.general[0]).toBe(TEB);
    });

    it("keeps x87, SSE and the rounding mode", () => {
      const cpu = create();
      const code = [
        ...[0x68, ...word(0xf7f), 0xd9, 0x2c, 0x24], // push; fldcw [esp]: towards zero
        ...[0xd9, 0xe8, 0xb8, ...word(77), 0x66, 0x0f, 0x6e, 0xc8], // fld1; mov eax,77; movd xmm1,eax
        ...BAD_IRET,
        ...[0xbf, ...word(DATA), 0x66, 0x0f, 0x7e, 0x0f], // movd [edi],xmm1
        ...[0x68, ...word(0x4039_9999), 0xd9, 0x04, 0x24, 0xdb, 0x5f, 0x04, 0xdb, 0x5f, 0x08, 0xcd, 0x2e], // fld 2.9; fistp; fistp
      ];
      const space = loadProgram(cpu, code);
      expect(cpu.run(1000).vector).toBe(VECTOR_PROCESSOR_FAULT);
      cpu.trap.eip += 1;
      expect(cpu.run(1000).vector).toBe(0x2e);
      expect(space.readWord(DATA)).toBe(77);
      expect(space.readWord(DATA + 4)).toBe(2);
      expect(space.readWord(DATA + 8)).toBe(1);
    });

    it("can be repeated without end", () => {
      const cpu = create();
      loadProgram(cpu, BAD_IRET);
      for (let i = 0; i < 300; i++) {
        cpu.trap.eip = CODE;
        cpu.trap.esp = STACK_TOP - 16;
        expect(cpu.run(1000).vector).toBe(VECTOR_PROCESSOR_FAULT);
      }
      expect(cpu.stats.processorFaults).toBe(300);
    });

    it("over nested enter with an absent frame is the page fault that v86 had raised by then", () => {
      const cpu = create();
      loadProgram(cpu, [0xbd, ...word(0x70_0000), 0xc8, 0x10, 0x00, 0x05]); // mov ebp; enter 16,5
      expect(cpu.run(1000)).toMatchObject({ vector: VECTOR_PAGE_FAULT, errorCode: 4, eip: CODE + 5 });
    });
  });
}

describe("an instruction of more than fifteen bytes", () => {
  it("is a general protection fault, however long it is", () => {
    for (const length of [16, 17, 300, 60_000]) {
      const cpu = newCpu();
      loadProgram(cpu, [...Array.from({ length: length - 1 }, () => 0x66), 0x90]);
      expect(cpu.run(10)).toMatchObject({ vector: 13, errorCode: 0, eip: CODE });
    }
    const cpu = newCpu();
    loadProgram(cpu, [...Array.from({ length: 14 }, () => 0x66), 0x90, 0xcd, 0x2e]);
    expect(cpu.run(10)).toMatchObject({ vector: 0x2e });
  });

  it("is one with segment and repeat prefixes too", () => {
    for (const prefix of [0x26, 0x64, 0x67, 0xf0, 0xf2, 0xf3]) {
      const cpu = newCpu();
      loadProgram(cpu, [...Array.from({ length: 50_000 }, () => prefix), 0x90]);
      expect(cpu.run(10), prefix.toString(16)).toMatchObject({ vector: 13, errorCode: 0, eip: CODE });
    }
  });
});
