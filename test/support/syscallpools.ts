/** What a hostile program hands to system services: words that fit each kind of argument, nearly fit, or do not. */
import { CONTEXT_ALL } from "../../src/abi/exception.ts";
import { IMAGE_BASE } from "./program.ts";
import type { Random } from "./random.ts";

/** The program's writable section. */
export const DATA_RVA = 0x2000;
const DATA_BYTES = 0xe000;
const DATA = IMAGE_BASE + DATA_RVA;

/** Where things lie in it. */
const PARAMETERS_POINTER = 0x000;
const KEPT = 0x40;
const ATTRIBUTES = 0x100;
const STRINGS = 0x800;
const NAMES = 0x1000;
const TIMES = 0x4000;
const HANDLES = 0x4400;
const CONTEXTS = 0x5000;
const RECORDS = 0x7000;
const LISTS = 0x7800;
const REGIONS = 0x8000;
const SCRATCH = 0x9000;
const MESSAGES = 0x8400;
const VIEWS = 0x8800;
const REMOTE_VIEWS = 0x8a00;

const SLOTS = 32;
const NAME_BYTES = 0x180;
const CONTEXT_SLOTS = 8;
const MESSAGE_SLOTS = 16;
const VIEW_SLOTS = 8;

/** The word that the program replaces by the address of its process parameters. */
export const PARAMETERS_ADDRESS = DATA + PARAMETERS_POINTER;

/** A call is its number and as many words as the longest list of arguments has. */
export const CALL_WORDS = 12;
export const CALL_BYTES: number = 4 * CALL_WORDS;

/** Where the program keeps a handle of each type. */
export const KEPT_HANDLES: number = DATA + KEPT;
/** An argument of this high half stands for a kept handle, the low half says which. */
export const KEPT_MARK = 0xfeed;
const KEPT_HANDLE = KEPT_MARK * 0x10000;

const FILE_NAMES = [
  "\\??\\C:\\app\\hostile.exe",
  "\\??\\C:\\windows\\temp\\a",
  "\\??\\C:\\windows\\temp",
  "\\??\\C:\\windows\\temp\\new folder\\..\\b",
  "\\??\\C:\\windows\\temp\\a:stream",
  "\\??\\C:",
  "\\??\\Z:\\nothing",
  "a",
  "..\\..\\a*?",
];
const OBJECT_NAMES = [
  "\\BaseNamedObjects\\one",
  "\\BaseNamedObjects\\two",
  "\\BaseNamedObjects\\link",
  "\\BaseNamedObjects",
  "\\Device",
  "\\KernelObjects\\none",
  "\\Registry\\Machine\\Software\\Fuzz",
  "\\Registry\\Machine\\Software\\Fuzz\\Deep\\Deeper",
  "\\Registry\\Machine\\Software",
  "\\",
  "\\\\",
  "",
  "Value",
  "\ud800\udfff\ud800\0x",
];
const ALL_NAMES = [...FILE_NAMES, ...OBJECT_NAMES];

/** Addresses at which something is wrong, or ends. */
const BAD_ADDRESSES = [
  ...[0, 1, 4, 0xffff, 0x10000, 0x7ffdffff, 0x7ffe0000, 0x7ffe0ffc, 0x7ffeffff, 0x7fff0000, 0x7fffffff],
  ...[0x80000000, 0x80000001, 0xbffffffc, 0xc0000000, 0xffc00000, 0xfffff000, 0xfffffffc, 0xfffffffd, 0xffffffff],
  ...[
    IMAGE_BASE,
    IMAGE_BASE + 0x1000,
    IMAGE_BASE + 0x1fff,
    DATA + 0xfff,
    DATA + 0xffd,
    DATA - 2,
    DATA + DATA_BYTES - 1,
  ],
];
const LENGTHS = [
  ...[0, 1, 2, 4, 7, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 56, 64, 0x100, 0x1000, 0x1001, 0x4000, 0x10000],
  ...[0x100000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff],
];
const FLAGS = [0, 1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x1000, 0x3000, 0x8000, 0x20000, 0x1000000, 0x80000000];
const FILE_OPTIONS = [0, 0x20, 0x20, 0x21, 0x40, 0x60, 0x60, 0x10, 0x1000, 0x1060, 0x4021, 0x2000, 0xffffffff];
const PROTECTIONS = [0, 1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x102, 0x104, 0x120, 0x204, 0x301, 0xffffffff];
const ALLOCATIONS = [0x1000, 0x2000, 0x3000, 0x3000, 0x4000, 0x8000, 0x102000, 0x80000, 0x103000, 0, 0x400000, 0xc000];
const ACCESSES = [
  0, 0x1fffff, 0x1fffff, 0x2000000, 0x12019f, 0xc0000000, 0x120089, 0x1f0003, 0x2000000, 0x80000000, 0x40000000,
  0x10000000, 0x100000, 1, 0xf003f, 0x1000000,
];
const PSEUDO_HANDLES = [0xffffffff, 0xfffffffe, 0xfffffffd, 0xfffffffc, 0xfffffffb, 0xfffffffa];

/** Addresses in the program's code. */
export interface CodeAddresses {
  readonly thread: number;
  readonly apc: number;
  readonly calls: number;
  readonly callsBytes: number;
}

/** A handle that is probably good, a bad one, a pseudo-handle, a kernel handle. */
function handle(random: Random): number {
  switch (random.below(12)) {
    case 0:
      return random.pick(PSEUDO_HANDLES);
    case 1:
      return random.pick([0, 0x80000004, 0x80000008, 0xfffff, 0x7ffffffc, 0x80000000, 0xfffffff8]);
    case 2:
      return 4 * random.below(0x100) + random.below(4);
    default:
      return 4 * (1 + random.below(40));
  }
}

export function wildWord(random: Random): number {
  switch (random.below(6)) {
    case 0:
      return random.word();
    case 1:
      return random.pick(BAD_ADDRESSES);
    case 2:
      return random.pick(LENGTHS);
    case 3:
      return handle(random);
    case 4:
      return random.below(64);
    default:
      return scratch(random);
  }
}

function scratch(random: Random): number {
  const at = DATA + SCRATCH + random.below(DATA_BYTES - SCRATCH);
  return random.oneIn(8) ? at : (at & ~3) >>> 0;
}

function slot(random: Random, start: number, size: number, count: number = SLOTS): number {
  return DATA + start + size * random.below(count);
}

type Choice = (random: Random, code: CodeAddresses) => number;

/** A handle of the type whose handle the program keeps at that place, or another. */
function ofType(index: number): Choice {
  return (random) => (random.oneIn(5) ? handle(random) : KEPT_HANDLE + 4 * index);
}

/** One letter for each kind of argument; the signatures of `syscallprogram.ts` are made of them. */
const CHOICES = {
  "0": ofType(0), // event
  "1": ofType(1), // mutant
  "2": ofType(2), // semaphore
  "3": ofType(3), // timer
  "4": ofType(4), // keyed event
  "5": ofType(5), // section
  "6": ofType(6), // file
  "7": ofType(7), // directory of files
  "8": ofType(8), // key
  "9": ofType(9), // token
  i: ofType(10), // completion port
  j: ofType(11), // symbolic link
  d: ofType(12), // port
  h: handle,
  y: (random) => (random.oneIn(2) ? 0 : handle(random)),
  p: (random) => (random.oneIn(4) ? handle(random) : 0xffffffff),
  t: (random) => (random.below(3) > 0 ? handle(random) : 0xfffffffe),
  // Places for results, and buffers.
  o: scratch,
  b: scratch,
  H: (random) => DATA + HANDLES + 4 * random.below(0x80),
  // Messages, views of a port and of the other side.
  Q: (random) => (random.oneIn(8) ? scratch(random) : slot(random, MESSAGES, 64, MESSAGE_SLOTS)),
  V: (random) => (random.oneIn(3) ? slot(random, VIEWS, 24, VIEW_SLOTS) : 0),
  W: (random) => (random.oneIn(3) ? slot(random, REMOTE_VIEWS, 12, VIEW_SLOTS) : 0),
  // Structures: attributes, strings, times, contexts, exceptions, regions and their sizes, attribute lists, calls.
  A: (random) => (random.oneIn(3) ? 0 : slot(random, ATTRIBUTES, 24)),
  U: (random) => slot(random, STRINGS, 8),
  T: (random) => (random.oneIn(24) ? 0 : slot(random, TIMES, 8)),
  C: (random) => slot(random, CONTEXTS, 0x400, CONTEXT_SLOTS),
  E: (random) => slot(random, RECORDS, 0x50, 16),
  R: (random) => slot(random, REGIONS, 8),
  Z: (random) => slot(random, REGIONS, 8) + 4,
  L: (random) => (random.oneIn(3) ? 0 : slot(random, LISTS, 0x40)),
  S: (random, code) =>
    random.pick([code.calls, code.calls + CALL_BYTES * random.below(code.callsBytes / CALL_BYTES), 0, DATA]),
  // Code and memory.
  r: (random, code) => random.pick([0, code.thread, code.apc, code.apc, code.calls, 0x7fff0000]),
  e: (random, code) => (random.oneIn(12) ? random.pick([0, code.apc, code.calls, wildWord(random)]) : code.thread),
  m: (random, code) =>
    random.oneIn(3) ? 0x10000 * random.below(0x8000) : random.pick([DATA, IMAGE_BASE, code.calls, scratch(random)]),
  // Numbers: lengths, classes, small ones, flags, and those that are mostly 0.
  l: (random) => random.pick(LENGTHS),
  q: (random) => (random.oneIn(4) ? random.pick(LENGTHS) : random.pick([8, 16, 48, 0x100])),
  c: (random) => (random.oneIn(6) ? random.pick([1000, 1001, 102, 44, 0xffffffff]) : random.below(44)),
  k: (random) => (random.oneIn(4) ? random.below(8) : 0),
  n: (random) => random.below(6),
  f: (random) => random.pick(FLAGS),
  z: (random) => (random.oneIn(8) ? random.pick(FLAGS) : 0),
  s: (random) => random.pick([0, 0x1000, 0x10000, 0x100000]),
  a: (random) => random.pick(ACCESSES),
  P: (random) => random.pick(PROTECTIONS),
  M: (random) => random.pick(ALLOCATIONS),
  G: (random) => random.pick([0x8000000, 0x8000000, 0x4000000, 0x1000000, random.pick(FLAGS)]),
  F: (random) => random.pick(FILE_OPTIONS),
  x: wildWord,
} as const satisfies Readonly<Record<string, Choice>>;

export type ArgumentKind = keyof typeof CHOICES;

/** A word that fits the kind. */
export function argumentOf(kind: ArgumentKind, random: Random, code: CodeAddresses): number {
  return CHOICES[kind](random, code);
}

/** The program's data: structures that are nearly right, for services to read. */
export function hostileData(random: Random, code: CodeAddresses): Uint8Array {
  const bytes = new Uint8Array(DATA_BYTES);
  const view = new DataView(bytes.buffer);
  const put = (at: number, value: number): void => view.setUint32(at, value >>> 0, true);
  for (let at = SCRATCH; at < DATA_BYTES; at += 4) put(at, wildWord(random));
  for (let at = HANDLES; at < CONTEXTS; at += 4) put(at, handle(random));
  for (let index = 0; index < SLOTS; index++) {
    const name = ALL_NAMES[index];
    putString(view, random, index, name);
    putAttributes(put, random, index, { sound: name !== undefined });
    view.setBigInt64(TIMES + 8 * index, index === 0 ? 0x10000n : timeOf(random), true);
    const sound = index < SOUND_REGIONS;
    put(
      REGIONS + 8 * index,
      sound ? FIRST_REGION + REGION_BYTES * index : 0x10000 * random.below(0x8000) * random.below(2),
    );
    put(
      REGIONS + 8 * index + 4,
      sound ? REGION_BYTES : random.pick([0x1000, 0x10000, 0x123456, 0x7fffffff, 0, 0x2000]),
    );
    putList(put, random, LISTS + 0x40 * index);
  }
  for (let index = 0; index < CONTEXT_SLOTS; index++) putContext(put, random, code, CONTEXTS + 0x400 * index);
  for (let index = 0; index < MESSAGE_SLOTS; index++) putMessage(put, random, MESSAGES + 64 * index);
  for (let index = 0; index < VIEW_SLOTS; index++) {
    put(VIEWS + 24 * index, random.oneIn(6) ? random.below(64) : 24);
    put(VIEWS + 24 * index + 4, handle(random));
    put(VIEWS + 24 * index + 8, 0x10000 * random.below(2));
    put(REMOTE_VIEWS + 12 * index, random.oneIn(6) ? random.below(64) : 12);
  }
  for (let index = 0; index < 16; index++) {
    const at = RECORDS + 0x50 * index;
    put(at, random.pick([0xc0000005, 0x80000003, 0xe06d7363, random.word()]));
    put(at + 4, random.below(2));
    put(at + 12, random.pick([code.apc, wildWord(random)]));
    put(at + 16, random.pick([0, 2, 15, 16, 0xffffffff]));
  }
  return bytes;
}

/** The first strings are sound, and the attributes that name them. */
function putString(view: DataView, random: Random, index: number, sound: string | undefined): void {
  const name = sound ?? random.pick(ALL_NAMES);
  const at = NAMES + NAME_BYTES * index;
  for (let i = 0; i < name.length; i++) view.setUint16(at + 2 * i, name.charCodeAt(i), true);
  const length = sound === undefined ? random.pick([1, 3, 0xfffe, 0xffff, 0x8000, 2 * name.length]) : 2 * name.length;
  view.setUint16(STRINGS + 8 * index, length, true);
  view.setUint16(STRINGS + 8 * index + 2, length, true);
  view.setUint32(STRINGS + 8 * index + 4, sound === undefined && random.oneIn(2) ? wildWord(random) : DATA + at, true);
}

type Put = (at: number, value: number) => void;

function putAttributes(put: Put, random: Random, index: number, { sound }: { readonly sound: boolean }): void {
  const at = ATTRIBUTES + 24 * index;
  put(at, sound || random.oneIn(2) ? 24 : random.below(40));
  put(at + 4, sound || random.oneIn(2) ? 0 : handle(random));
  put(at + 8, sound ? DATA + STRINGS + 8 * index : random.pick([wildWord(random), slot(random, STRINGS, 8)]));
  put(at + 12, random.pick(sound ? [0x40, 0xc0, 0x42, 0] : [0x10, 0x50, 0x20, 0x200, 0xffffffff]));
  put(at + 16, sound || random.oneIn(2) ? 0 : wildWord(random));
}

/** Attributes of an object of that name, which is one of ours. */
export function attributesOf(name: string): number {
  return DATA + ATTRIBUTES + 24 * ALL_NAMES.indexOf(name);
}

const SOUND_REGIONS = 16;
const FIRST_REGION = 0x10000000;
const REGION_BYTES = 0x10000;

/** The base of a region; its size lies behind it. */
export function regionAddress(index: number): number {
  return DATA + REGIONS + 8 * index;
}

/** A LARGE_INTEGER that says 64 KiB. */
export const SIZE_ADDRESS = DATA + TIMES;

function timeOf(random: Random): bigint {
  switch (random.below(10)) {
    case 0:
      return -0x8000000000000000n + BigInt(random.below(3));
    case 1:
      return 0x7fffffffffffffffn;
    case 2:
      return BigInt(random.word()) * 0x100000000n + BigInt(random.word());
    case 3:
      return 0n;
    default:
      return BigInt(-random.below(200_000));
  }
}

const LIST_ATTRIBUTES = [0x60000, 0x60001, 0x60002, 0x10003, 0x10004, 0x20005, 0x00006, 0x2000a, 0x2000b, 0x20013];

function putList(put: Put, random: Random, at: number): void {
  put(at, random.oneIn(6) ? random.pick(LENGTHS) : 4 + 16 * random.below(4));
  for (let entry = 0; entry < 3; entry++) {
    put(at + 4 + 16 * entry, random.pick(LIST_ATTRIBUTES));
    const name = NAMES + NAME_BYTES * random.below(SLOTS);
    put(at + 8 + 16 * entry, random.pick([4, 8, 44, 46, 48, 0x1000]));
    put(at + 12 + 16 * entry, random.pick([handle(random), DATA + name, scratch(random), wildWord(random)]));
  }
}

/** Most are sound and say nothing; the ids are those of nobody, or of somebody. */
function putMessage(put: Put, random: Random, at: number): void {
  const dataLength = 4 * random.below(8);
  put(at, random.oneIn(4) ? random.word() : dataLength | ((24 + dataLength) << 16));
  put(at + 4, random.oneIn(4) ? random.below(12) | (random.pick([0, 24, 28, 0xffff]) << 16) : 0);
  put(at + 8, 4 * random.below(40));
  put(at + 12, 4 * random.below(40));
  put(at + 16, random.below(40));
}

function putContext(put: Put, random: Random, code: CodeAddresses, at: number): void {
  for (let offset = 0; offset < 0x2cc; offset += 4) put(at + offset, random.oneIn(3) ? random.word() : 0);
  put(at, random.pick([CONTEXT_ALL, 0x10001, 0x10002, 0x10007, 0x10008, 0x10020, 0, 0xffffffff]));
  put(at + 0xb8, random.pick([code.thread, code.apc, code.thread, wildWord(random)]));
  put(at + 0xc0, random.word());
}
