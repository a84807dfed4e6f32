/**
 * Takes the modules that v86's compiler generates and closes the gap that it leaves: a loop with several entries has
 * no limit, so hot guest code could stay in it for ever. Such a loop cannot simply be given one at its head, because
 * EIP is not known there. It is known at the start of each basic block, once `patch.ts` has made the compiler put the
 * block's address into the constant that the block adds to the instruction count.
 *
 * Invariants of a module that leaves here:
 * - Whoever goes round any loop passes a test of the instruction count, which leaves the module with EIP exact. Such a
 *   loop starts with a dispatcher: branches, before any basic block, to each of its entries. Every basic block that
 *   can be the first one after the head (behind the dispatcher, or behind the end of a block that it branches to) is
 *   given the test, unless a loop opens before it whose own head tests or dispatches.
 * - No tagged constant is left: a block adds the number of its instructions and nothing else.
 */
import { assert } from "../rtl/assert.ts";
import { INSTRUCTION_COUNTER, INSTRUCTION_POINTER, JIT_BLOCK_TAG, JIT_LOOP_LIMIT, RUN_END } from "./layout.ts";
import { SECTION_CODE, WasmReader, WasmWriter, encodeSigned, encodeUnsigned, wasmSections } from "./wasmbytes.ts";

export interface GeneratedModule {
  readonly bytes: Uint8Array;
  /** Whether a loop had to be given tests. */
  readonly guarded: boolean;
}

const OP_BLOCK = 0x02;
const OP_LOOP = 0x03;
const OP_IF = 0x04;
const OP_END = 0x0b;
const OP_BR = 0x0c;
const OP_BR_IF = 0x0d;
const OP_BR_TABLE = 0x0e;
const OP_CALL = 0x10;
const OP_CALL_INDIRECT = 0x11;
const OP_LOCAL_GET = 0x20;
const OP_LOCAL_SET = 0x21;
const OP_GLOBAL_SET = 0x24;
const OP_I32_LOAD = 0x28;
const OP_I32_STORE = 0x36;
const OP_I64_STORE32 = 0x3e;
const OP_I32_CONST = 0x41;
const OP_I64_CONST = 0x42;
const OP_F32_CONST = 0x43;
const OP_F64_CONST = 0x44;
const OP_I32_GE_U = 0x4f;
const OP_I32_ADD = 0x6a;
const OP_I32_SUB = 0x6b;
const OP_I32_AND = 0x71;
const OP_I32_OR = 0x72;
const OP_LAST_NUMERIC = 0xc4;
const OP_PREFIX = 0xfc;
const VOID = 0x40;
const TYPE_I32 = 0x7f;
/** Generated functions take the index of the entry. */
const PARAMETERS = 1;

export function generatedModule(bytes: Uint8Array): GeneratedModule {
  const code = wasmSections(bytes).find((section) => section.id === SECTION_CODE);
  assert(code !== undefined, "a generated module has code");
  const reader = new WasmReader(bytes, code.start);
  assert(reader.unsigned() === 1, "a generated module has one function");
  const size = reader.unsigned();
  const body = new FunctionBody(bytes, reader.position, reader.position + size);
  const rewritten = body.rewrite();

  const content = new WasmWriter();
  content.append([1, ...encodeUnsigned(rewritten.length)]);
  content.append(rewritten);
  const writer = new WasmWriter();
  writer.append(bytes.subarray(0, code.header));
  writer.appendSection(SECTION_CODE, content.finish());
  writer.append(bytes.subarray(code.end));
  return { bytes: writer.finish(), guarded: body.guarded };
}

/** An open `block`, `loop` or `if`. */
interface Frame {
  readonly isLoop: boolean;
  /** Whether a dispatcher branches to its end. */
  isTarget: boolean;
}

class FunctionBody {
  guarded = false;
  readonly #bytes: Uint8Array;
  readonly #reader: WasmReader;
  readonly #end: number;
  readonly #writer: WasmWriter = new WasmWriter();
  readonly #frames: Frame[] = [];
  #copied: number;
  /** Between the head of a loop without a test and the next basic block. */
  #inDispatcher = false;
  /** The local that counts instructions: the last one that is set before the first block opens. */
  #counter = -1;
  #opened = false;
  /** The local that is given the number of instructions that are left when the module is entered. */
  #limit = 0;
  /** The next basic block may be the first one after such a head. */
  #guardNext = false;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#reader = new WasmReader(bytes, start);
    this.#end = end;
    this.#copied = start;
  }

  rewrite(): Uint8Array {
    this.#declareLimit();
    while (this.#reader.position < this.#end) this.#instruction();
    this.#writer.append(this.#bytes.subarray(this.#copied, this.#end));
    return this.#writer.finish();
  }

  /** Adds a local to the function and sets it first thing. */
  #declareLimit(): void {
    const reader = this.#reader;
    const groups = reader.unsigned();
    const firstGroup = reader.position;
    this.#limit = PARAMETERS;
    for (let group = 0; group < groups; group++) {
      this.#limit += reader.unsigned();
      reader.byte();
    }
    this.#writer.append(encodeUnsigned(groups + 1));
    this.#writer.append(this.#bytes.subarray(firstGroup, reader.position));
    this.#writer.append([1, TYPE_I32]);
    this.#writer.append([
      ...loadWord(RUN_END),
      ...loadWord(INSTRUCTION_COUNTER),
      OP_I32_SUB,
      ...[OP_LOCAL_SET, ...encodeUnsigned(this.#limit)],
    ]);
    this.#copied = reader.position;
  }

  #instruction(): void {
    const reader = this.#reader;
    const start = reader.position;
    const op = reader.byte();
    if (op === OP_BLOCK || op === OP_LOOP || op === OP_IF) {
      reader.byte();
      this.#opened = true;
      this.#frames.push({ isLoop: op === OP_LOOP, isTarget: false });
      if (op === OP_LOOP) this.#loopHead();
    } else if (op === OP_END) {
      if (this.#frames.pop()?.isTarget === true) this.#guardNext = true;
    } else if (op === OP_LOCAL_GET) {
      if (reader.unsigned() === this.#counter) this.#counterRead(start);
    } else if (op === OP_LOCAL_SET) {
      const local = reader.unsigned();
      if (this.#frames.length === 0 && !this.#opened) this.#counter = local;
    } else if (this.#inDispatcher && (op === OP_BR || op === OP_BR_IF || op === OP_BR_TABLE)) {
      for (let labels = op === OP_BR_TABLE ? reader.unsigned() : 0; labels >= 0; labels--) {
        this.#markTarget(reader.unsigned());
      }
    } else {
      skipImmediates(reader, op);
    }
  }

  #loopHead(): void {
    const test = this.#findTest(this.#reader.position);
    this.#inDispatcher = test === null;
    this.#guardNext = test === null;
    if (test === null) return;
    this.#writer.append(this.#bytes.subarray(this.#copied, test.start));
    this.#writer.append([OP_LOCAL_GET, ...encodeUnsigned(this.#limit)]);
    this.#copied = test.end;
    this.#reader.position = test.end;
  }

  #markTarget(label: number): void {
    const frame = this.#frames.at(-1 - label);
    assert(frame !== undefined, "a dispatcher branches within its function");
    // A branch to a loop goes to that loop's head, which tests or dispatches.
    if (!frame.isLoop) frame.isTarget = true;
  }

  /**
   * Where the constant of "count >= limit" is, if a loop's head at `position` tests that. Only the count's own local is
   * looked at: constants in arithmetic on other locals are the guest's, and can be anything.
   */
  #findTest(position: number): { start: number; end: number } | null {
    const reader = new WasmReader(this.#bytes, position);
    for (;;) {
      const op = reader.byte();
      if (op <= OP_CALL_INDIRECT) return null;
      if (op !== OP_LOCAL_GET) {
        skipImmediates(reader, op);
      } else if (reader.unsigned() === this.#counter) {
        const start = reader.position;
        if (reader.byte() !== OP_I32_CONST || reader.signed() !== JIT_LOOP_LIMIT) return null;
        const end = reader.position;
        assert(reader.byte() === OP_I32_GE_U && reader.byte() === OP_BR_IF, "a loop's head leaves at the limit");
        return { start, end };
      }
    }
  }

  /** Behind the `local.get` of the count at `start`: if a basic block adds its instructions here, rewrites that. */
  #counterRead(start: number): void {
    const reader = this.#reader;
    const afterGet = reader.position;
    if (reader.byte() !== OP_I32_CONST) {
      reader.position = afterGet;
      return;
    }
    const constant = reader.signed();
    assert(constant >= JIT_BLOCK_TAG && constant < 2 * JIT_BLOCK_TAG, "what a basic block adds to the count is tagged");
    const stored =
      reader.byte() === OP_I32_ADD && reader.byte() === OP_LOCAL_SET && reader.unsigned() === this.#counter;
    assert(stored, "the sum becomes the count");
    const instructions = constant & 0xffff;
    const addressLow = (constant >>> 16) & 0xfff;

    this.#writer.append(this.#bytes.subarray(this.#copied, start));
    if (this.#guardNext) {
      this.guarded = true;
      this.#writer.append(this.#leaveAtLimit(addressLow));
    }
    this.#guardNext = false;
    this.#inDispatcher = false;
    const counter = encodeUnsigned(this.#counter);
    this.#writer.append([OP_LOCAL_GET, ...counter, OP_I32_CONST, ...encodeSigned(instructions)]);
    this.#writer.append([OP_I32_ADD, OP_LOCAL_SET, ...counter]);
    this.#copied = reader.position;
  }

  /** "If the count has reached the limit, set EIP to this block and leave": the outermost block ends at the way out. */
  #leaveAtLimit(addressLow: number): number[] {
    return [
      ...[OP_LOCAL_GET, ...encodeUnsigned(this.#counter)],
      ...[OP_LOCAL_GET, ...encodeUnsigned(this.#limit), OP_I32_GE_U],
      ...[OP_IF, VOID],
      ...[OP_I32_CONST, 0, ...loadWord(INSTRUCTION_POINTER)],
      ...[OP_I32_CONST, ...encodeSigned(~0xfff), OP_I32_AND, OP_I32_CONST, ...encodeSigned(addressLow), OP_I32_OR],
      ...[OP_I32_STORE, 2, ...encodeUnsigned(INSTRUCTION_POINTER)],
      ...[OP_BR, ...encodeUnsigned(this.#frames.length)],
      OP_END,
    ];
  }
}

/** The word at a fixed address. */
function loadWord(address: number): number[] {
  return [OP_I32_CONST, 0, OP_I32_LOAD, 2, ...encodeUnsigned(address)];
}

/** Moves over the immediates of any instruction that v86 generates and that opens or closes nothing. */
function skipImmediates(reader: WasmReader, op: number): void {
  if (op === OP_BR || op === OP_BR_IF || op === OP_CALL || (op >= OP_LOCAL_GET && op <= OP_GLOBAL_SET)) {
    reader.unsigned();
  } else if (op === OP_BR_TABLE) {
    for (let labels = reader.unsigned(); labels >= 0; labels--) reader.unsigned();
  } else if (op === OP_CALL_INDIRECT || (op >= OP_I32_LOAD && op <= OP_I64_STORE32)) {
    reader.unsigned();
    reader.unsigned();
  } else if (op === OP_I32_CONST || op === OP_I64_CONST) {
    reader.signed();
  } else if (op === OP_F32_CONST || op === OP_F64_CONST) {
    reader.position += op === OP_F32_CONST ? 4 : 8;
  } else if (op === OP_PREFIX) {
    reader.unsigned();
  } else {
    assert(op <= OP_LAST_NUMERIC, "generated code uses no instruction beyond the first edition of WebAssembly");
  }
}
