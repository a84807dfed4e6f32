/**
 * Converts floating-point state between v86's words and the two layouts of a Windows CONTEXT: FLOATING_SAVE_AREA at
 * +0x1c, which is FNSAVE's image, and ExtendedRegisters at +0xcc, which is FXSAVE's.
 *
 * The two overlap, and Windows takes x87 state from the first when CONTEXT_FLOATING_POINT is set and from the second
 * when CONTEXT_EXTENDED_REGISTERS is; callers choose. Both images hold the registers in stack order, ST(0) first, and
 * the tags in physical order, while v86 holds both in physical order.
 */
import {
  FPU_WORD_CONTROL,
  FPU_WORD_DP,
  FPU_WORD_DP_SELECTOR,
  FPU_WORD_EMPTY,
  FPU_WORD_IP,
  FPU_WORD_IP_SELECTOR,
  FPU_WORD_MXCSR,
  FPU_WORD_OPCODE,
  FPU_WORD_REGISTERS,
  FPU_WORD_STATUS,
  FPU_WORD_TOP,
  FPU_WORD_XMM,
  type X86Context,
} from "./context.ts";

export const FLOATING_SAVE_AREA_BYTES = 112;
export const EXTENDED_REGISTERS_BYTES = 512;

/** MXCSR bits that exist; loading any other faults on hardware, so they are dropped. */
const MXCSR_MASK = 0xffff;

const TAG_VALID = 0;
const TAG_ZERO = 1;
const TAG_SPECIAL = 2;
const TAG_EMPTY = 3;

const TOP_SHIFT = 11;
const TOP_MASK = 7 << TOP_SHIFT;
/** Always set in a control word. */
const CONTROL_WORD_FIXED = 0x40;

/** Writes the FXSAVE image, 512 bytes, to `view` from `at` on. Reserved bytes become zero. */
export function writeFxsave(context: X86Context, view: DataView, at = 0): void {
  for (let offset = 0; offset < EXTENDED_REGISTERS_BYTES; offset += 4) view.setInt32(at + offset, 0, true);
  const { fpu } = context;
  view.setUint16(at, word(fpu, FPU_WORD_CONTROL), true);
  view.setUint16(at + 2, statusWord(fpu), true);
  view.setUint8(at + 4, ~word(fpu, FPU_WORD_EMPTY) & 0xff);
  view.setUint16(at + 6, word(fpu, FPU_WORD_OPCODE), true);
  view.setInt32(at + 8, word(fpu, FPU_WORD_IP), true);
  view.setUint16(at + 12, word(fpu, FPU_WORD_IP_SELECTOR), true);
  view.setInt32(at + 16, word(fpu, FPU_WORD_DP), true);
  view.setUint16(at + 20, word(fpu, FPU_WORD_DP_SELECTOR), true);
  view.setInt32(at + 24, word(fpu, FPU_WORD_MXCSR), true);
  view.setInt32(at + 28, MXCSR_MASK, true);
  for (let i = 0; i < 8; i++) writeRegister(fpu, i, view, at + 32 + i * 16);
  for (let i = 0; i < 32; i++) view.setInt32(at + 160 + i * 4, word(fpu, FPU_WORD_XMM + i), true);
}

/** Takes x87 and SSE state from an FXSAVE image. */
export function readFxsave(context: X86Context, view: DataView, at = 0): void {
  const { fpu } = context;
  readControlAndStatus(fpu, view.getUint16(at, true), view.getUint16(at + 2, true));
  fpu[FPU_WORD_EMPTY] = ~view.getUint8(at + 4) & 0xff;
  fpu[FPU_WORD_OPCODE] = view.getUint16(at + 6, true);
  fpu[FPU_WORD_IP] = view.getInt32(at + 8, true);
  fpu[FPU_WORD_IP_SELECTOR] = view.getUint16(at + 12, true);
  fpu[FPU_WORD_DP] = view.getInt32(at + 16, true);
  fpu[FPU_WORD_DP_SELECTOR] = view.getUint16(at + 20, true);
  fpu[FPU_WORD_MXCSR] = view.getInt32(at + 24, true) & MXCSR_MASK;
  for (let i = 0; i < 8; i++) readRegister(fpu, i, view, at + 32 + i * 16);
  for (let i = 0; i < 32; i++) fpu[FPU_WORD_XMM + i] = view.getInt32(at + 160 + i * 4, true);
}

/** Writes the FLOATING_SAVE_AREA, 112 bytes, to `view` from `at` on. */
export function writeFsave(context: X86Context, view: DataView, at = 0): void {
  const { fpu } = context;
  view.setUint32(at, 0xffff0000 | word(fpu, FPU_WORD_CONTROL), true);
  view.setUint32(at + 4, 0xffff0000 | statusWord(fpu), true);
  view.setUint32(at + 8, 0xffff0000 | tagWord(fpu), true);
  view.setInt32(at + 12, word(fpu, FPU_WORD_IP), true);
  view.setInt32(at + 16, (word(fpu, FPU_WORD_IP_SELECTOR) & 0xffff) | (word(fpu, FPU_WORD_OPCODE) << 16), true);
  view.setInt32(at + 20, word(fpu, FPU_WORD_DP), true);
  view.setUint32(at + 24, 0xffff0000 | (word(fpu, FPU_WORD_DP_SELECTOR) & 0xffff), true);
  for (let i = 0; i < 8; i++) writeRegister(fpu, i, view, at + 28 + i * 10);
  view.setInt32(at + 108, 0, true); // Cr0NpxState
}

/** Takes x87 state from a FLOATING_SAVE_AREA; SSE state stays. */
export function readFsave(context: X86Context, view: DataView, at = 0): void {
  const { fpu } = context;
  readControlAndStatus(fpu, view.getUint16(at, true), view.getUint16(at + 4, true));
  const tags = view.getUint16(at + 8, true);
  let empty = 0;
  for (let i = 0; i < 8; i++) if (((tags >>> (i * 2)) & 3) === TAG_EMPTY) empty |= 1 << i;
  fpu[FPU_WORD_EMPTY] = empty;
  fpu[FPU_WORD_IP] = view.getInt32(at + 12, true);
  fpu[FPU_WORD_IP_SELECTOR] = view.getUint16(at + 16, true);
  fpu[FPU_WORD_OPCODE] = view.getUint16(at + 18, true) & 0x7ff;
  fpu[FPU_WORD_DP] = view.getInt32(at + 20, true);
  fpu[FPU_WORD_DP_SELECTOR] = view.getUint16(at + 24, true);
  for (let i = 0; i < 8; i++) readRegister(fpu, i, view, at + 28 + i * 10);
}

function word(fpu: readonly number[], index: number): number {
  return fpu[index] ?? 0;
}

/** v86 keeps the top of the stack apart from the status word. */
function statusWord(fpu: readonly number[]): number {
  return (word(fpu, FPU_WORD_STATUS) & 0xffff & ~TOP_MASK) | ((word(fpu, FPU_WORD_TOP) & 7) << TOP_SHIFT);
}

function readControlAndStatus(fpu: number[], control: number, status: number): void {
  fpu[FPU_WORD_CONTROL] = control | CONTROL_WORD_FIXED;
  fpu[FPU_WORD_STATUS] = status & ~TOP_MASK;
  fpu[FPU_WORD_TOP] = (status & TOP_MASK) >>> TOP_SHIFT;
}

/** Index in {@link X86Context.fpu} of ST(i). */
function registerIndex(fpu: readonly number[], i: number): number {
  return FPU_WORD_REGISTERS + ((word(fpu, FPU_WORD_TOP) + i) & 7) * 4;
}

function writeRegister(fpu: readonly number[], i: number, view: DataView, offset: number): void {
  const index = registerIndex(fpu, i);
  view.setInt32(offset, word(fpu, index), true);
  view.setInt32(offset + 4, word(fpu, index + 1), true);
  view.setUint16(offset + 8, word(fpu, index + 2), true);
}

function readRegister(fpu: number[], i: number, view: DataView, offset: number): void {
  const index = registerIndex(fpu, i);
  fpu[index] = view.getInt32(offset, true);
  fpu[index + 1] = view.getInt32(offset + 4, true);
  fpu[index + 2] = view.getUint16(offset + 8, true);
  fpu[index + 3] = 0;
}

/** Two bits a physical register. */
function tagWord(fpu: readonly number[]): number {
  let tags = 0;
  for (let i = 0; i < 8; i++) tags |= tagOf(fpu, i) << (i * 2);
  return tags;
}

function tagOf(fpu: readonly number[], physical: number): number {
  if (((word(fpu, FPU_WORD_EMPTY) >>> physical) & 1) !== 0) return TAG_EMPTY;
  const index = FPU_WORD_REGISTERS + physical * 4;
  const low = word(fpu, index);
  const high = word(fpu, index + 1);
  const exponent = word(fpu, index + 2) & 0x7fff;
  if (exponent === 0 && low === 0 && high === 0) return TAG_ZERO;
  // Infinities, NaNs, denormals, and whatever lacks the integer bit.
  if (exponent === 0 || exponent === 0x7fff || high >= 0) return TAG_SPECIAL;
  return TAG_VALID;
}
