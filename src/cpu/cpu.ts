/**
 * The x86 user-mode processor: v86's interpreter and compiler, driven so that all a guest can do is compute, trap, or
 * use up its budget.
 *
 * Invariants:
 * - Between two runs the processor is in ring 0 of the loaded context, and `trap` says where that context continues.
 * - In the interpreter a run of n instructions ends after exactly n, or with a trap; a faulting instruction counts as
 *   one at each attempt, and each page that a `rep` works on counts as one. Compiled code is left at loop heads and
 *   block ends, up to {@link JIT_LOOP_LIMIT} instructions late, and loses count by less than a block at a fault:
 *   repeatable, not exact.
 * - Nothing that a guest executes ends the processor. When v86 panics over an instruction, the instance is restored
 *   around the same RAM and registers, and the guest is given {@link VECTOR_PROCESSOR_FAULT}.
 * - All that a run depends on is RAM, the context, the instruction count, `timestampBase` and RDRAND's state.
 *
 * Limits that a guest can see: no debug registers, no-execute or segment limits; of the trap flag only what the kernel
 * sets; opcodes 0F 38 and 0F 3A are invalid. In compiled code, a store into the code that is running takes effect when
 * that code is left.
 */
import { assert } from "../rtl/assert.ts";
import type { GuestRam } from "../abi/processor.ts";
import { FPU_RANGES, FPU_WORD_CONTROL, INITIAL_EFLAGS, type X86Context } from "./context.ts";
import { Engine, type EngineStats } from "./engine.ts";
import {
  CPL,
  CR2,
  ESP,
  FIRST_FREE_FRAME,
  FLAGS,
  FLAGS_CHANGED,
  FPU_CONTROL_WORD,
  INSTRUCTION_COUNTER,
  INSTRUCTION_POINTER,
  INTERPRETED_IN_BLOCK,
  INTERPRET_ONLY,
  JIT_LOCK,
  LAST_VIRT_EIP,
  PAGE_SIZE,
  PREFIXES,
  PREVIOUS_IP,
  RUN_END,
  STATE_END,
  STATE_START,
  SUPERVISOR_PAGE_TABLE,
  TRAP_END,
  TRAP_VECTOR,
} from "./layout.ts";
import { Memo } from "./memo.ts";
import { PhysicalMemory, userPhysical } from "./memory.ts";
import { enterUserSegments, hasUserSegments, loadSegments, readSegments, setTebBase } from "./segments.ts";
import { Snapshot } from "./snapshot.ts";
import { buildSupervisor, readTrapFrame } from "./supervisor.ts";
import { readTimestamp } from "./timestamp.ts";
import {
  newTrap,
  VECTOR_DEBUG,
  VECTOR_GENERAL_PROTECTION,
  VECTOR_PROCESSOR_FAULT,
  VECTOR_QUANTUM,
  type Trap,
} from "./trap.ts";
import type { WasmModule } from "./webassembly.ts";

export * from "./trap.ts";

export interface CpuStats extends EngineStats {
  runs: number;
  processorFaults: number;
}

export interface CpuOptions {
  readonly ramBytes: number;
  readonly mode: "interpreter" | "jit";
  /**
   * In mode "jit": the instruction count from which code is compiled. Before that its warm-up costs more than it
   * gains. Decided at the start of a run, so it is as repeatable as the runs are.
   */
  readonly jitAfter?: number;
  /**
   * Asked when the compiler is switched on, before it has compiled anything, and once: the module to go on with. It is the
   * same code, compiled by the host with a long run in mind.
   */
  readonly jitModule?: () => WasmModule;
  /** Remembers what guests computed in stays of at least so many instructions, for those that compute the same again. */
  readonly remember?: number;
}

export interface Cpu {
  readonly ram: GuestRam;
  /** One object, reused by every run. */
  readonly trap: Trap;
  /** Registers of the loaded context, but for ESP, which is in `trap`. A view: read the property afresh. */
  readonly general: Int32Array;
  /** Instructions retired since creation or reset. */
  readonly instructions: number;
  /** Instructions, since creation, that were remembered instead of executed. */
  readonly instructionsSpared: number;
  /** What RDTSC reads before the instruction count is added: the kernel's virtual time. */
  timestampBase: number;
  readonly stats: CpuStats;
  /** Puts a context into the processor; `trap` then says where it continues. */
  load(context: X86Context): void;
  /** Takes the loaded context out. */
  save(context: X86Context): void;
  /** Sets the base of FS, and of any segment that holds the selector of the thread environment block. */
  setTeb(base: number): void;
  /** Runs ring 3 from `trap` until a trap, or for `maxInstructions`. */
  run(maxInstructions: number): Trap;
  /** Executes one instruction, in the interpreter. */
  step(): Trap;
  /** The physical address of a virtual one that ring 3 may read (or write), or -1. Changes nothing. */
  translate(address: number, options: { write: boolean }): number;
  snapshot(): Snapshot;
  restore(snapshot: Snapshot): void;
  /** As new, whatever ran before. */
  reset(): void;
}

export function createCpu(module: WasmModule, options: CpuOptions): Cpu {
  return new V86Cpu(module, options);
}

const FLAG_TRAP = 0x100;
/** What ring 3 may have in EFLAGS: ID, AC, NT, OF, DF, SF, ZF, AF, PF, CF. */
const EFLAGS_USER = 0x244cd5;
/** Switching the compiler on costs as much as interpreting some four million instructions. */
const DEFAULT_JIT_AFTER = 2_000_000;
const MAX_RUN = 0x4000_0000;

class V86Cpu implements Cpu {
  readonly ram: PhysicalMemory;
  readonly trap: Trap = newTrap();
  timestampBase = 0;
  readonly stats: CpuStats;
  readonly #engine: Engine;
  readonly #options: CpuOptions;
  readonly #memo: Memo | null;
  #instructions = 0;
  /** Whether segments were loaded from outside since the last run. */
  #segmentsChanged = true;
  /** Whether the module is the one that `jitModule` gave. */
  #movedOn = false;
  /** Whether code is never compiled again until reset: the compiler has failed. */
  #jitGivenUp = false;

  constructor(module: WasmModule, options: CpuOptions) {
    const frames = options.ramBytes / PAGE_SIZE;
    assert(Number.isInteger(frames) && frames > FIRST_FREE_FRAME, "RAM is whole pages and more than our own");
    this.#options = options;
    this.#memo = options.remember === undefined ? null : new Memo(options.remember);
    this.#engine = new Engine(module, options.ramBytes);
    this.stats = Object.assign(this.#engine.stats, { runs: 0, processorFaults: 0 });
    this.ram = new PhysicalMemory(this.#engine);
    this.#initialise();
  }

  get general(): Int32Array {
    if (this.#engine.general.length === 0) this.#engine.refresh();
    return this.#engine.general;
  }

  get instructions(): number {
    return this.#instructions;
  }

  get instructionsSpared(): number {
    return this.#memo?.instructionsSpared ?? 0;
  }

  #initialise(): void {
    buildSupervisor(this.#engine);
    setTebBase(this.#engine, 0);
    this.#segmentsChanged = true;
  }

  setTeb(base: number): void {
    setTebBase(this.#engine, base);
    this.#segmentsChanged = true;
  }

  load(context: X86Context): void {
    const { i32, general } = this.#viewed();
    for (let i = 0; i < 8; i++) general[i] = context.general[i] ?? 0;
    const controlWord = i32[FPU_CONTROL_WORD >>> 2] ?? 0;
    let from = 0;
    for (const [address, words] of FPU_RANGES) {
      const to = address >>> 2;
      for (let i = 0; i < words; i++) i32[to + i] = context.fpu[from++] ?? 0;
    }
    // v86 keeps the rounding mode and precision elsewhere too.
    const wanted = context.fpu[FPU_WORD_CONTROL] ?? 0;
    if (((wanted ^ controlWord) & 0xffff) !== 0) this.#engine.x.set_control_word(wanted & 0xffff);
    loadSegments(this.#engine, context);
    this.#segmentsChanged = true;
    this.trap.eip = context.eip >>> 0;
    this.trap.esp = (context.general[ESP] ?? 0) >>> 0;
    this.trap.eflags = context.eflags;
  }

  save(context: X86Context): void {
    const { i32, general } = this.#viewed();
    for (let i = 0; i < 8; i++) context.general[i] = general[i] ?? 0;
    let to = 0;
    for (const [address, words] of FPU_RANGES) {
      const from = address >>> 2;
      for (let i = 0; i < words; i++) context.fpu[to++] = i32[from + i] ?? 0;
    }
    readSegments(this.#engine, context);
    context.eip = this.trap.eip;
    context.general[ESP] = this.trap.esp;
    context.eflags = this.trap.eflags;
  }

  run(maxInstructions: number): Trap {
    const { trap } = this;
    this.stats.runs++;
    if (!this.#engine.jitEnabled) this.#considerJit();
    let left = maxInstructions;
    for (;;) {
      if (left <= 0) {
        trap.vector = VECTOR_QUANTUM;
        return trap;
      }
      const singleStep = (trap.eflags & FLAG_TRAP) !== 0;
      const before = this.#instructions;
      this.#execute(singleStep ? 1 : left, singleStep);
      left -= this.#instructions - before;
      if (
        trap.vector === VECTOR_GENERAL_PROTECTION &&
        readTimestamp(this.#engine, this.trap, this.timestampBase + this.#instructions)
      ) {
        if (!singleStep) continue;
      }
      if (singleStep && trap.vector === VECTOR_QUANTUM) trap.vector = VECTOR_DEBUG;
      return trap;
    }
  }

  step(): Trap {
    this.stats.runs++;
    const singleStep = (this.trap.eflags & FLAG_TRAP) !== 0;
    this.#execute(1, true);
    if (this.trap.vector === VECTOR_GENERAL_PROTECTION)
      readTimestamp(this.#engine, this.trap, this.timestampBase + this.#instructions);
    if (singleStep && this.trap.vector === VECTOR_QUANTUM) this.trap.vector = VECTOR_DEBUG;
    return this.trap;
  }

  translate(address: number, options: { write: boolean }): number {
    return userPhysical(this.#viewed(), address, options.write);
  }

  snapshot(): Snapshot {
    return new Snapshot(this.#viewed(), this.ram.framesInUse, {
      trap: { ...this.trap },
      instructions: this.#instructions,
      timestampBase: this.timestampBase,
    });
  }

  restore(snapshot: Snapshot): void {
    const used = this.ram.framesInUse;
    this.ram.framesInUse = Math.max(used, snapshot.frames);
    const { trap, instructions, timestampBase } = snapshot.restore(this.#viewed(), used);
    Object.assign(this.trap, trap);
    this.#instructions = instructions;
    this.timestampBase = timestampBase;
    this.ram.framesInUse = snapshot.frames;
    this.#segmentsChanged = true;
  }

  reset(): void {
    const engine = this.#viewed();
    engine.ramU8.fill(0, 0, SUPERVISOR_PAGE_TABLE + PAGE_SIZE);
    engine.ramU8.fill(0, FIRST_FREE_FRAME * PAGE_SIZE, this.ram.framesInUse * PAGE_SIZE);
    engine.restore("run");
    engine.randomState = 1;
    this.ram.framesInUse = FIRST_FREE_FRAME;
    this.timestampBase = 0;
    this.#instructions = 0;
    this.#jitGivenUp = false;
    Object.assign(this.trap, newTrap());
    this.#initialise();
  }

  /** The engine, with views that are not detached. */
  #viewed(): Engine {
    if (this.#engine.u8.length === 0) this.#engine.refresh();
    return this.#engine;
  }

  #considerJit(): void {
    if (this.#options.mode !== "jit" || this.#jitGivenUp) return;
    if (this.#instructions < (this.#options.jitAfter ?? DEFAULT_JIT_AFTER)) return;
    const { jitModule } = this.#options;
    if (jitModule !== undefined && !this.#movedOn) this.#moveTo(jitModule());
    this.#movedOn = true;
    this.#engine.enableJit();
  }

  /** Goes on with another module, around RAM and registers. */
  #moveTo(module: WasmModule): void {
    const state = this.#viewed().u8.slice(STATE_START, STATE_END);
    this.#engine.replaceModule(module, this.ram.framesInUse);
    this.#resume(state);
  }

  /** Puts the guest's registers into an instance that is as new. */
  #resume(state: Uint8Array): void {
    const engine = this.#engine;
    engine.u8.set(state, STATE_START);
    this.#segmentsChanged = true;
    engine.u8[PREFIXES] = 0;
    engine.x.set_control_word((engine.i32[FPU_CONTROL_WORD >>> 2] ?? 0) & 0xffff);
    engine.x.full_clear_tlb();
  }

  /** One stay in ring 3: from `trap` to the next trap, or `instructions` further on. */
  #execute(instructions: number, interpretOnly: boolean): void {
    const engine = this.#viewed();
    const { i32, u8 } = engine;
    const { trap } = this;
    i32[INSTRUCTION_POINTER >>> 2] = trap.eip;
    i32[PREVIOUS_IP >>> 2] = trap.eip;
    engine.general[ESP] = trap.esp;
    i32[FLAGS >>> 2] = (trap.eflags & EFLAGS_USER) | INITIAL_EFLAGS;
    i32[FLAGS_CHANGED >>> 2] = 0;
    i32[LAST_VIRT_EIP >>> 2] = -1;
    u8[CPL] = 3;
    if (this.#segmentsChanged || !hasUserSegments(engine)) enterUserSegments(engine);
    this.#segmentsChanged = false;
    const first = i32[INSTRUCTION_COUNTER >>> 2] ?? 0;
    i32[RUN_END >>> 2] = first + Math.min(instructions, MAX_RUN);
    i32[INTERPRET_ONLY >>> 2] = interpretOnly ? 1 : 0;
    const memo = engine.jitEnabled || interpretOnly ? null : this.#memo;
    const known = memo?.begin(engine, Math.min(instructions, MAX_RUN), this.ram.framesInUse) === true;
    const completed = known || this.#mainLoop();
    const after = this.#viewed();
    const executed = ((after.i32[INSTRUCTION_COUNTER >>> 2] ?? 0) - first) >>> 0;
    if (!known) memo?.end(after, executed, completed);
    this.#instructions += executed;
    if (after.u8[CPL] === 0) readTrapFrame(after, trap);
    else this.#leaveRing3(completed);
    trap.faultAddress = (after.i32[CR2 >>> 2] ?? 0) >>> 0;
    after.publishModule();
  }

  /** Runs v86's main loop. Returns whether it came back by itself; if it did not, the instance has been restored. */
  #mainLoop(): boolean {
    const engine = this.#engine;
    // A panic, and a stack overflow, arrive as exceptions of the host. There is no other way to learn of them.
    try {
      engine.x.main_loop();
      return true;
    } catch {
      return this.#recover();
    }
  }

  /** The end of a stay that no gate ended: the budget is used up, or v86 panicked over an instruction. */
  #leaveRing3(completed: boolean): void {
    const engine = this.#engine;
    const { trap } = this;
    trap.eflags = engine.x.get_eflags();
    trap.eip = (engine.i32[(completed ? INSTRUCTION_POINTER : PREVIOUS_IP) >>> 2] ?? 0) >>> 0;
    trap.esp = (engine.general[ESP] ?? 0) >>> 0;
    trap.errorCode = 0;
    trap.vector = completed ? VECTOR_QUANTUM : VECTOR_PROCESSOR_FAULT;
    engine.u8[CPL] = 0;
  }

  /**
   * Restores the instance around RAM and registers. If the compiler's state is locked, the compiler failed, between
   * two instructions: the guest never notices, and code is not compiled any more.
   * @returns whether the guest may go on as if its budget had ended.
   */
  #recover(): boolean {
    const engine = this.#viewed();
    const compilerFailed = engine.u8[JIT_LOCK] !== 0;
    const jitEnabled = engine.jitEnabled;
    // The interpreter counts a block's instructions at its end, which was not reached.
    if (!compilerFailed) {
      const begun = engine.i32[INTERPRETED_IN_BLOCK >>> 2] ?? 0;
      engine.i32[INSTRUCTION_COUNTER >>> 2] = (engine.i32[INSTRUCTION_COUNTER >>> 2] ?? 0) + begun;
    }
    const state = engine.u8.slice(STATE_START, STATE_END);
    // The instruction may have trapped before v86 stumbled over what was left of it.
    const trapped = engine.u8.slice(TRAP_VECTOR, TRAP_END);
    engine.restore("panic");
    engine.u8.set(trapped, TRAP_VECTOR);
    this.#resume(state);
    if (compilerFailed) this.#jitGivenUp = true;
    else if (jitEnabled) engine.enableJit();
    if (!compilerFailed) this.stats.processorFaults++;
    return compilerFailed;
  }
}
