/**
 * Turns the published `v86.wasm` (package v86 0.5.462) into the processor's module. Pure: bytes in, bytes out, and an
 * {@link AssertionFailure} if the input is not exactly what is expected, since everything here depends on it.
 *
 * What changes, and why:
 * - the main loop ends where the word at {@link RUN_END} says, in the interpreter to the instruction, so that a run
 *   stops exactly where it is told;
 * - a trap from ring 3 does not go through its gate: what a handler needs is noted in four words, CPL becomes 0, and
 *   stack and segments stay those of ring 3. Only a software interrupt that ring 3 may not raise reaches its gate, which
 *   refuses it with a trap of its own;
 * - the main loop ends as soon as there was a trap (CPL 0): no instruction ever runs in ring 0;
 * - the main loop ends after one chunk without a look at clock, timers and interrupts, none of which there are;
 * - an instruction of more than fifteen bytes faults, where a long enough one overflowed the host's stack;
 * - while the word at {@link INTERPRET_ONLY} is not zero, compiled code is passed over, which makes single steps exact;
 * - the loop limit in generated code is {@link JIT_LOOP_LIMIT}, and every basic block in generated code carries its
 *   address, from which `generated.ts` closes the loops that the compiler leaves without a limit;
 * - only the exports that the glue calls remain. Each costs about 10 µs at every start, and generated code needs
 *   some hundreds; those move to a table, from which one is fetched when it is first needed;
 * - custom sections go, except for one that names the table's entries.
 */
import { assert } from "../rtl/assert.ts";
import {
  CPL,
  DIRECTORY,
  GATES_BASE,
  INSTRUCTION_COUNTER,
  INSTRUCTION_POINTER,
  INTERPRETED_IN_BLOCK,
  INTERPRETER_LIMIT,
  INTERPRET_ONLY,
  JIT_BLOCK_TAG,
  JIT_LOOP_LIMIT,
  PREVIOUS_IP,
  RUN_END,
  TRAP_EFLAGS,
  TRAP_EIP,
  TRAP_ERROR_CODE,
  TRAP_VECTOR,
} from "./layout.ts";
import {
  SECTION_CODE,
  SECTION_CUSTOM,
  SECTION_ELEMENT,
  SECTION_EXPORT,
  SECTION_TABLE,
  WasmReader,
  WasmWriter,
  encodeName,
  encodeSigned,
  encodeUnsigned,
  findPattern,
  wasmSections,
  type WasmSection,
} from "./wasmbytes.ts";

/** SHA-256 of the only input that {@link patchProcessor} accepts. The caller compares: `src/` has no cryptography. */
export const EXPECTED_SHA256 = "aa0d0e149d6b60063b85de4871e78505637ce92821e14a9f9802c4008ba2336e";

/** Names this patch in caches; changes whenever its output does. */
export const PATCH_VERSION = "3";

const KEPT_EXPORTS: ReadonlySet<string> = new Set([
  "memory",
  "rust_init",
  "allocate_memory",
  "v86_malloc",
  "v86_free",
  "reset_cpu",
  "set_jit_config",
  "full_clear_tlb",
  "clear_tlb",
  "update_state_flags",
  "get_eflags",
  "main_loop",
  "set_control_word",
  "jit_dirty_page",
  "instr32_0F01_7_mem",
  "codegen_finalize_finished",
]);

const GET_EFLAGS = 2512;
/** Instructions interpreted in a page before it is compiled, and compiled again with new entries; v86 has ten times that. */
const HOT_PAGE = 20_000;
const EXPORT_FUNCTION = 0;
const EXPORT_TABLE = 1;
const EXPORT_GLOBAL = 3;
interface Edit {
  readonly at: number;
  readonly remove: number;
  readonly insert: readonly number[];
}

export function patchProcessor(original: Uint8Array): Uint8Array {
  const sections = wasmSections(original);
  const exports = readExports(original, sectionWith(sections, SECTION_EXPORT));
  const directory = exports.filter((entry) => entry.kind === EXPORT_FUNCTION && !KEPT_EXPORTS.has(entry.name));
  const code = sectionWith(sections, SECTION_CODE);
  const edits = [trapEdits, mainLoopEdits, chunkEdits, prefixEdits, generatorEdits].flatMap((part) =>
    part(original, code),
  );

  const writer = new WasmWriter();
  writer.append(original.subarray(0, 8));
  for (const section of sections) {
    if (section.id === SECTION_CUSTOM) continue;
    if (section.id === SECTION_TABLE + 1) writer.appendSection(SECTION_TABLE, directoryTable(directory.length));
    writer.appendSection(section.id, patchedSection(original, section, { exports, directory, edits }));
  }
  const names = encodeName(directory.map((entry) => entry.name).join("\n"));
  writer.appendSection(SECTION_CUSTOM, Uint8Array.from([...encodeName(DIRECTORY), ...names]));
  return writer.finish();
}

interface WasmExport {
  readonly name: string;
  readonly kind: number;
  readonly index: number;
}

interface Patch {
  readonly exports: readonly WasmExport[];
  readonly directory: readonly WasmExport[];
  readonly edits: readonly Edit[];
}

function patchedSection(original: Uint8Array, section: WasmSection, patch: Patch): Uint8Array {
  if (section.id === SECTION_EXPORT) return trimmedExports(patch.exports);
  if (section.id === SECTION_ELEMENT) return elementsWithDirectory(original, section, patch.directory);
  if (section.id === SECTION_CODE) return patchedCode(original, section, patch.edits);
  return original.subarray(section.start, section.end);
}

function sectionWith(sections: readonly WasmSection[], id: number): WasmSection {
  const found = sections.filter((section) => section.id === id);
  const section = found[0];
  assert(section !== undefined && found.length === 1, "v86.wasm has one section of each kind");
  return section;
}

function readExports(original: Uint8Array, section: WasmSection): WasmExport[] {
  const reader = new WasmReader(original, section.start);
  const count = reader.unsigned();
  const exports: WasmExport[] = [];
  for (let i = 0; i < count; i++) {
    const name = reader.name();
    const kind = reader.byte();
    exports.push({ name, kind, index: reader.unsigned() });
  }
  return exports;
}

/** The kept exports, the directory, and the stack pointer, which a panic may move. */
function trimmedExports(exports: readonly WasmExport[]): Uint8Array {
  const kept = exports.filter((entry) => KEPT_EXPORTS.has(entry.name));
  assert(kept.length === KEPT_EXPORTS.size, "v86.wasm exports every function that the processor calls");
  const entries = [
    ...kept,
    { name: DIRECTORY, kind: EXPORT_TABLE, index: 1 },
    { name: "stack_pointer", kind: EXPORT_GLOBAL, index: 0 },
  ];
  const bytes = entries.flatMap(({ name, kind, index }) => [...encodeName(name), kind, ...encodeUnsigned(index)]);
  return Uint8Array.from([...encodeUnsigned(entries.length), ...bytes]);
}

/** One table of function references, of fixed size. Table 0 is imported, so this one is table 1. */
function directoryTable(length: number): Uint8Array {
  return Uint8Array.from([1, 0x70, 1, ...encodeUnsigned(length), ...encodeUnsigned(length)]);
}

function elementsWithDirectory(
  original: Uint8Array,
  section: WasmSection,
  directory: readonly WasmExport[],
): Uint8Array {
  const reader = new WasmReader(original, section.start);
  const count = reader.unsigned();
  const intoTable1AtZero = [0x02, 0x01, 0x41, 0x00, 0x0b, 0x00];
  const indices = directory.flatMap((entry) => encodeUnsigned(entry.index));
  return Uint8Array.from([
    ...encodeUnsigned(count + 1),
    ...original.subarray(reader.position, section.end),
    ...intoTable1AtZero,
    ...encodeUnsigned(directory.length),
    ...indices,
  ]);
}

/** Writes the code section anew: a function with an edit in it gets its new size, the others are copied. */
function patchedCode(original: Uint8Array, section: WasmSection, edits: readonly Edit[]): Uint8Array {
  const pending = edits.toSorted((a, b) => a.at - b.at);
  const reader = new WasmReader(original, section.start);
  const writer = new WasmWriter();
  const count = reader.unsigned();
  writer.append(encodeUnsigned(count));
  let next = 0;
  for (let i = 0; i < count; i++) {
    const start = reader.position;
    const size = reader.unsigned();
    const body = reader.position;
    const end = body + size;
    reader.position = end;
    const first = next;
    while (next < pending.length && (pending[next]?.at ?? end) < end) next++;
    if (first === next) writer.append(original.subarray(start, end));
    else writer.append(patchedBody(original.subarray(body, end), body, pending.slice(first, next)));
  }
  assert(next === pending.length, "every edit lies in a function");
  return writer.finish();
}

function patchedBody(body: Uint8Array, offset: number, edits: readonly Edit[]): Uint8Array {
  const content = new WasmWriter();
  let copied = 0;
  for (const edit of edits) {
    content.append(body.subarray(copied, edit.at - offset));
    content.append(edit.insert);
    copied = edit.at - offset + edit.remove;
  }
  content.append(body.subarray(copied));
  const bytes = content.finish();
  const writer = new WasmWriter();
  writer.append(encodeUnsigned(bytes.length));
  writer.append(bytes);
  return writer.finish();
}

/** An edit at the single place where `pattern` occurs. The part from `skip`, `remove` bytes long, is replaced. */
function editAt(
  bytes: Uint8Array,
  code: WasmSection,
  pattern: string,
  change: { skip: number; remove: number; insert: readonly number[] },
): Edit {
  const found = findPattern(bytes, hex(pattern), code.start, code.end);
  const at = found[0];
  assert(at !== undefined && found.length === 1, "a pattern occurs exactly once in v86.wasm");
  return { at: at + change.skip, remove: change.remove, insert: change.insert };
}

function hex(text: string): number[] {
  return text.split(" ").map((byte) => Number.parseInt(byte, 16));
}

/** `i32.const 0`, `i32.load offset=address`: how the wasm reads one of its fixed words. */
function loadWord(address: number): number[] {
  return [0x41, 0x00, 0x28, 0x02, ...encodeUnsigned(address)];
}

function storeWord(address: number, value: readonly number[]): number[] {
  return [0x41, 0x00, ...value, 0x36, 0x02, ...encodeUnsigned(address)];
}

/** In front of `call_interrupt_vector(vector, isSoftware, hasErrorCode, errorCode)`; EIP leaves all code's pages. */
function trapEdits(bytes: Uint8Array, code: WasmSection): Edit[] {
  const isOneOfTwo = (first: number): number[] => [0x20, 0x00, 0x41, ...encodeSigned(first), 0x6b, 0x41, 0x02, 0x49];
  const mayBeRaised = [...isOneOfTwo(3), 0x72, ...isOneOfTwo(0x2d), 0x72];
  const prologue = [
    ...[0x20, 0x01, 0x45, ...mayBeRaised, 0x04, 0x40],
    ...storeWord(TRAP_VECTOR, [0x20, 0x00]),
    ...storeWord(TRAP_ERROR_CODE, [0x20, 0x03, 0x41, 0x00, 0x20, 0x02, 0x1b]),
    ...storeWord(TRAP_EIP, loadWord(INSTRUCTION_POINTER)),
    ...storeWord(TRAP_EFLAGS, [0x10, ...encodeUnsigned(GET_EFLAGS)]),
    ...storeWord(INSTRUCTION_POINTER, [0x20, 0x00, 0x41, ...encodeSigned(GATES_BASE | 0), 0x6a]),
    ...[0x41, 0x00, 0x41, 0x00, 0x3a, 0x00, ...encodeUnsigned(CPL)],
    ...[0x0f, 0x0b],
  ];
  const start =
    "23 80 80 80 80 00 41 30 6b 22 04 24 80 80 80 80 00 02 40 02 40 02 40 02 40 02 40 02 40 02 40 41 00 2d 00 a0 06 0d 00";
  return [editAt(bytes, code, start, { skip: 0, remove: 0, insert: prologue })];
}

function mainLoopEdits(bytes: Uint8Array, code: WasmSection): Edit[] {
  const orInterpretOnly = [...loadWord(INTERPRET_ONLY), 0x72];
  return [
    // The loop over blocks leaves when CPL is 0, where it left when the processor was halted.
    editAt(bytes, code, "03 40 41 00 2d 00 e8 04 0d 01 41 00 2d 00 6c 21 06", {
      skip: 2,
      remove: 8,
      insert: [0x41, 0x00, 0x2d, 0x00, 0xe4, 0x04, 0x45, 0x0d, 0x01],
    }),
    // Compiled code is looked for twice, before and after the page walk.
    editAt(bytes, code, "22 07 41 0c 76 41 02 74 22 08 28 02 9c 80 83 80 00 22 03 45 0d 00", {
      skip: 20,
      remove: 0,
      insert: orInterpretOnly,
    }),
    editAt(bytes, code, "20 08 41 9c 80 83 80 00 6a 28 02 00 22 09 45 0d 00", {
      skip: 15,
      remove: 0,
      insert: orInterpretOnly,
    }),
    // Before a block is interpreted: how many instructions are left.
    editAt(bytes, code, "41 00 41 00 3a 00 80 a4 82 80 00 41 00 28 02 ac 04 21 09 41 00 28 02 98 05 21 0c", {
      skip: 0,
      remove: 0,
      insert: [
        ...[0x41, 0x00],
        ...[...loadWord(RUN_END), ...loadWord(INSTRUCTION_COUNTER), 0x6b],
        ...[0x36, 0x02, ...encodeUnsigned(INTERPRETER_LIMIT)],
      ],
    }),
    // Before each instruction: how many of this block have begun, in case that v86 panics over this one.
    editAt(bytes, code, "03 40 41 00 28 02 e4 ba 85 84 00 20 03 6a 2d 00 00 21 03", {
      skip: 2,
      remove: 0,
      insert: [0x41, 0x00, 0x20, 0x0b, 0x36, 0x02, ...encodeUnsigned(INTERPRETED_IN_BLOCK)],
    }),
    // Before compiled code runs: none.
    editAt(bytes, code, "20 09 20 03 2f 01 80 40 41 80 08 6a 11", {
      skip: 0,
      remove: 0,
      insert: [0x41, 0x00, 0x41, 0x00, 0x36, 0x02, ...encodeUnsigned(INTERPRETED_IN_BLOCK)],
    }),
    // The block ends when that many have run; it used to go on to the next backward jump.
    editAt(bytes, code, "41 a1 8d 06 49 0d 00 20 09 20 03 4f 0d 02 0b", {
      skip: 0,
      remove: 14,
      insert: [...loadWord(INTERPRETER_LIMIT), 0x49, 0x0d, 0x00, 0x0c, 0x02],
    }),
    // The chunk ends at the same count: (counter - first) < (end - first).
    editAt(bytes, code, "20 05 6b 41 a3 8d 06 49 0d 00", {
      skip: 3,
      remove: 4,
      insert: [...loadWord(RUN_END), 0x20, 0x05, 0x6b],
    }),
  ];
}

/** Out of the main loop behind the chunk, and no look at the clock in front of it. */
function chunkEdits(bytes: Uint8Array, code: WasmSection): Edit[] {
  return [
    editAt(bytes, code, "49 0d 00 0b 0b 10 80 80 80 80 00 21 17 41 00 2d 00 a8 04 20 17 10 8c 80 80 80 00", {
      skip: 5,
      remove: 0,
      insert: [0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x02, 0x0c, 0x05],
    }),
    editAt(bytes, code, "6b 22 00 24 80 80 80 80 00 10 80 80 80 80 00 21 01 02 40 02 40 41 00 2d 00 e8 04", {
      skip: 9,
      remove: 6,
      insert: [0x44, 0, 0, 0, 0, 0, 0, 0, 0],
    }),
  ];
}

/**
 * A prefix calls the interpreter anew, so a long run of them would overflow the host's stack. In each of the three
 * places, what would run the opcode at the sixteenth byte or later faults instead, as the hardware does.
 */
function prefixEdits(bytes: Uint8Array, code: WasmSection): Edit[] {
  const triggerGeneralProtection = 1591;
  const tooLong = [
    ...[...loadWord(INSTRUCTION_POINTER), ...loadWord(PREVIOUS_IP), 0x6b],
    ...[0x41, 15, 0x4b, 0x04, 0x40],
    ...[0x41, 0x00, 0x10, ...encodeUnsigned(triggerGeneralProtection), 0x0f, 0x0b],
  ];
  const places = findPattern(
    bytes,
    hex("41 05 76 41 00 2d 00 a4 06 73 41 01 71 1b 72 10 f1 92 80 80 00"),
    code.start,
    code.end,
  );
  assert(places.length === 3, "three functions run the opcode behind a prefix");
  return places.map((at) => ({ at: at + 15, remove: 0, insert: tooLong }));
}

function generatorEdits(bytes: Uint8Array, code: WasmSection): Edit[] {
  const limits = findPattern(bytes, hex("42 a3 8d 06"), code.start, code.end);
  assert(limits.length === 2, "the compiler emits the loop limit in two places");
  const hotPage = { skip: 3, remove: 3, insert: encodeSigned(HOT_PAGE) };
  return [
    editAt(bytes, code, "20 03 41 c0 9a 0c 49 0d 00 20 11 a7", hotPage),
    ...limits.map((at) => ({ at, remove: 4, insert: [0x42, ...encodeSigned(JIT_LOOP_LIMIT)] })),
    // The constant in "counter += instructions" becomes tag | (address & 0xfff) << 16 | instructions: see `generated.ts`.
    // Every loop head is an entry of the module, as it would become by and by, each time with another compilation.
    editAt(bytes, code, "41 d8 00 6a 20 05 41 cc 00 6a 10 90 9b 80 80 00 20 21 41 08 76", {
      skip: 16,
      remove: 0,
      insert: [...[0x20, 0x21, 0x41, 0x00, 0x48], ...markEntry(6)],
    }),
    editAt(bytes, code, "41 d8 00 6a 20 05 41 cc 00 6a 10 90 9b 80 80 00 41 02 21 20", {
      skip: 16,
      remove: 0,
      insert: [...[0x20, 0x09, 0x41, 0x00, 0x48], ...markEntry(12)],
    }),
    editAt(bytes, code, "20 01 41 78 6a 34 02 00 21 13", {
      skip: 8,
      remove: 0,
      insert: [
        ...[0x20, 0x05, 0xad, 0x42, ...encodeSigned(0xfff), 0x83, 0x42, 16, 0x86, 0x84],
        ...[0x42, ...encodeSigned(JIT_BLOCK_TAG), 0x84],
      ],
    }),
  ];
}

/** "If so, insert the address in local `target` into the set of entries", whose address is local 5 + 88. */
function markEntry(target: number): number[] {
  const insertIntoSet = 3287;
  return [0x04, 0x40, 0x20, 0x05, 0x41, 0xd8, 0x00, 0x6a, 0x20, target, 0x10, ...encodeUnsigned(insertIntoSet), 0x0b];
}
