/** Native programs made byte by byte: a minimal PE writer, and machine code with labels. */

export const IMAGE_BASE = 0x400000;
export const TEXT_RVA = 0x1000;

const PE_OFFSET = 0x80;
const FILE_HEADER = PE_OFFSET + 4;
const OPTIONAL_HEADER = FILE_HEADER + 20;
const OPTIONAL_HEADER_BYTES = 224;
const SECTION_TABLE = OPTIONAL_HEADER + OPTIONAL_HEADER_BYTES;
const HEADERS_BYTES = 0x400;
const PAGE_BYTES = 0x1000;
const SECTOR_BYTES = 0x200;

export const SECTION_CODE = 0x60000020;
export const SECTION_READ = 0x40000040;
export const SECTION_WRITE = 0xc0000040;

export interface ProgramSection {
  readonly name: string;
  readonly rva: number;
  readonly bytes: Uint8Array;
  readonly characteristics: number;
}

/** A program without imports whose entry point is the first byte at {@link TEXT_RVA}. */
export function writeProgram(sections: readonly ProgramSection[]): Uint8Array {
  const raw = sections.map(({ bytes }) => Math.ceil(bytes.length / SECTOR_BYTES) * SECTOR_BYTES);
  const file = new Uint8Array(HEADERS_BYTES + raw.reduce((sum, bytes) => sum + bytes, 0));
  const view = new DataView(file.buffer);
  const u16 = (at: number, value: number): void => view.setUint16(at, value, true);
  const u32 = (at: number, value: number): void => view.setUint32(at, value, true);
  u16(0, 0x5a4d);
  u32(0x3c, PE_OFFSET);
  u32(PE_OFFSET, 0x4550);
  u16(FILE_HEADER, 0x14c);
  u16(FILE_HEADER + 2, sections.length);
  u16(FILE_HEADER + 16, OPTIONAL_HEADER_BYTES);
  u16(FILE_HEADER + 18, 0x103);
  u16(OPTIONAL_HEADER, 0x10b);
  u32(OPTIONAL_HEADER + 16, TEXT_RVA);
  u32(OPTIONAL_HEADER + 28, IMAGE_BASE);
  u32(OPTIONAL_HEADER + 32, PAGE_BYTES);
  u32(OPTIONAL_HEADER + 36, SECTOR_BYTES);
  for (const at of [40, 48]) u16(OPTIONAL_HEADER + at, 4);
  u32(OPTIONAL_HEADER + 60, HEADERS_BYTES);
  u16(OPTIONAL_HEADER + 68, 3);
  for (const [at, value] of [
    [72, 0x100000],
    [76, 0x1000],
    [80, 0x100000],
    [84, 0x1000],
    [92, 16],
  ] as const) {
    u32(OPTIONAL_HEADER + at, value);
  }
  let offset = HEADERS_BYTES;
  let end = 0;
  for (const [index, { name, rva, bytes, characteristics }] of sections.entries()) {
    const header = SECTION_TABLE + 40 * index;
    for (let i = 0; i < name.length; i++) file[header + i] = name.charCodeAt(i);
    for (const [at, value] of [
      [8, bytes.length],
      [12, rva],
      [16, raw[index] ?? 0],
      [20, offset],
      [36, characteristics],
    ] as const) {
      u32(header + at, value);
    }
    file.set(bytes, offset);
    offset += raw[index] ?? 0;
    end = rva + Math.ceil(bytes.length / PAGE_BYTES) * PAGE_BYTES;
  }
  u32(OPTIONAL_HEADER + 56, end);
  return file;
}

/** Machine code for {@link TEXT_RVA}. A label may be used before it is placed. */
export class MachineCode {
  readonly #bytes: number[] = [];
  readonly #labels: Map<string, number> = new Map();
  readonly #fixes: { readonly at: number; readonly label: string; readonly relative: boolean }[] = [];

  bytes(...bytes: readonly number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }

  /** Bytes so far. */
  get length(): number {
    return this.#bytes.length;
  }

  /** A 32-bit operand. */
  word(value: number): this {
    return this.bytes(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
  }

  place(label: string): this {
    this.#labels.set(label, this.#bytes.length);
    return this;
  }

  /** The address of a label, as a 32-bit operand. */
  address(label: string): this {
    this.#fixes.push({ at: this.#bytes.length, label, relative: false });
    return this.word(0);
  }

  /** The distance to a label, as the 32-bit operand that ends a jump. */
  distance(label: string): this {
    this.#fixes.push({ at: this.#bytes.length, label, relative: true });
    return this.word(0);
  }

  push(value: number): this {
    return this.bytes(0x68).word(value);
  }

  /** A system service with arguments, last one first on the stack, under the return address that the kernel expects. */
  call(number: number, ...args: readonly number[]): this {
    for (const argument of args.toReversed()) this.push(argument);
    return this.trap(number, args.length);
  }

  /** Traps with the arguments that were pushed, and drops them. */
  trap(number: number, words: number): this {
    this.push(0).bytes(0xb8).word(number).bytes(0xcd, 0x2e);
    return this.bytes(0x83, 0xc4, 4 * (words + 1));
  }

  addressOf(label: string): number {
    const offset = this.#labels.get(label);
    if (offset === undefined) throw new Error(`the label ${label} was placed`);
    return IMAGE_BASE + TEXT_RVA + offset;
  }

  finish(): Uint8Array {
    const code = Uint8Array.from(this.#bytes);
    const view = new DataView(code.buffer);
    for (const { at, label, relative } of this.#fixes) {
      const target = this.addressOf(label);
      view.setUint32(at, relative ? (target - (IMAGE_BASE + TEXT_RVA + at + 4)) >>> 0 : target, true);
    }
    return code;
  }
}
