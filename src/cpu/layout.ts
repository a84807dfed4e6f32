/**
 * Where things are: the words of v86's fixed state in WebAssembly memory, the words that the patch added, and the one
 * page of guest-physical memory that is ours, the supervisor page. Facts of package v86 0.5.462; `patch.ts` refuses
 * any other build.
 */
import { SUPERVISOR_BASE } from "../abi/processor.ts";

// Byte offsets in WebAssembly memory.
export const STATE_START = 64;
export const STATE_END = 1312;
export const REGISTERS = 64;
export const FLAGS_CHANGED = 100;
/** What generated code depends on: bit 0 32-bit code, 1 32-bit stack, 2 ring 3, 3 flat segments. */
export const STATE_FLAGS = 108;
export const FLAGS = 120;
export const SEGMENT_ACCESS = 512;
export const INSTRUCTION_POINTER = 556;
export const PREVIOUS_IP = 560;
export const IDTR_SIZE = 564;
export const IDTR_OFFSET = 568;
export const GDTR_SIZE = 572;
export const GDTR_OFFSET = 576;
export const CR0 = 580;
export const CR2 = 588;
export const CR3 = 592;
export const CR4 = 596;
export const CPL = 612;
export const IN_HLT = 616;
export const LAST_VIRT_EIP = 620;
export const SYSENTER_CS = 636;
export const PREFIXES = 648;
export const INSTRUCTION_COUNTER = 664;
export const SEGMENT_SELECTOR = 668;
export const SEGMENT_IS_NULL = 724;
export const SEGMENT_BASE = 736;
export const SEGMENT_LIMIT = 768;
export const PROTECTED_MODE = 800;
export const IS_32 = 804;
export const STACK_SIZE_32 = 808;
export const MEMORY_SIZE = 812;
export const FPU_STACK_EMPTY = 816;
export const MXCSR = 824;
export const XMM = 832;
export const FPU_STACK_POINTER = 1032;
export const FPU_CONTROL_WORD = 1036;
export const TSS_SIZE_32 = 1128;
export const FPU_REGISTERS = 1152;
/** The address of guest RAM in WebAssembly memory. */
export const MEM8 = 8478052;
/** Set while the compiler's state is locked: a panic with this byte set struck the compiler, not an instruction. */
export const JIT_LOCK = 4243488;
/** The compiler's static data end and its stack begins here; the heap begins behind the stack. */
export const STATICS_START = 4096;

/**
 * Whole pages inside the two arrays of translations, by page of the guest: of compiled code, and of data. They are most of
 * the memory, and hold zeros but for what is listed elsewhere, which flushing the translations removes.
 */
export const TLB_CODE_PAGES = 53_248;
export const TLB_CODE_PAGES_END = 4_239_360;
export const TLB_DATA_PAGES = 4_288_512;
export const TLB_DATA_PAGES_END = 8_474_624;

// Words of ours, in the gap between the fixed state and the static data.
/** The instruction count at which the main loop returns. */
export const RUN_END = 1408;
/** Scratch word of the main loop: how many instructions are left at the start of a block. */
export const INTERPRETER_LIMIT = 1412;
/** Not zero: compiled code is not entered. */
export const INTERPRET_ONLY = 1416;
/** How many instructions of the current block the interpreter has begun; 0 in compiled code. */
export const INTERPRETED_IN_BLOCK = 1420;
/** Of the trap that ended a run: vector, error code or 0, EIP, EFLAGS. Written when CPL becomes 0. */
export const TRAP_VECTOR = 1424;
export const TRAP_ERROR_CODE = 1428;
export const TRAP_EIP = 1432;
export const TRAP_EFLAGS = 1436;
export const TRAP_END = 1440;

/** Marks the test of the instruction count that the compiler puts at the head of a loop; see `generated.ts`. */
export const JIT_LOOP_LIMIT = 0x7ff_fff1;
/** Marks the constant that a basic block adds to the instruction count; see `generated.ts`. */
export const JIT_BLOCK_TAG = 0x1000_0000;
/** Generated function i goes to slot i + this of the function table, which has so many slots for them. */
export const JIT_TABLE_OFFSET = 1024;
export const JIT_TABLE_LENGTH = 900;

// Segments, numbered as v86 numbers them.
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;
export const TR = 6;
export const LDTR = 7;

// Selectors, with NT's values.
export const SELECTOR_KERNEL_CODE = 0x08;
export const SELECTOR_KERNEL_DATA = 0x10;
export const SELECTOR_USER_CODE = 0x1b;
export const SELECTOR_USER_DATA = 0x23;
export const SELECTOR_TSS = 0x28;
export const SELECTOR_TEB = 0x3b;

// General registers.
export const EAX = 0;
export const ECX = 1;
export const EDX = 2;
export const EBX = 3;
export const ESP = 4;
export const EBP = 5;
export const ESI = 6;
export const EDI = 7;

// The supervisor page: frame 1 of physical memory, mapped at SUPERVISOR_BASE for ring 0 only.
export const PAGE_SIZE = 0x1000;
export const SUPERVISOR_PAGE = 0x1000;
/** The page table for the last 4 MiB of every address space. */
export const SUPERVISOR_PAGE_TABLE = 0x2000;
/** Below this frame nothing is handed out: our two pages, and the window at 0xa0000 that v86 takes for a device. */
export const FIRST_FREE_FRAME = 0x100;

export const GDT_OFFSET = 0;
export const GDT_BYTES = 0x40;
/** One descriptor that grants nothing, for the selectors of the local descriptor table. */
export const LDT_OFFSET = 0x40;
export const TSS_OFFSET = 0x80;
export const TSS_BYTES = 0x68;
export const IDT_OFFSET = 0x100;
/** The ring-0 stack, which nothing uses: see `patch.ts`. It would grow down from here. */
export const STACK_TOP_OFFSET = 0xff0;
/** Where EIP is after a trap: here + vector. Nothing is mapped there, since nothing is ever executed there. */
export const GATES_BASE: number = SUPERVISOR_BASE + 0x10000;

/** The exported table of functions for generated code, and the custom section that holds their names, one a line. */
export const DIRECTORY = "directory";
