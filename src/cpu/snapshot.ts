/**
 * A machine's memory and processor state at one moment. Restoring compares page by page and writes only what differs,
 * so that compiled code of untouched pages stays, and going back costs less than a copy.
 */
import { assert } from "../rtl/assert.ts";
import type { Engine } from "./engine.ts";
import type { Trap } from "./trap.ts";
import { FPU_CONTROL_WORD, INSTRUCTION_COUNTER, PAGE_SIZE, STATE_END, STATE_START } from "./layout.ts";

/** What the processor keeps outside WebAssembly. */
export interface ProcessorState {
  readonly trap: Trap;
  readonly instructions: number;
  readonly timestampBase: number;
}

const WORDS_A_PAGE = PAGE_SIZE >>> 2;

export class Snapshot {
  /** One past the highest page frame that was in use. */
  readonly frames: number;
  readonly #ramBytes: number;
  readonly #memory: Int32Array;
  readonly #state: Int32Array;
  readonly #randomState: number;
  readonly #tebBase: number;
  readonly #processor: ProcessorState;

  constructor(engine: Engine, frames: number, processor: ProcessorState) {
    this.frames = frames;
    this.#ramBytes = engine.ramBytes;
    this.#memory = engine.ramI32.slice(0, frames * WORDS_A_PAGE);
    this.#state = engine.i32.slice(STATE_START >>> 2, STATE_END >>> 2);
    this.#randomState = engine.randomState;
    this.#tebBase = engine.tebBase;
    this.#processor = processor;
  }

  /** Puts everything back. `framesInUse` bounds what was written since. */
  restore(engine: Engine, framesInUse: number): ProcessorState {
    assert(engine.ramBytes === this.#ramBytes, "a snapshot is restored into a machine of the same size");
    for (let frame = 0; frame < this.frames; frame++) {
      if (this.#differs(engine.ramI32, frame)) this.#writePage(engine, frame);
    }
    for (let frame = this.frames; frame < framesInUse; frame++) {
      engine.ramI32.fill(0, frame * WORDS_A_PAGE, (frame + 1) * WORDS_A_PAGE);
      if (engine.jitEnabled) engine.x.jit_dirty_page(frame);
    }
    if (engine.u8.length === 0) engine.refresh();
    const counter = engine.i32[INSTRUCTION_COUNTER >>> 2] ?? 0;
    engine.i32.set(this.#state, STATE_START >>> 2);
    // Compiled code lives on the count of the present, and only differences of it matter.
    engine.i32[INSTRUCTION_COUNTER >>> 2] = counter;
    engine.x.set_control_word((engine.i32[FPU_CONTROL_WORD >>> 2] ?? 0) & 0xffff);
    engine.x.full_clear_tlb();
    engine.randomState = this.#randomState;
    engine.tebBase = this.#tebBase;
    return this.#processor;
  }

  /** Whether another snapshot holds the same memory. */
  sameMemory(other: Snapshot): boolean {
    if (this.#memory.length !== other.#memory.length) return false;
    return this.#memory.every((word, index) => word === other.#memory[index]);
  }

  #differs(ram: Int32Array, frame: number): boolean {
    const memory = this.#memory;
    const end = (frame + 1) * WORDS_A_PAGE;
    for (let word = frame * WORDS_A_PAGE; word < end; word++) {
      if (ram[word] !== memory[word]) return true;
    }
    return false;
  }

  #writePage(engine: Engine, frame: number): void {
    const start = frame * WORDS_A_PAGE;
    engine.ramI32.set(this.#memory.subarray(start, start + WORDS_A_PAGE), start);
    if (engine.jitEnabled) engine.x.jit_dirty_page(frame);
  }
}
