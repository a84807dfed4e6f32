/**
 * An emitter of the few i386 instructions that the built-in ntdll is written in.
 *
 * Invariants:
 * - The code depends on the calls only: the same calls give the same bytes.
 * - Every jump and call is 32 bits wide, so that no length depends on a distance; labels are resolved by `finish`,
 *   which refuses a label that was never bound.
 */
import { assert } from "../../rtl/assert.ts";

import type { Condition, Label, Memory, Register, Segment } from "./operands.ts";
import { ESP } from "./operands.ts";

/** Operations of the classic arithmetic group, by their number in an instruction. */
const Group = { add: 0, or: 1, and: 4, sub: 5, xor: 6, cmp: 7 } as const;
type Group = (typeof Group)[keyof typeof Group];

interface Fixup {
  /** Where the four bytes lie. */
  readonly offset: number;
  readonly label: Label;
  readonly relative: boolean;
}

const FS_PREFIX = 0x64;
const LOCK_PREFIX = 0xf0;
const OPERAND_SIZE_PREFIX = 0x66;

export class Assembler {
  readonly #address: number;
  readonly #fixups: Fixup[] = [];
  #bytes: Uint8Array = new Uint8Array(0x2000);
  #length = 0;

  /** `address` is where the first byte will lie. */
  constructor(address: number) {
    this.#address = address;
  }

  get length(): number {
    return this.#length;
  }

  label(name: string): Label {
    return { kind: "label", name, offset: -1 };
  }

  /** Says that `label` is here. */
  bind(label: Label): void {
    this.bindAt(label, this.#length);
  }

  /** Says that `label` is at an offset into the code, which may be emitted later. */
  bindAt(label: Label, offset: number): void {
    assert(label.offset < 0, "a label is bound once");
    label.offset = offset;
  }

  /** Appends code that was made elsewhere. */
  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** A new label that is bound here. */
  here(name: string): Label {
    const label = this.label(name);
    this.bind(label);
    return label;
  }

  /** Fills up to a multiple of a power of two with breakpoints, which nothing runs into unnoticed. */
  align(alignment: number): void {
    while (this.#length % alignment !== 0) this.#byte(0xcc);
  }

  /** The code, with every label resolved. */
  finish(): Uint8Array {
    for (const { offset, label, relative } of this.#fixups) {
      assert(label.offset >= 0, "every label that is used is bound");
      const value = relative ? label.offset - (offset + 4) : this.#address + label.offset;
      for (let i = 0; i < 4; i++) this.#bytes[offset + i] = value >>> (8 * i);
    }
    return this.#bytes.slice(0, this.#length);
  }

  /** `mov` of a dword; a label stands for its address. */
  mov(to: Register | Memory, from: Register | Memory | Label | number): void {
    if (typeof from === "number" || from.kind === "label") {
      if (to.kind === "register") this.#byte(0xb8 + to.code);
      else this.#modRm(0xc7, 0, to);
      this.#immediate(from);
      return;
    }
    if (from.kind === "register") this.#modRm(0x89, from.code, to);
    else {
      assert(to.kind === "register", "no instruction moves memory to memory");
      this.#modRm(0x8b, to.code, from);
    }
  }

  /** Stores the low byte: of a number, or of EAX, ECX, EDX or EBX. */
  movByte(to: Memory, from: Register | number): void {
    if (typeof from === "number") {
      this.#modRm(0xc6, 0, to);
      this.#byte(from);
      return;
    }
    assert(from.code < 4, "only four registers have a low byte");
    this.#modRm(0x88, from.code, to);
  }

  movzxByte(to: Register, from: Memory): void {
    this.#modRm2(0xb6, to.code, from);
  }

  movzxWord(to: Register, from: Memory): void {
    this.#modRm2(0xb7, to.code, from);
  }

  movWord(to: Memory, from: Register): void {
    this.#byte(OPERAND_SIZE_PREFIX);
    this.#modRm(0x89, from.code, to);
  }

  /** The selector in a segment register, extended with zeros. */
  movSegment(to: Register, from: Segment): void {
    this.#modRm(0x8c, from, to);
  }

  lea(to: Register, from: Memory): void {
    this.#modRm(0x8d, to.code, from);
  }

  push(what: Register | Memory | Label | number): void {
    if (typeof what === "number" && what >= -0x80 && what < 0x80) {
      this.#byte(0x6a);
      this.#byte(what);
    } else if (typeof what === "number" || what.kind === "label") {
      this.#byte(0x68);
      this.#immediate(what);
    } else if (what.kind === "register") this.#byte(0x50 + what.code);
    else this.#modRm(0xff, 6, what);
  }

  pop(to: Register | Memory): void {
    if (to.kind === "register") this.#byte(0x58 + to.code);
    else this.#modRm(0x8f, 0, to);
  }

  pushFlags(): void {
    this.#byte(0x9c);
  }

  add(to: Register | Memory, what: Register | Memory | number): void {
    this.#arithmetic(Group.add, to, what);
  }

  sub(to: Register | Memory, what: Register | Memory | number): void {
    this.#arithmetic(Group.sub, to, what);
  }

  and(to: Register | Memory, what: Register | Memory | number): void {
    this.#arithmetic(Group.and, to, what);
  }

  or(to: Register | Memory, what: Register | Memory | number): void {
    this.#arithmetic(Group.or, to, what);
  }

  xor(to: Register | Memory, what: Register | Memory | number): void {
    this.#arithmetic(Group.xor, to, what);
  }

  cmp(left: Register | Memory, right: Register | Memory | number): void {
    this.#arithmetic(Group.cmp, left, right);
  }

  /** Compares the byte in memory with a number. */
  cmpByte(left: Memory, right: number): void {
    this.#modRm(0x80, Group.cmp, left);
    this.#byte(right);
  }

  /** Sets the flags as `and` would, and changes nothing else. */
  test(left: Register | Memory, right: Register | number): void {
    if (typeof right !== "number") {
      this.#modRm(0x85, right.code, left);
      return;
    }
    this.#modRm(0xf7, 0, left);
    this.#immediate(right);
  }

  shiftRight(what: Register, bits: number): void {
    this.#modRm(0xc1, 5, what);
    this.#byte(bits);
  }

  multiply(to: Register, by: number): void {
    this.#modRm(0x69, to.code, to);
    this.#immediate(by);
  }

  increment(what: Register | Memory): void {
    this.#modRm(0xff, 0, what);
  }

  decrement(what: Register | Memory): void {
    this.#modRm(0xff, 1, what);
  }

  lockIncrement(what: Memory): void {
    this.#byte(LOCK_PREFIX);
    this.increment(what);
  }

  lockDecrement(what: Memory): void {
    this.#byte(LOCK_PREFIX);
    this.decrement(what);
  }

  /** If memory holds what EAX holds, stores `value` there; either way EAX then holds what memory held. */
  lockCompareExchange(memory: Memory, value: Register): void {
    this.#byte(LOCK_PREFIX);
    this.#modRm2(0xb1, value.code, memory);
  }

  jump(to: Label): void {
    this.#byte(0xe9);
    this.#fixup(to, { relative: true });
  }

  jumpTo(to: Register | Memory): void {
    this.#modRm(0xff, 4, to);
  }

  jumpIf(condition: Condition, to: Label): void {
    this.#byte(0x0f);
    this.#byte(0x80 + condition);
    this.#fixup(to, { relative: true });
  }

  call(what: Label | Register | Memory): void {
    if (what.kind !== "label") {
      this.#modRm(0xff, 2, what);
      return;
    }
    this.#byte(0xe8);
    this.#fixup(what, { relative: true });
  }

  /** Returns, and removes the arguments as `stdcall` does. */
  ret(argumentBytes = 0): void {
    if (argumentBytes === 0) {
      this.#byte(0xc3);
      return;
    }
    this.#byte(0xc2);
    this.#byte(argumentBytes);
    this.#byte(argumentBytes >>> 8);
  }

  leave(): void {
    this.#byte(0xc9);
  }

  breakpoint(): void {
    this.#byte(0xcc);
  }

  interrupt(vector: number): void {
    this.#byte(0xcd);
    this.#byte(vector);
  }

  clearDirection(): void {
    this.#byte(0xfc);
  }

  setDirection(): void {
    this.#byte(0xfd);
  }

  /** `rep movsb` or `rep movsd`. */
  repeatMove(unit: "byte" | "dword"): void {
    this.#byte(0xf3);
    this.#byte(unit === "byte" ? 0xa4 : 0xa5);
  }

  /** `rep stosb` or `rep stosd`. */
  repeatStore(unit: "byte" | "dword"): void {
    this.#byte(0xf3);
    this.#byte(unit === "byte" ? 0xaa : 0xab);
  }

  #arithmetic(group: Group, to: Register | Memory, what: Register | Memory | number): void {
    if (typeof what === "number") {
      const short = (what << 24) >> 24 === (what | 0);
      this.#modRm(short ? 0x83 : 0x81, group, to);
      if (short) this.#byte(what);
      else this.#immediate(what);
      return;
    }
    if (what.kind === "register") this.#modRm(8 * group + 1, what.code, to);
    else {
      assert(to.kind === "register", "no instruction has two operands in memory");
      this.#modRm(8 * group + 3, to.code, what);
    }
  }

  /** A two-byte opcode with its operands. */
  #modRm2(opcode: number, field: number, operand: Register | Memory): void {
    if (operand.kind === "memory" && operand.fs) this.#byte(FS_PREFIX);
    this.#byte(0x0f);
    this.#byte(opcode);
    this.#operand(field, operand);
  }

  #modRm(opcode: number, field: number, operand: Register | Memory): void {
    if (operand.kind === "memory" && operand.fs) this.#byte(FS_PREFIX);
    this.#byte(opcode);
    this.#operand(field, operand);
  }

  #operand(field: number, operand: Register | Memory): void {
    if (operand.kind === "register") {
      this.#byte(0xc0 | (field << 3) | operand.code);
      return;
    }
    const { base, displacement } = operand;
    if (base === null) {
      this.#byte(0x05 | (field << 3));
      this.#dword(displacement);
      return;
    }
    const short = displacement >= -0x80 && displacement < 0x80;
    this.#byte((short ? 0x40 : 0x80) | (field << 3) | base.code);
    // ESP as a base needs the byte that could name an index.
    if (base === ESP) this.#byte(0x24);
    if (short) this.#byte(displacement);
    else this.#dword(displacement);
  }

  #immediate(value: number | Label): void {
    if (typeof value === "number") this.#dword(value);
    else this.#fixup(value, { relative: false });
  }

  #fixup(label: Label, { relative }: { relative: boolean }): void {
    this.#fixups.push({ offset: this.#length, label, relative });
    this.#dword(0);
  }

  #dword(value: number): void {
    this.#byte(value);
    this.#byte(value >>> 8);
    this.#byte(value >>> 16);
    this.#byte(value >>> 24);
  }

  #byte(value: number): void {
    if (this.#length === this.#bytes.length) this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * this.#bytes.length + bytes);
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
