/**
 * What a thread has in the processor while it does not run: general registers, EIP, EFLAGS, segment selectors, x87 and
 * SSE state. The floating-point words are kept as v86 keeps them; `fpstate.ts` converts them to Windows's layouts.
 */
import {
  SELECTOR_TEB,
  SELECTOR_USER_DATA,
  FPU_REGISTERS,
  FPU_STACK_EMPTY,
  FPU_STACK_POINTER,
  MXCSR,
  XMM,
} from "./layout.ts";

/** Where the words of {@link X86Context.fpu} live in WebAssembly memory: `[byte offset, words]`, in their order. */
export const FPU_RANGES: readonly (readonly [number, number])[] = [
  [FPU_STACK_EMPTY, 1],
  [MXCSR, 1],
  [XMM, 32],
  [FPU_STACK_POINTER, 8],
  [FPU_REGISTERS, 32],
];

// Indices into X86Context.fpu.
export const FPU_WORD_EMPTY = 0;
export const FPU_WORD_MXCSR = 1;
export const FPU_WORD_XMM = 2;
export const FPU_WORD_TOP = 34;
export const FPU_WORD_CONTROL = 35;
export const FPU_WORD_STATUS = 36;
export const FPU_WORD_OPCODE = 37;
export const FPU_WORD_IP = 38;
export const FPU_WORD_IP_SELECTOR = 39;
export const FPU_WORD_DP = 40;
export const FPU_WORD_DP_SELECTOR = 41;
/** Eight physical registers of four words: mantissa low and high, sign and exponent, padding. */
export const FPU_WORD_REGISTERS = 42;
const FPU_WORDS = 74;

/** Precision 53 bits, round to nearest, all exceptions masked: what Windows gives a thread. */
const INITIAL_CONTROL_WORD = 0x27f;
const INITIAL_MXCSR = 0x1f80;
/** Interrupts on; bit 1 always reads 1. */
export const INITIAL_EFLAGS = 0x202;
const INITIAL_FPU: readonly number[] = initialFpu();

function initialFpu(): number[] {
  const words = Array.from({ length: FPU_WORDS }, () => 0);
  words[FPU_WORD_EMPTY] = 0xff;
  words[FPU_WORD_CONTROL] = INITIAL_CONTROL_WORD;
  words[FPU_WORD_MXCSR] = INITIAL_MXCSR;
  return words;
}

/** A thread's processor state, as Windows starts a thread with it: all zero but for control words and selectors. */
export class X86Context {
  /** EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI. */
  readonly general: Int32Array = new Int32Array(8);
  eip = 0;
  eflags: number = INITIAL_EFLAGS;
  segEs: number = SELECTOR_USER_DATA;
  segDs: number = SELECTOR_USER_DATA;
  segFs: number = SELECTOR_TEB;
  segGs = 0;
  /** Signed words. Not a typed array: the engine makes one so long outside its own heap, which takes a microsecond. */
  readonly fpu: number[] = INITIAL_FPU.slice();
}
