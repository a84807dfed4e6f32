import { describe, expect, it } from "vitest";
import { VECTOR_QUANTUM } from "../../../src/cpu/cpu.ts";
import { CODE, TEB, loadProgram, newCpu, word } from "../../support/processor.ts";

const EAX = 0;
const ECX = 1;

describe("a run", () => {
  it("ends with the system call's vector behind the int 2e", () => {
    const cpu = newCpu();
    loadProgram(cpu, [0xb8, ...word(7), 0xcd, 0x2e, 0x90]); // mov eax,7; int 2e; nop
    const trap = cpu.run(1000);
    expect(trap).toMatchObject({ vector: 0x2e, errorCode: 0, eip: CODE + 7 });
    expect(cpu.general[EAX]).toBe(7);
    expect(cpu.instructions).toBe(2);
  });

  it("continues where the trap left off", () => {
    const cpu = newCpu();
    loadProgram(cpu, [0xb9, ...word(3), 0xcd, 0x2e, 0x49, 0x75, 0xfb, 0xcc]); // mov ecx,3; l: int 2e; dec ecx; jnz l; int3
    const vectors: number[] = [];
    for (let i = 0; i < 4; i++) vectors.push(cpu.run(1000).vector);
    expect(vectors).toEqual([0x2e, 0x2e, 0x2e, 3]);
    expect(cpu.general[ECX]).toBe(0);
  });

  it("ends after exactly its budget in the interpreter", () => {
    const cpu = newCpu();
    loadProgram(cpu, [0x40, 0x43, 0xeb, 0xfc]); // l: inc eax; inc ebx; jmp l
    for (const budget of [1, 2, 3, 1000, 12_345]) {
      const before = cpu.instructions;
      expect(cpu.run(budget).vector).toBe(VECTOR_QUANTUM);
      expect(cpu.instructions - before).toBe(budget);
    }
    expect(cpu.general[EAX]).toBe(Math.ceil(13_351 / 3));
  });

  it("reads the TEB through FS", () => {
    const cpu = newCpu();
    const space = loadProgram(cpu, [0x64, 0xa1, ...word(0x18), 0xcd, 0x2e]); // mov eax,fs:[18]; int 2e
    space.write(TEB + 0x18, word(TEB));
    cpu.run(10);
    expect(cpu.general[EAX]).toBe(TEB);
  });
});
