import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { VECTOR_PAGE_FAULT, type Cpu } from "../../../src/cpu/cpu.ts";
import { allocateFrame, DATA, loadProgram, newCpu, resetCpu, word } from "../../support/processor.ts";

/** l: counts, hashes into memory, calls the kernel and touches new pages, differently for each `salt`. */
function program(salt: number): number[] {
  const body = [
    ...[0x41, 0x69, 0xc1, ...word(1103515245), 0x05, ...word(salt)], // inc ecx; imul eax,ecx,..; add eax,salt
    ...[0x89, 0xc3, 0xc1, 0xeb, 0x0a, 0x81, 0xe3, ...word(0x3fff), 0x31, 0x04, 0x9d, ...word(DATA)], // xor [DATA+ebx*4],eax
    ...[0xba, ...word(8), 0xc1, 0xc0, 0x03, 0x31, 0xd0, 0x4a, 0x75, 0xf8], // edx = 8: rol eax,3; xor eax,edx; dec edx; jnz
    ...[0xf7, 0xc1, ...word(0x3ff), 0x75, 0x11, 0xcd, 0x2e], // test ecx,3ff; jnz over; int 2e
    ...[0x0f, 0x31, 0x89, 0xcb, 0xc1, 0xe3, 0x02, 0x01, 0x83, ...word(0x1000_0000), 0x0f, 0xa2], // rdtsc; add [..+ecx*4],eax; cpuid
  ];
  return [...body.slice(0, -2), 0x90, 0x90, 0xe9, ...word(-(body.length + 5))];
}

/** Everything that can be seen of a run: each trap, and now and then all of RAM. */
function trace(cpu: Cpu, salt: number, runs = 600): string[] {
  const space = loadProgram(cpu, program(salt));
  const lines: string[] = [];
  for (let i = 0; i < runs; i++) {
    const { vector, eip, esp, eflags, faultAddress } = cpu.run(20_000);
    lines.push([vector, eip, esp, eflags, faultAddress, cpu.instructions].join(" "));
    if (vector === VECTOR_PAGE_FAULT) space.map(faultAddress & ~0xfff, allocateFrame(cpu));
    if (i % 100 === 99) {
      const used = cpu.ram.u8.subarray(0, cpu.ram.framesInUse << 12);
      lines.push(
        createHash("sha1")
          .update(used)
          .update(cpu.general.filter((_, r) => r !== 4))
          .digest("hex"),
      );
    }
  }
  return lines;
}

for (const mode of ["interpreter", "jit"] as const) {
  describe(`a run (${mode})`, () => {
    const create = (): Cpu => newCpu({ mode, jitAfter: mode === "jit" ? 500_000 : 0 });

    it("is the same in two processors", () => {
      const [first, second] = [create(), create()];
      expect(trace(first, 1)).toEqual(trace(second, 1));
      if (mode === "jit") expect(first.stats.compiledModules).toBeGreaterThan(0);
    });

    it("does not depend on what ran before a reset", () => {
      const cpu = create();
      const first = trace(cpu, 1);
      resetCpu(cpu);
      expect(trace(cpu, 2)).not.toEqual(first);
      resetCpu(cpu);
      expect(trace(cpu, 1)).toEqual(first);
      expect(trace(create(), 1)).toEqual(first);
    });

    it("does not depend on a panic before a reset", () => {
      const cpu = create();
      loadProgram(cpu, [0x6a, 0x00, 0x6a, 0x00, 0x6a, 0x00, 0xcf]);
      cpu.run(100);
      expect(cpu.stats.processorFaults).toBe(1);
      resetCpu(cpu);
      expect(trace(cpu, 3)).toEqual(trace(create(), 3));
    });
  });
}

describe("a reset", () => {
  it("leaves RAM and registers as in a new processor", () => {
    const used = newCpu();
    trace(used, 1, 100);
    resetCpu(used);
    const fresh = newCpu();
    expect(Buffer.compare(used.ram.u8, fresh.ram.u8)).toBe(0);
    expect([...used.general]).toEqual([...fresh.general]);
    expect(used.trap).toEqual(fresh.trap);
    expect(used.instructions).toBe(0);
  });
});

/** The processor's own memory, in front of guest RAM. */
function ownMemory(cpu: Cpu): Uint8Array {
  const { buffer, byteOffset } = cpu.ram.u8;
  return new Uint8Array(buffer, 0, byteOffset);
}

/** Up to here it is the same whatever the compiler did; behind lies its heap, in which what is free may hold anything. */
const HEAP_START = 9_568_256;

describe.each([
  ["a run that ended at a trap", { mode: "interpreter" }, (cpu: Cpu) => trace(cpu, 1, 50)],
  ["a run that translated many pages", { mode: "interpreter" }, touchPages],
  ["a panic", { mode: "interpreter" }, panic],
  ["compiled code", { mode: "jit", jitAfter: 0 }, (cpu: Cpu) => trace(cpu, 1, 50)],
  ["compiled code and a panic", { mode: "jit", jitAfter: 0 }, (cpu: Cpu) => [trace(cpu, 1, 50), panic(cpu)]],
] as const)("a reset after %s", (_, options, use) => {
  it("leaves the processor's own memory as in a new one, byte for byte", () => {
    const used = newCpu(options);
    const fresh = ownMemory(newCpu(options)).slice();
    use(used);
    expect(Buffer.compare(ownMemory(used).subarray(0, HEAP_START), fresh.subarray(0, HEAP_START))).not.toBe(0);
    resetCpu(used);
    const end = options.mode === "jit" ? HEAP_START : fresh.length;
    expect(Buffer.compare(ownMemory(used).subarray(0, end), fresh.subarray(0, end))).toBe(0);
  });
});

/** Reads and writes two thousand pages, and stops among them. */
function touchPages(cpu: Cpu): void {
  // mov ebx,DATA; l: inc [ebx]; mov eax,[ebx+4]; add ebx,1000; jmp l
  const code = [0xbb, ...word(DATA), 0xff, 0x03, 0x8b, 0x43, 0x04, 0x81, 0xc3, ...word(0x1000), 0xeb, 0xf3];
  loadProgram(cpu, code, 2000);
  cpu.run(4 * 1999);
}

function panic(cpu: Cpu): void {
  resetCpu(cpu);
  loadProgram(cpu, [0x6a, 0x00, 0x6a, 0x00, 0x6a, 0x00, 0xcf]);
  cpu.run(100);
  expect(cpu.stats.processorFaults).toBe(1);
}
