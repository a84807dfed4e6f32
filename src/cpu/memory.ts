/**
 * Guest-physical memory as the kernel sees it, and the page walk done outside WebAssembly, where a miss is an answer
 * and not a panic.
 */
import { SUPERVISOR_BASE, type GuestRam } from "../abi/processor.ts";
import { assert } from "../rtl/assert.ts";
import type { Engine } from "./engine.ts";
import { CPL, CR3, FIRST_FREE_FRAME, PAGE_SIZE } from "./layout.ts";
import { SUPERVISOR_PDE } from "./supervisor.ts";

export class PhysicalMemory implements GuestRam {
  readonly byteLength: number;
  readonly firstFreeFrame: number = FIRST_FREE_FRAME;
  readonly supervisorPde: number = SUPERVISOR_PDE;
  readonly #engine: Engine;
  #framesInUse: number = FIRST_FREE_FRAME;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.byteLength = engine.ramBytes;
  }

  get framesInUse(): number {
    return this.#framesInUse;
  }

  set framesInUse(frames: number) {
    this.#framesInUse = frames;
    this.#engine.provideRam(frames * PAGE_SIZE);
  }

  get u8(): Uint8Array {
    if (this.#engine.ramU8.length === 0) this.#engine.refresh();
    return this.#engine.ramU8;
  }

  get i32(): Int32Array {
    if (this.#engine.ramI32.length === 0) this.#engine.refresh();
    return this.#engine.ramI32;
  }

  invalidateCode(frame: number): void {
    // Without the compiler nothing outlives a write: the interpreter reads its instructions from RAM.
    if (this.#engine.jitEnabled) this.#engine.x.jit_dirty_page(frame);
  }

  invalidatePage(address: number): void {
    assert(this.#engine.u8.length === 0 || this.#engine.u8[CPL] === 0, "the kernel runs in ring 0");
    this.#engine.x.instr32_0F01_7_mem(address);
  }

  flushTranslations(): void {
    this.#engine.x.clear_tlb();
  }

  setPageDirectory(directory: number): void {
    if (this.#engine.i32.length === 0) this.#engine.refresh();
    const { i32 } = this.#engine;
    if (i32[CR3 >>> 2] === directory) return;
    i32[CR3 >>> 2] = directory;
    this.#engine.x.clear_tlb();
  }
}

const PTE_PRESENT = 1;
const PTE_WRITE = 2;
const PTE_USER = 4;

/** The physical address behind a virtual one that ring 3 may read, or write if `write`; -1 if it may not. */
export function userPhysical(engine: Engine, address: number, write: boolean): number {
  const virtual = address >>> 0;
  if (virtual >= SUPERVISOR_BASE) return -1;
  const { ramI32 } = engine;
  const needed = PTE_PRESENT | PTE_USER | (write ? PTE_WRITE : 0);
  const directory = engine.i32[CR3 >>> 2] ?? 0;
  const directoryEntry = ramI32[(directory >>> 2) + (virtual >>> 22)] ?? 0;
  if ((directoryEntry & needed) !== needed) return -1;
  const tableEntry = ramI32[((directoryEntry & ~0xfff) >>> 2) + ((virtual >>> 12) & 0x3ff)] ?? 0;
  if ((tableEntry & needed) !== needed) return -1;
  return ((tableEntry & ~0xfff) | (virtual & 0xfff)) >>> 0;
}
