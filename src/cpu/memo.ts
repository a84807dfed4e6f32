/**
 * Remembers what guests computed, so that the next machine on the same processor need not interpret it again.
 *
 * What a guest does between two traps depends on the processor's state, on the pages that it touches, on how they are
 * mapped, and on nothing else. So a stay in ring 3 that begins in the state in which an earlier one began, with the same in
 * every page that the earlier one touched, ends as it did, after as many instructions. Which pages a stay touches, the
 * processor itself says, in the accessed and dirty bits of their page-table entries.
 *
 * Invariants:
 * - Everything is compared word by word before anything is taken over. Whatever differs, the stay is interpreted.
 * - A stay leaves memory and state as if it had been interpreted, the accessed and dirty bits included, and so does the
 *   stay that is being recorded. Only the counters in `stats` tell the difference.
 * - Compiled code is not exact and leaves traces elsewhere: once the compiler works, nothing is recorded or taken over.
 */
import { assert } from "../rtl/assert.ts";
import type { Engine } from "./engine.ts";
import {
  CPL,
  CR2,
  CR3,
  FPU_CONTROL_WORD,
  INSTRUCTION_COUNTER,
  INSTRUCTION_POINTER,
  PAGE_SIZE,
  RUN_END,
  STATE_END,
  STATE_START,
  SUPERVISOR_PAGE,
  SUPERVISOR_PAGE_TABLE,
} from "./layout.ts";

/** A stay of fewer instructions is interpreted sooner than compared. */
export const WORTH_REMEMBERING = 1000;
/** Stays that begin with the same registers are told apart by what is in memory; there is a limit to it. */
const MOST_RECORDINGS_A_KEY = 4;
const MOST_BYTES = 64 << 20;
/** To record a stay takes a copy of guest RAM, which is worth it while that is small. */
const MOST_FRAMES = 4096;

/** Behind the words that the patch added, the first of which is {@link RUN_END}. */
const PATCH_WORDS_END = 1440;

const PTE_PRESENT = 0x1;
const PTE_TOUCHED = 0x60; // accessed and dirty
const SUPERVISOR_SLOT = 1023;
const WORDS_A_PAGE = PAGE_SIZE >>> 2;
const COUNTER = (INSTRUCTION_COUNTER - STATE_START) >>> 2;

interface Stay {
  /** The fixed state at both ends, without the instruction counter. */
  readonly before: Int32Array;
  readonly after: Int32Array;
  /** The patch's own words afterwards; beforehand they say nothing. */
  readonly patchWords: Int32Array;
  readonly randomBefore: number;
  readonly randomAfter: number;
  readonly instructions: number;
  /** The instructions that it could have taken, and the fewest with which it would have ended the same. */
  readonly budget: number;
  readonly leastBudget: number;
  /** Page-table entries: the index of the word, its value but for the bits that tell of touches, those it got. */
  readonly entries: Int32Array;
  /** The pages that it touched, by frame, and what was in them. */
  readonly touched: readonly Page[];
  /** Those that it changed, and what was in them afterwards. */
  readonly changed: readonly Page[];
}

interface Page {
  readonly frame: number;
  readonly words: Int32Array;
}

/** What is known of the stays that begin with the same registers. */
interface Beginning {
  readonly stays: Stay[];
  recordings: number;
}

/** A stay that is being recorded. */
interface Recording {
  readonly ram: Int32Array;
  readonly before: Int32Array;
  readonly randomBefore: number;
}

export class Memo {
  /** Instructions that were not interpreted. */
  instructionsSpared = 0;
  readonly #shortest: number;
  readonly #beginnings = new Map<number, Beginning>();
  #bytes = 0;
  #key = 0;
  #budget = 0;
  #recording: Recording | null = null;

  /** @param shortest instructions of a stay that is worth it */
  constructor(shortest: number) {
    this.#shortest = shortest;
  }

  /**
   * Before a stay of at most `budget` instructions, with everything in place for it.
   * @returns whether it is over: it was known, and all is as it leaves it
   */
  begin(engine: Engine, budget: number, framesInUse: number): boolean {
    this.#recording = null;
    this.#budget = budget;
    this.#key = keyOf(engine);
    const known = this.#beginnings.get(this.#key);
    if (known === undefined) return false;
    const stay = known.stays.find((candidate) => isSame(engine, candidate, budget));
    if (stay !== undefined) {
      takeOver(engine, stay);
      this.instructionsSpared += stay.instructions;
      return true;
    }
    const room = known.recordings < MOST_RECORDINGS_A_KEY && this.#bytes < MOST_BYTES && framesInUse <= MOST_FRAMES;
    if (!room) return false;
    known.recordings++;
    this.#recording = startRecording(engine, framesInUse);
    return false;
  }

  /** After a stay that {@link begin} did not know took so many instructions; `completed` unless the processor failed. */
  end(engine: Engine, instructions: number, completed: boolean): void {
    const recording = this.#recording;
    this.#recording = null;
    const known = this.#beginnings.get(this.#key);
    if (recording === null) {
      // The second time it will be recorded: most things happen once.
      const long = completed && instructions >= this.#shortest;
      if (long && known === undefined) this.#beginnings.set(this.#key, { stays: [], recordings: 0 });
      return;
    }
    const stay = finishRecording(engine, recording, instructions, this.#budget);
    if (!completed || instructions < this.#shortest || known === undefined) return;
    known.stays.push(stay);
    this.#bytes += (stay.touched.length + stay.changed.length) * PAGE_SIZE;
  }
}

function keyOf({ i32, general }: Engine): number {
  let key = (i32[INSTRUCTION_POINTER >>> 2] ?? 0) ^ (i32[CR3 >>> 2] ?? 0);
  for (let register = 0; register < 8; register++) key = Math.imul(key ^ (general[register] ?? 0), 0x01000193);
  return key;
}

function isSame(engine: Engine, stay: Stay, budget: number): boolean {
  if (budget !== stay.budget && budget < stay.leastBudget) return false;
  return engine.randomState === stay.randomBefore && hasState(engine, stay.before) && hasMemory(engine.ramI32, stay);
}

function hasState({ i32 }: Engine, state: Int32Array): boolean {
  const start = STATE_START >>> 2;
  for (let at = 0; at < state.length; at++) if (at !== COUNTER && i32[start + at] !== state[at]) return false;
  return true;
}

function hasMemory(ram: Int32Array, { entries, touched }: Stay): boolean {
  for (let at = 0; at < entries.length; at += 3) {
    if (((ram[entries[at] ?? 0] ?? 0) & ~PTE_TOUCHED) !== entries[at + 1]) return false;
  }
  return touched.every((page) => isInRam(ram, page));
}

/** Most of what a stay that is taken over costs, so it looks at four words at a time. */
function isInRam(ram: Int32Array, { frame, words }: Page): boolean {
  let index = frame * WORDS_A_PAGE;
  if (index + WORDS_A_PAGE > ram.length) return false;
  for (let at = 0; at < WORDS_A_PAGE; at += 4, index += 4) {
    const first = ((ram[index] ?? 0) ^ (words[at] ?? 0)) | ((ram[index + 1] ?? 0) ^ (words[at + 1] ?? 0));
    const second = ((ram[index + 2] ?? 0) ^ (words[at + 2] ?? 0)) | ((ram[index + 3] ?? 0) ^ (words[at + 3] ?? 0));
    if ((first | second) !== 0) return false;
  }
  return true;
}

function takeOver(engine: Engine, stay: Stay): void {
  const { i32, ramI32 } = engine;
  const { entries } = stay;
  for (let at = 0; at < entries.length; at += 3) {
    const index = entries[at] ?? 0;
    ramI32[index] = (ramI32[index] ?? 0) | (entries[at + 2] ?? 0);
  }
  for (const { frame, words } of stay.changed) ramI32.set(words, frame * WORDS_A_PAGE);
  const counter = i32[INSTRUCTION_COUNTER >>> 2] ?? 0;
  const controlWord = i32[FPU_CONTROL_WORD >>> 2] ?? 0;
  i32.set(stay.after, STATE_START >>> 2);
  i32.set(stay.patchWords, RUN_END >>> 2);
  i32[INSTRUCTION_COUNTER >>> 2] = counter + stay.instructions;
  // v86 keeps the rounding mode and precision elsewhere too.
  const wanted = i32[FPU_CONTROL_WORD >>> 2] ?? 0;
  if (wanted !== controlWord) engine.x.set_control_word(wanted & 0xffff);
  engine.randomState = stay.randomAfter;
}

function stateOf({ i32 }: Engine): Int32Array {
  return i32.slice(STATE_START >>> 2, STATE_END >>> 2);
}

function startRecording(engine: Engine, framesInUse: number): Recording {
  const ram = engine.ramI32.slice(0, framesInUse * WORDS_A_PAGE);
  const recording = { ram, before: stateOf(engine), randomBefore: engine.randomState };
  forEachEntry(engine, ram, (index) => {
    engine.ramI32[index] = (ram[index] ?? 0) & ~PTE_TOUCHED;
  });
  // A translation that is known is not looked up, and so tells nothing.
  engine.x.full_clear_tlb();
  return recording;
}

function finishRecording(engine: Engine, recording: Recording, instructions: number, budget: number): Stay {
  const { ram, before, randomBefore } = recording;
  const frames = new Set([SUPERVISOR_PAGE / PAGE_SIZE, SUPERVISOR_PAGE_TABLE / PAGE_SIZE]);
  const entries: number[] = [];
  forEachEntry(engine, ram, (index, isPage) => {
    const value = engine.ramI32[index] ?? 0;
    const bits = value & PTE_TOUCHED;
    engine.ramI32[index] = value | ((ram[index] ?? 0) & PTE_TOUCHED);
    if (bits === 0) return;
    entries.push(index, value & ~PTE_TOUCHED, bits);
    if (isPage) frames.add(value >>> 12);
  });
  addFaultingEntries(engine, ram, entries);
  const touched = Array.from(frames, (frame) => pageOf(ram, frame));
  const changed = touched
    .filter((page) => !isInRam(engine.ramI32, page))
    .map(({ frame }) => pageOf(engine.ramI32, frame));
  const trapped = engine.u8[CPL] === 0;
  return {
    ...{ before, after: stateOf(engine), patchWords: engine.i32.slice(RUN_END >>> 2, PATCH_WORDS_END >>> 2) },
    ...{ randomBefore, randomAfter: engine.randomState },
    ...{ instructions, budget, leastBudget: trapped ? instructions + 1 : Infinity },
    ...{ entries: Int32Array.from(entries), touched, changed },
  };
}

/** A page fault depends on the entries of the page that was not there. Where none faulted, they do no harm. */
function addFaultingEntries(engine: Engine, ram: Int32Array, entries: number[]): void {
  const address = (engine.i32[CR2 >>> 2] ?? 0) >>> 0;
  const directory = engine.i32[CR3 >>> 2] ?? 0;
  const slot = (directory >>> 2) + (address >>> 22);
  const pde = ram[slot] ?? 0;
  entries.push(slot, pde & ~PTE_TOUCHED, 0);
  if ((pde & PTE_PRESENT) === 0) return;
  const index = (pde >>> 12) * WORDS_A_PAGE + ((address >>> 12) & 0x3ff);
  entries.push(index, (ram[index] ?? 0) & ~PTE_TOUCHED, 0);
}

function pageOf(ram: Int32Array, frame: number): Page {
  assert((frame + 1) * WORDS_A_PAGE <= ram.length, "only frames in use are mapped");
  return { frame, words: ram.slice(frame * WORDS_A_PAGE, (frame + 1) * WORDS_A_PAGE) };
}

/** Visits the present entries of the loaded directory, and of its page tables but for the processor's own. */
function forEachEntry(engine: Engine, ram: Int32Array, visit: (index: number, isPage: boolean) => void): void {
  const directory = (engine.i32[CR3 >>> 2] ?? 0) >>> 2;
  for (let slot = 0; slot <= SUPERVISOR_SLOT; slot++) {
    const pde = ram[directory + slot] ?? 0;
    if ((pde & PTE_PRESENT) === 0) continue;
    visit(directory + slot, false);
    if (slot === SUPERVISOR_SLOT) continue;
    const table = (pde >>> 12) * WORDS_A_PAGE;
    for (let index = table; index < table + WORDS_A_PAGE; index++) {
      if (((ram[index] ?? 0) & PTE_PRESENT) !== 0) visit(index, true);
    }
  }
}
