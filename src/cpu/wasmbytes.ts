/**
 * Reading and writing the WebAssembly binary format, as far as patching needs it: variable-length integers, names,
 * sections, and the search for an exact byte pattern.
 */
import { assert } from "../rtl/assert.ts";

export const SECTION_CUSTOM = 0;
export const SECTION_TABLE = 4;
export const SECTION_EXPORT = 7;
export const SECTION_ELEMENT = 9;
export const SECTION_CODE = 10;

/** A position in a module that moves on as it reads. */
export class WasmReader {
  readonly bytes: Uint8Array;
  position: number;

  constructor(bytes: Uint8Array, position: number) {
    this.bytes = bytes;
    this.position = position;
  }

  byte(): number {
    const value = this.bytes[this.position++];
    assert(value !== undefined, "a WebAssembly module ends only where a section ends");
    return value;
  }

  /** An unsigned integer of at most 32 bits. */
  unsigned(): number {
    let result = 0;
    let shift = 0;
    for (;;) {
      const byte = this.byte();
      result |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) return result >>> 0;
    }
  }

  /** A signed integer; what does not fit 32 bits wraps. */
  signed(): number {
    let result = 0;
    let shift = 0;
    for (;;) {
      const byte = this.byte();
      if (shift < 32) result |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) return shift < 32 && (byte & 0x40) !== 0 ? result | (-1 << shift) : result;
    }
  }

  /** A name; every name in the modules that we read is ASCII. */
  name(): string {
    const length = this.unsigned();
    const end = this.position + length;
    let text = "";
    while (this.position < end) text += String.fromCharCode(this.byte());
    return text;
  }
}

export interface WasmSection {
  readonly id: number;
  /** The byte that holds the id. */
  readonly header: number;
  /** First byte of the content, behind id and size. */
  readonly start: number;
  readonly end: number;
}

export function wasmSections(bytes: Uint8Array): WasmSection[] {
  const reader = new WasmReader(bytes, 8);
  const sections: WasmSection[] = [];
  while (reader.position < bytes.length) {
    const header = reader.position;
    const id = reader.byte();
    const size = reader.unsigned();
    sections.push({ id, header, start: reader.position, end: reader.position + size });
    reader.position += size;
  }
  return sections;
}

export function encodeUnsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

export function encodeSigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
      bytes.push(low);
      return bytes;
    }
    bytes.push(low | 0x80);
  }
}

export function encodeName(name: string): number[] {
  return [...encodeUnsigned(name.length), ...Array.from(name, (letter) => letter.charCodeAt(0))];
}

/** The offsets in `[from, to)` at which `pattern` starts. A negative element of the pattern matches any byte. */
export function findPattern(bytes: Uint8Array, pattern: readonly number[], from: number, to: number): number[] {
  const found: number[] = [];
  const anchor = pattern[0] ?? -1;
  assert(anchor >= 0, "a pattern starts with a definite byte");
  for (let at = bytes.indexOf(anchor, from); at >= 0 && at + pattern.length <= to; at = bytes.indexOf(anchor, at + 1)) {
    if (pattern.every((byte, index) => byte < 0 || bytes[at + index] === byte)) found.push(at);
  }
  return found;
}

/** Gathers a module's bytes piece by piece. */
export class WasmWriter {
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  append(bytes: Uint8Array | readonly number[]): void {
    const piece = bytes instanceof Uint8Array ? bytes : Uint8Array.from(bytes);
    this.#pieces.push(piece);
    this.#length += piece.length;
  }

  appendSection(id: number, content: Uint8Array): void {
    this.append([id, ...encodeUnsigned(content.length)]);
    this.append(content);
  }

  finish(): Uint8Array {
    const result = new Uint8Array(this.#length);
    let offset = 0;
    for (const piece of this.#pieces) {
      result.set(piece, offset);
      offset += piece.length;
    }
    return result;
  }
}
