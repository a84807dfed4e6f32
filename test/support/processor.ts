/**
 * The patched processor module for tests, compiled once per test process, and a small address space to run bytes in.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { X86Context } from "../../src/cpu/context.ts";
import { createCpu, type Cpu, type CpuOptions } from "../../src/cpu/cpu.ts";
import { EXPECTED_SHA256, patchProcessor } from "../../src/cpu/patch.ts";
import { webAssembly, type WasmModule } from "../../src/cpu/webassembly.ts";

let compiled: WasmModule | null = null;

export function originalProcessorBytes(): Uint8Array {
  const require = createRequire(import.meta.url);
  const bytes = readFileSync(join(dirname(require.resolve("v86")), "v86.wasm"));
  const hash = createHash("sha256").update(bytes).digest("hex");
  if (hash !== EXPECTED_SHA256) throw new Error(`v86.wasm has hash ${hash}, expected ${EXPECTED_SHA256}`);
  return bytes;
}

export function processorModule(): WasmModule {
  compiled ??= new webAssembly.Module(patchProcessor(originalProcessorBytes()));
  return compiled;
}

export function newCpu(options: Partial<CpuOptions> = {}): Cpu {
  return createCpu(processorModule(), { ramBytes: 16 << 20, mode: "interpreter", ...options });
}

export const CODE = 0x400000;
export const DATA = 0x500000;
export const STACK_TOP = 0x200000;
export const TEB = 0x7ffd000;

const PAGE = 0x1000;
export const PTE_USER_WRITE = 7;
export const PTE_USER_READ = 5;

/** One process's page tables on a processor's RAM, with frames handed out from below. */
export class AddressSpace {
  readonly cpu: Cpu;
  readonly directory: number;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.directory = allocateFrame(cpu) * PAGE;
    cpu.ram.i32[(this.directory >>> 2) + 1023] = cpu.ram.supervisorPde;
  }

  /** Maps `frame`, by default a new one, at `address`, and returns it. */
  map(address: number, frame: number = allocateFrame(this.cpu), flags: number = PTE_USER_WRITE): number {
    const { i32 } = this.cpu.ram;
    const slot = (this.directory >>> 2) + (address >>> 22);
    if (((i32[slot] ?? 0) & 1) === 0) i32[slot] = (allocateFrame(this.cpu) * PAGE) | PTE_USER_WRITE;
    const table = (i32[slot] ?? 0) & ~0xfff;
    this.cpu.ram.i32[(table >>> 2) + ((address >>> 12) & 0x3ff)] = flags === 0 ? 0 : (frame * PAGE) | flags;
    return frame;
  }

  /** Writes bytes to mapped pages, as a kernel would. */
  write(address: number, bytes: readonly number[] | Uint8Array): void {
    bytes.forEach((byte, index) => {
      const physical = this.cpu.translate(address + index, { write: false });
      if (physical < 0) throw new Error(`nothing is mapped at 0x${(address + index).toString(16)}`);
      this.cpu.ram.u8[physical] = byte;
      this.cpu.ram.invalidateCode(physical >>> 12);
    });
  }

  readWord(address: number): number {
    return this.cpu.ram.i32[this.cpu.translate(address, { write: false }) >>> 2] ?? 0;
  }
}

const nextFrame = new WeakMap<Cpu, number>();

export function allocateFrame(cpu: Cpu): number {
  const frame = nextFrame.get(cpu) ?? cpu.ram.firstFreeFrame;
  nextFrame.set(cpu, frame + 1);
  cpu.ram.framesInUse = frame + 1;
  return frame;
}

/** As new, with every frame free. */
export function resetCpu(cpu: Cpu): void {
  cpu.reset();
  nextFrame.delete(cpu);
}

/**
 * Maps code, four stack pages, sixteen data pages and a TEB, and loads a context that starts at the code.
 * The address space becomes the current one.
 */
export function loadProgram(cpu: Cpu, code: readonly number[] | Uint8Array, dataPages = 16): AddressSpace {
  const space = new AddressSpace(cpu);
  for (let offset = 0; offset < Math.max(code.length, 1); offset += PAGE) space.map(CODE + offset);
  for (let page = 1; page <= 4; page++) space.map(STACK_TOP - page * PAGE);
  for (let page = 0; page < dataPages; page++) space.map(DATA + page * PAGE);
  space.map(TEB);
  cpu.ram.setPageDirectory(space.directory);
  space.write(CODE, code);
  cpu.setTeb(TEB);
  cpu.load(startContext());
  return space;
}

export function startContext(): X86Context {
  const context = new X86Context();
  context.eip = CODE;
  context.general[4] = STACK_TOP - 16;
  return context;
}

/** Little-endian bytes of a 32-bit value, for embedding in code. */
export function word(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff];
}
