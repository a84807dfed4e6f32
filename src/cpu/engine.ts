/**
 * One instance of the patched v86 module, its memory, and the way back to its first state.
 *
 * Invariants:
 * - No view of the memory outlives a call into WebAssembly unchecked: the memory may have grown, which detaches every
 *   view. A detached view has length 0; {@link Engine.refresh} replaces them all.
 * - WebAssembly never sees the clock, random numbers or a device: each import answers from this object's state.
 * - After {@link Engine.restore} the memory outside guest RAM is as after construction, byte for byte, whatever
 *   happened before, a panic included. Only the memory's length may differ.
 * - Guest RAM lies at the end of the memory and grows there, until the compiler is switched on: its heap grows too, so
 *   RAM is made whole first. A host takes large memories for a reason to collect garbage, and most guests need little.
 */
import { assert } from "../rtl/assert.ts";
import { generatedModule } from "./generated.ts";
import {
  DIRECTORY,
  FIRST_FREE_FRAME,
  INSTRUCTION_COUNTER,
  JIT_TABLE_LENGTH,
  JIT_TABLE_OFFSET,
  MEM8,
  MEMORY_SIZE,
  PAGE_SIZE,
  REGISTERS,
  STATICS_START,
  TLB_CODE_PAGES,
  TLB_CODE_PAGES_END,
  TLB_DATA_PAGES,
  TLB_DATA_PAGES_END,
} from "./layout.ts";
import { type WasmGlobal, type WasmMemory, type WasmModule, type WasmTable, webAssembly } from "./webassembly.ts";

/** Heap that the compiler finds free at the start, so that the memory rarely grows later. */
const HEAP_RESERVE_BYTES = 8 << 20;

/** Guest RAM that is there from the start. */
const FIRST_RAM_BYTES = 8 << 20;

/** The unit in which WebAssembly memory grows. */
const WASM_PAGE_BYTES = 0x10000;

/** Memory that may leak through panics before the instance is replaced. */
const LEAK_LIMIT_BYTES = 256 << 20;

/** The exports of the patched module that the glue calls. */
export interface EngineExports {
  readonly memory: WasmMemory;
  readonly directory: WasmTable;
  readonly stack_pointer: WasmGlobal;
  rust_init(): void;
  allocate_memory(bytes: number): number;
  v86_malloc(bytes: number): number;
  v86_free(address: number): void;
  reset_cpu(): void;
  set_jit_config(index: number, value: number): void;
  full_clear_tlb(): void;
  clear_tlb(): void;
  update_state_flags(): void;
  get_eflags(): number;
  main_loop(): number;
  set_control_word(word: number): void;
  jit_dirty_page(frame: number): void;
  instr32_0F01_7_mem(address: number): void;
  codegen_finalize_finished(index: number, physical: number, stateFlags: number): void;
}

/** Counters of one engine, for reports and tests; nothing depends on them. */
export interface EngineStats {
  compiledModules: number;
  compiledBytes: number;
  /** Modules that needed a limit in a loop with several entries. */
  guardedModules: number;
  clearedModules: number;
  /** Times that the first state was restored, after a panic or for reuse. */
  restores: number;
}

/** A module that the compiler handed over during the last call; there is never more than one. */
interface PendingModule {
  index: number;
  physical: number;
  stateFlags: number;
  bytes: Uint8Array;
}

const JIT_CONFIG_DISABLED = 0;
/**
 * How many basic blocks the compiler may duplicate to give each entry of a loop a loop of its own. None: the copies
 * multiply from one nesting level to the next, and a guest could make them arbitrarily many.
 */
const JIT_CONFIG_EXTRA_BLOCKS = 3;

export class Engine {
  x!: EngineExports;
  u8!: Uint8Array;
  u16!: Uint16Array;
  i32!: Int32Array;
  ramU8!: Uint8Array;
  ramI32!: Int32Array;
  general!: Int32Array;
  readonly ramBytes: number;
  readonly stats: EngineStats = {
    compiledModules: 0,
    compiledBytes: 0,
    guardedModules: 0,
    clearedModules: 0,
    restores: 0,
  };
  /** The message of the last panic, for diagnosis. */
  lastPanic = "";
  /** Feeds RDRAND; part of the machine's state. */
  randomState = 1;
  jitEnabled = false;
  /** Base of the segment behind the thread environment block's selector. */
  tebBase = 0;

  #module: WasmModule;
  #table!: WasmTable;
  /** Where guest RAM begins, and the heap before it. */
  #base = 0;
  #heapStart = 0;
  /** Whether code may have been compiled since the last restoration. */
  #compiled = false;
  /** Bytes of guest RAM that are there, rounded up to what memory grows by. */
  #ramPresent = 0;
  #pending: PendingModule | null = null;
  #template: Template | null = null;
  #generatedImports: Record<string, Record<string, unknown>> | null = null;

  constructor(module: WasmModule, ramBytes: number) {
    this.#module = module;
    this.ramBytes = ramBytes;
    this.#instantiate();
  }

  /** Makes every view anew. To be called when one of them was found detached. */
  refresh(): void {
    const buffer = this.x.memory.buffer;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    const present = Math.min(this.#ramPresent, this.ramBytes);
    this.ramU8 = new Uint8Array(buffer, this.#base, present);
    this.ramI32 = new Int32Array(buffer, this.#base, present >>> 2);
    this.general = new Int32Array(buffer, REGISTERS, 8);
  }

  /** The number of instructions since construction, modulo 2^32. */
  get counter(): number {
    return this.i32[INSTRUCTION_COUNTER >>> 2] ?? 0;
  }

  /** Makes sure that the first `bytes` of guest RAM are there. */
  provideRam(bytes: number): void {
    if (bytes <= this.#ramPresent) return;
    const end = this.x.memory.buffer.byteLength;
    assert(end === this.#base + this.#ramPresent, "nothing lies behind guest RAM while it grows");
    const wanted = Math.min(Math.max(bytes, 2 * this.#ramPresent), this.ramBytes);
    const pages = Math.ceil((wanted - this.#ramPresent) / WASM_PAGE_BYTES);
    this.x.memory.grow(pages);
    this.#ramPresent += pages * WASM_PAGE_BYTES;
    this.refresh();
  }

  enableJit(): void {
    this.provideRam(this.ramBytes);
    this.#compiled = true;
    this.#generatedImports ??= this.#collectImports();
    this.x.set_jit_config(JIT_CONFIG_DISABLED, 0);
    this.x.set_jit_config(JIT_CONFIG_EXTRA_BLOCKS, 0);
    this.jitEnabled = true;
  }

  disableJit(): void {
    this.x.set_jit_config(JIT_CONFIG_DISABLED, 1);
    this.jitEnabled = false;
  }

  /**
   * Publishes the module that the compiler made during the last call, if it made one. The compiler's state is locked
   * while it hands a module over, so this has to wait until the call has returned.
   */
  publishModule(): void {
    const pending = this.#pending;
    if (pending === null) return;
    this.#pending = null;
    const { index, physical, stateFlags, bytes } = pending;
    const module = generatedModule(bytes);
    this.stats.compiledModules++;
    this.stats.compiledBytes += bytes.length;
    if (module.guarded) this.stats.guardedModules++;
    const imports = this.#generatedImports;
    assert(imports !== null, "code is generated only while the compiler is on");
    const instance = new webAssembly.Instance(new webAssembly.Module(module.bytes), imports);
    this.#table.set(index + JIT_TABLE_OFFSET, instance.exports["f"]);
    this.x.codegen_finalize_finished(index, physical, stateFlags);
    if (this.u8.length === 0) this.refresh();
  }

  /** Puts everything outside guest RAM back to the state after construction, `after` a panic or a run without one. */
  restore(after: "panic" | "run"): void {
    this.stats.restores++;
    this.#pending = null;
    this.jitEnabled = false;
    if (this.u8.length === 0) this.refresh();
    this.#template ??= this.#makeTemplate();
    if (this.u8.length - this.#ramPresent > this.#template.ownBytes + LEAK_LIMIT_BYTES) {
      this.#replaceInstance(this.ramBytes / PAGE_SIZE);
      return;
    }
    if (after === "panic" || this.#compiled) this.u8.fill(0, 0, this.#heapStart);
    else this.#zeroInterpreter();
    for (const page of this.#template.pages) this.u8.set(page.bytes, page.address);
    this.x.stack_pointer.value = this.#template.stackPointer;
    if (!this.#compiled) return;
    this.#compiled = false;
    for (let i = 0; i < JIT_TABLE_LENGTH; i++) this.#table.set(i + JIT_TABLE_OFFSET, null);
  }

  /** Zeroes what the interpreter may have changed: the arrays of translations are as good as empty. */
  #zeroInterpreter(): void {
    this.x.full_clear_tlb();
    this.u8.fill(0, 0, TLB_CODE_PAGES);
    this.u8.fill(0, TLB_CODE_PAGES_END, TLB_DATA_PAGES);
    this.u8.fill(0, TLB_DATA_PAGES_END, this.#heapStart);
  }

  /** Goes on with the same code in another module; everything outside RAM is as new. */
  replaceModule(module: WasmModule, framesInUse: number): void {
    this.#module = module;
    this.#pending = null;
    this.jitEnabled = false;
    this.#replaceInstance(framesInUse);
  }

  /** A new instance around the old RAM: for when panics have leaked too much. */
  #replaceInstance(framesInUse: number): void {
    const old = this.ramI32;
    this.#generatedImports = null;
    this.#instantiate();
    const words = PAGE_SIZE >>> 2;
    const end = Math.min(framesInUse * words, old.length);
    this.provideRam(4 * end);
    for (let at = 0; at < end; at += words) {
      if (!isZero(old, at)) this.ramI32.set(old.subarray(at, at + words), at);
    }
  }

  #instantiate(): void {
    this.#compiled = false;
    const table = new webAssembly.Table({ element: "anyfunc", initial: JIT_TABLE_OFFSET + JIT_TABLE_LENGTH });
    this.#table = table;
    const instance = new webAssembly.Instance(this.#module, { env: this.#imports(table) });
    this.x = instance.exports as unknown as EngineExports;
    this.x.rust_init();
    this.#heapStart = this.x.memory.buffer.byteLength;
    this.x.v86_free(this.x.v86_malloc(HEAP_RESERVE_BYTES));
    this.#allocateRam();
    this.x.reset_cpu();
    // The reset itself leaves something in low memory.
    this.ramU8.fill(0, 0, FIRST_FREE_FRAME * PAGE_SIZE);
    this.x.set_jit_config(JIT_CONFIG_DISABLED, 1);
    assert(this.u8.length > 0, "nothing grows the memory behind the reserve");
  }

  #allocateRam(): void {
    const { memory } = this.x;
    // The processor gets a little of its heap, which cannot grow, and is then shown the end of the memory instead.
    const stand = this.x.allocate_memory(PAGE_SIZE);
    this.#base = memory.buffer.byteLength;
    this.#ramPresent = 0;
    const words = new Int32Array(memory.buffer);
    assert(words[MEM8 >>> 2] === stand, "the processor keeps the address of its memory where we know it");
    words[MEM8 >>> 2] = this.#base;
    words[MEMORY_SIZE >>> 2] = this.ramBytes;
    this.provideRam(Math.min(FIRST_RAM_BYTES, this.ramBytes));
  }

  #imports(table: WasmTable): Record<string, unknown> {
    const device = (): never => {
      assert(false, "guest code reaches no device: the kernel maps RAM only, and port I/O faults in ring 3");
    };
    return {
      __indirect_function_table: table,
      // Asked at a reset only.
      microtick: () => 0,
      run_hardware_timers: device,
      cpu_event_halt: device,
      stop_idling: () => undefined,
      get_rand_int: () => this.#nextRandom(),
      io_port_read8: device,
      io_port_read16: device,
      io_port_read32: device,
      io_port_write8: device,
      io_port_write16: device,
      io_port_write32: device,
      mmap_read8: device,
      mmap_read32: device,
      mmap_write8: device,
      mmap_write16: device,
      mmap_write32: device,
      mmap_write64: device,
      mmap_write128: device,
      jit_clear_func: (index: number) => {
        this.stats.clearedModules++;
        table.set(index + JIT_TABLE_OFFSET, null);
      },
      codegen_finalize: (index: number, physical: number, stateFlags: number, pointer: number, length: number) => {
        const bytes = new Uint8Array(this.x.memory.buffer, pointer >>> 0, length >>> 0).slice();
        this.#pending = { index, physical, stateFlags, bytes };
      },
      console_log_from_wasm: (pointer: number, length: number) => {
        const text = new Uint8Array(this.x.memory.buffer, pointer >>> 0, length >>> 0);
        this.lastPanic = Array.from(text, (byte) => String.fromCharCode(byte)).join("");
      },
    };
  }

  /** A xorshift generator: any fixed sequence will do. */
  #nextRandom(): number {
    let state = this.randomState;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.randomState = state;
    return state;
  }

  /** What generated modules import: every function of the directory, those exported by name, and the memory. */
  #collectImports(): Record<string, Record<string, unknown>> {
    const functions: Record<string, unknown> = { ...this.x, m: this.x.memory };
    const section = webAssembly.Module.customSections(this.#module, DIRECTORY)[0];
    assert(section !== undefined, "the patched module names its directory");
    const bytes = new Uint8Array(section);
    // The names are a name themselves: a length of two bytes, then the text.
    const text = Array.from(bytes.subarray(2), (byte) => String.fromCharCode(byte)).join("");
    text.split("\n").forEach((name, index) => {
      functions[name] = this.x.directory.get(index);
    });
    return { e: functions };
  }

  /** The first state of a fresh instance, of which only pages that are not zero are kept. */
  #makeTemplate(): Template {
    const fresh = new Engine(this.#module, this.ramBytes);
    assert(fresh.#base === this.#base, "every instance puts guest RAM at the same address");
    const pages: TemplatePage[] = [];
    const keep = (start: number, end: number): void => {
      for (let address = start; address < end; address += PAGE_SIZE) {
        if (!isZero(fresh.i32, address >>> 2))
          pages.push({ address, bytes: fresh.u8.slice(address, address + PAGE_SIZE) });
      }
    };
    keep(0, fresh.#base);
    assert(fresh.#heapStart > STATICS_START, "the heap lies behind the static data");
    return { pages, ownBytes: fresh.#base, stackPointer: fresh.x.stack_pointer.value };
  }
}

function isZero(words: Int32Array, start: number): boolean {
  const end = start + (PAGE_SIZE >>> 2);
  for (let word = start; word < end; word++) if (words[word] !== 0) return false;
  return true;
}

interface TemplatePage {
  readonly address: number;
  readonly bytes: Uint8Array;
}

interface Template {
  /** Those that are not zero. The heap is not zeroed before they are written: what is free in it may hold anything. */
  readonly pages: readonly TemplatePage[];
  /** Length of the memory without guest RAM. */
  readonly ownBytes: number;
  readonly stackPointer: number;
}
