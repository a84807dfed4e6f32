import { describe, expect, it } from "vitest";
import { X86Context } from "../../../src/cpu/context.ts";
import { readFsave, readFxsave, writeFsave, writeFxsave } from "../../../src/cpu/fpstate.ts";
import { DATA, loadProgram, newCpu, word } from "../../support/processor.ts";

/** fninit state changed: fld1; fldpi; fldz; fld1 - fld1/0... ; fldcw; xmm1 = 0x1234567; ffree st(2) */
const FILL = [
  ...[0xd9, 0xe8, 0xd9, 0xeb, 0xd9, 0xee, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9], // 1, pi, 0, 1/0 = inf
  ...[0xdd, 0xc2, 0x68, ...word(0x0b7f), 0xd9, 0x2c, 0x24], // ffree st(2); fldcw 0xb7f
  ...[0xb8, ...word(0x1234_5678), 0x66, 0x0f, 0x6e, 0xc8, 0x66, 0x0f, 0x70, 0xf9, 0x00], // movd xmm1,eax; pshufd xmm7,xmm1,0
];
const FXSAVE = [0xbf, ...word(DATA), 0x0f, 0xae, 0x07]; // mov edi,DATA; fxsave [edi]
const FNSAVE = [0xbf, ...word(DATA + 0x200), 0xdd, 0x37]; // mov edi,..; fnsave [edi]

function filled(...more: number[]): { context: X86Context; memory: (offset: number, bytes: number) => Uint8Array } {
  const cpu = newCpu();
  loadProgram(cpu, [...FILL, 0xcd, 0x2e, ...more, 0xcd, 0x2e]);
  expect(cpu.run(100).vector).toBe(0x2e);
  const context = new X86Context();
  cpu.save(context);
  if (more.length > 0) expect(cpu.run(100).vector).toBe(0x2e);
  const memory = (offset: number, bytes: number): Uint8Array => {
    const at = cpu.translate(DATA + offset, { write: false });
    return cpu.ram.u8.slice(at, at + bytes);
  };
  return { context, memory };
}

const view = (bytes: number): DataView => new DataView(new ArrayBuffer(bytes));

describe("floating-point state", () => {
  it("starts as Windows starts a thread", () => {
    const image = view(512);
    writeFxsave(new X86Context(), image);
    expect(image.getUint16(0, true)).toBe(0x27f);
    expect(image.getUint32(24, true)).toBe(0x1f80);
    expect(image.getUint8(4)).toBe(0);
    const area = view(112);
    writeFsave(new X86Context(), area);
    expect([area.getUint32(0, true), area.getUint32(4, true), area.getUint32(8, true)]).toEqual([
      0xffff027f, 0xffff0000, 0xffffffff,
    ]);
  });

  it("has the FXSAVE image that the processor itself writes", () => {
    const { context, memory } = filled(...FXSAVE);
    const image = view(512);
    writeFxsave(context, image);
    const own = memory(0, 512);
    expect(Buffer.from(own.subarray(0, 288)).toString("hex")).toBe(Buffer.from(image.buffer, 0, 288).toString("hex"));
  });

  it("has the FNSAVE image that the processor itself writes", () => {
    const { context, memory } = filled(...FNSAVE);
    const area = view(112);
    writeFsave(context, area);
    const own = new DataView(memory(0x200, 108).buffer);
    for (const offset of [0, 4, 8]) expect(area.getUint16(offset, true)).toBe(own.getUint16(offset, true));
    expect(Buffer.from(own.buffer, 28, 80).toString("hex")).toBe(Buffer.from(area.buffer, 28, 80).toString("hex"));
    expect(area.getUint16(8, true)).not.toBe(0xffff);
  });

  it("survives the way through FXSAVE and through FSAVE", () => {
    const { context } = filled();
    const image = view(512);
    writeFxsave(context, image);
    const copy = new X86Context();
    readFxsave(copy, image);
    expect([...copy.fpu]).toEqual([...context.fpu]);

    const area = view(112);
    writeFsave(context, area);
    const second = new X86Context();
    readFsave(second, area);
    const again = view(112);
    writeFsave(second, again);
    expect(Buffer.compare(new Uint8Array(again.buffer), new Uint8Array(area.buffer))).toBe(0);
  });

  it("reads only MXCSR bits that exist", () => {
    const image = view(512);
    image.setInt32(24, -1, true);
    const context = new X86Context();
    readFxsave(context, image);
    expect(context.fpu[1]).toBe(0xffff);
  });
});

describe("a context", () => {
  it("is loaded and saved whole, so that two can alternate", () => {
    const cpu = newCpu();
    // add eax,1; fld1; faddp; int 2e; jmp start
    const space = loadProgram(
      cpu,
      [0x83, 0xc0, 0x01, 0xd9, 0xe8, 0xde, 0xc1, 0x66, 0x0f, 0xfe, 0xc1, 0xcd, 0x2e, 0xeb, 0xf1],
    );
    const contexts = [1, 10].map((seed) => {
      const context = new X86Context();
      cpu.save(context);
      context.general[0] = seed * 1000;
      context.fpu.splice(6, 4, seed, 0, 0, 0); // xmm1
      context.fpu[0] = 0xfe; // st(0) valid: 0
      return context;
    });
    for (let round = 0; round < 50; round++) {
      for (const context of contexts) {
        cpu.load(context);
        expect(cpu.run(100).vector).toBe(0x2e);
        cpu.save(context);
      }
    }
    expect(space.cpu).toBe(cpu);
    expect(contexts.map((context) => context.general[0])).toEqual([1050, 10_050]);
    expect(contexts.map((context) => context.fpu[2])).toEqual([50, 500]);
    const st0 = contexts.map((context) => {
      const area = new DataView(new ArrayBuffer(112));
      writeFsave(context, area);
      return [area.getUint16(36, true), area.getUint32(32, true)];
    });
    expect(st0).toEqual([
      [0x4004, 0xc800_0000],
      [0x4004, 0xc800_0000],
    ]); // 50.0
  });

  it("keeps its segment registers, and null for a selector that is none of ours", () => {
    const cpu = newCpu();
    loadProgram(cpu, [0xb8, ...word(0x3b), 0x8e, 0xe8, 0x31, 0xc0, 0x8e, 0xc0, 0xcd, 0x2e]); // gs = 0x3b; es = 0
    cpu.run(100);
    const context = new X86Context();
    cpu.save(context);
    expect(context).toMatchObject({ segGs: 0x3b, segEs: 0, segDs: 0x23, segFs: 0x3b });
    const other = new X86Context();
    other.segGs = 0x08;
    other.segFs = 0x1234;
    cpu.load(other);
    const saved = new X86Context();
    cpu.save(saved);
    expect(saved).toMatchObject({ segGs: 0, segEs: 0x23, segFs: 0 });
    cpu.load(context);
    cpu.save(saved);
    expect(saved).toMatchObject({ segGs: 0x3b, segEs: 0 });
  });
});
