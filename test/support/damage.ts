/** Program files, spoilt: every header field alone, files cut short, and random damage. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "./random.ts";

const PROGRAMS = ["hello", "threads", "seh-catch", "deadlock"].map((name) => join("samples/native", `${name}.exe`));

export function soundPrograms(): readonly Uint8Array[] {
  return PROGRAMS.map((path) => new Uint8Array(readFileSync(path)));
}

/** Numbers at which sizes, signs, counts and sums go wrong. */
const VALUES = [
  ...[0, 1, 2, 3, 0xfff, 0x1001, 0x7fff, 0xffff, 0x10000, 0x400000, 0x7ffe0000, 0x7fffffff],
  ...[0x80000000, 0xfffff000, 0xffffffff],
];

const FILE_HEADER_FIELDS = [2, 2, 4, 4, 4, 2, 2];
const OPTIONAL_HEADER_FIELDS = [
  ...[2, 1, 1, 4, 4, 4, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 2, 2, 4, 4, 4, 4, 4, 4],
  // The data directories.
  ...Array.from({ length: 32 }, () => 4),
];
const SECTION_NAME_BYTES = 8;
const SECTION_FIELDS = [4, 4, 4, 4, 4, 4, 2, 2, 4];

interface Field {
  readonly offset: number;
  readonly bytes: number;
}

/** Every field of the headers of a sound file. */
function headerFields(file: Uint8Array): Field[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const signature = view.getUint32(0x3c, true);
  const sections = view.getUint16(signature + 6, true);
  const sizes = [...FILE_HEADER_FIELDS, ...OPTIONAL_HEADER_FIELDS];
  for (let section = 0; section < sections; section++) sizes.push(-SECTION_NAME_BYTES, ...SECTION_FIELDS);
  const fields: Field[] = [
    { offset: 0, bytes: 2 },
    { offset: 0x3c, bytes: 4 },
    { offset: signature, bytes: 4 },
  ];
  let offset = signature + 4;
  for (const bytes of sizes) {
    if (bytes > 0) fields.push({ offset, bytes });
    offset += Math.abs(bytes);
  }
  return fields;
}

function withField(file: Uint8Array, { offset, bytes }: Field, value: number): Uint8Array {
  const copy = file.slice();
  for (let index = 0; index < bytes; index++) copy[offset + index] = (value >>> (8 * index)) & 0xff;
  return copy;
}

/** Each field with each value, and the file cut off before, within and behind each field. */
export function* systematicDamage(file: Uint8Array): Generator<Uint8Array> {
  for (const field of headerFields(file)) {
    for (const value of VALUES) yield withField(file, field, value);
    for (const cut of [0, 1, field.bytes]) yield file.slice(0, field.offset + cut);
  }
}

/** Several spoilt fields, flipped bytes, holes and cuts at once. */
export function randomDamage(file: Uint8Array, random: Random): Uint8Array {
  let spoilt: Uint8Array = file.slice();
  const fields = headerFields(file);
  for (let count = random.below(3); count > 0; count--) {
    const value = random.oneIn(3) ? random.word() : random.pick(VALUES);
    spoilt = withField(spoilt, random.pick(fields), value);
  }
  for (let count = random.below(8); count > 0; count--) spoilt[random.below(spoilt.length)] = random.below(256);
  if (random.oneIn(8)) {
    const start = random.below(spoilt.length);
    spoilt.fill(random.pick([0, 0xff, 0xcc]), start, start + random.below(0x400));
  }
  return random.oneIn(10) ? spoilt.slice(0, random.below(spoilt.length)) : spoilt;
}
