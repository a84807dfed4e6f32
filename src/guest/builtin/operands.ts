/** The operands of the instructions that the assembler emits. Values only; nothing here emits. */

/** One of the eight general registers, by its number in an instruction. */
export interface Register {
  readonly kind: "register";
  readonly code: number;
}

/** A dword in memory: `[base + displacement]`, `[displacement]`, or `fs:[displacement]`. */
export interface Memory {
  readonly kind: "memory";
  readonly base: Register | null;
  readonly displacement: number;
  readonly fs: boolean;
}

/** A place in the code, known once it is bound. */
export interface Label {
  readonly kind: "label";
  readonly name: string;
  /** Offset from the start of the code; -1 until the label is bound. */
  offset: number;
}

function register(code: number): Register {
  return { kind: "register", code };
}

export const EAX: Register = register(0);
export const ECX: Register = register(1);
export const EDX: Register = register(2);
export const EBX: Register = register(3);
export const ESP: Register = register(4);
export const EBP: Register = register(5);
export const ESI: Register = register(6);
export const EDI: Register = register(7);

/** The dword at `[base + displacement]`. */
export function at(base: Register, displacement = 0): Memory {
  return { kind: "memory", base, displacement, fs: false };
}

/** The dword at a fixed address. */
export function absolute(address: number): Memory {
  return { kind: "memory", base: null, displacement: address, fs: false };
}

/** The dword at an offset into the thread environment block. */
export function teb(offset: number): Memory {
  return { kind: "memory", base: null, displacement: offset, fs: true };
}

/** Conditions by their number in a jump. */
export const Condition = {
  Below: 0x2,
  AboveOrEqual: 0x3,
  Equal: 0x4,
  NotEqual: 0x5,
  BelowOrEqual: 0x6,
  Above: 0x7,
  Negative: 0x8,
} as const;
export type Condition = (typeof Condition)[keyof typeof Condition];

/** Segment registers by their number in an instruction. */
export const Segment = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5 } as const;
export type Segment = (typeof Segment)[keyof typeof Segment];
