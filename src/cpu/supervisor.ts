/**
 * The supervisor page and the control registers: all that stands between ring 3 and the kernel.
 *
 * Invariants:
 * - The page is mapped for ring 0 only; a guest's access to it faults like any other.
 * - A trap is noted, not taken: see `patch.ts`. Every interrupt gate leads to {@link GATES_BASE} + vector, where nothing
 *   is mapped, should one be taken after all.
 * - Ring 3 may raise 3, 4, 0x2d and 0x2e by `int n`; any other gate answers #GP(n * 8 + 2).
 * - No descriptor that a guest's selector can reach is a gate, a task or a ring-0 segment that ring 3 may load. That
 *   includes the local descriptor table: v86 looks a selector of it up even when the table is empty, at whatever its
 *   base is, so the base leads to a descriptor of ours that grants nothing.
 * - The task state segment has no I/O bitmap: `in` and `out` fault. CR4.TSD makes `rdtsc` fault, for `cpu.ts` to
 *   answer. There is no CR4.PSE: v86 does not check the user bit of large pages.
 *
 * Not done by v86: the trap flag (see `cpu.ts`), no-execute, segment limits, alignment checks, debug registers.
 */
import { SUPERVISOR_BASE } from "../abi/processor.ts";
import type { Engine } from "./engine.ts";
import {
  CPL,
  CR0,
  CR4,
  ESP,
  FLAGS,
  FLAGS_CHANGED,
  GATES_BASE,
  GDT_BYTES,
  GDT_OFFSET,
  GDTR_OFFSET,
  GDTR_SIZE,
  IDT_OFFSET,
  IDTR_OFFSET,
  IDTR_SIZE,
  IN_HLT,
  IS_32,
  LDTR,
  LDT_OFFSET,
  PAGE_SIZE,
  PROTECTED_MODE,
  REGISTERS,
  SEGMENT_BASE,
  SEGMENT_IS_NULL,
  SEGMENT_LIMIT,
  SEGMENT_SELECTOR,
  SELECTOR_KERNEL_CODE,
  SELECTOR_KERNEL_DATA,
  SELECTOR_TEB,
  SELECTOR_TSS,
  SELECTOR_USER_CODE,
  SELECTOR_USER_DATA,
  STACK_SIZE_32,
  STACK_TOP_OFFSET,
  SUPERVISOR_PAGE,
  SUPERVISOR_PAGE_TABLE,
  SYSENTER_CS,
  TR,
  TRAP_EFLAGS,
  TRAP_EIP,
  TRAP_ERROR_CODE,
  TRAP_VECTOR,
  TSS_BYTES,
  TSS_OFFSET,
  TSS_SIZE_32,
} from "./layout.ts";

const PTE_PRESENT_WRITE = 0x003;
/** Set from the start, so that the tables stay as they are whether the processor looks at them or not. */
const PTE_ACCESSED = 0x20;
const PTE_DIRTY = 0x40;
const PTE_GLOBAL = 0x100;
/** Page-directory entry for the last 4 MiB: present, writable, ring 0 only. */
export const SUPERVISOR_PDE: number = SUPERVISOR_PAGE_TABLE | PTE_PRESENT_WRITE | PTE_ACCESSED;

const USER_VECTORS: ReadonlySet<number> = new Set([3, 4, 0x2d, 0x2e]);

const ACCESS_KERNEL_CODE = 0x9b;
const ACCESS_KERNEL_DATA = 0x93;
/** Read-only data of ring 0: ring 3 can load it into no register, and a far transfer to it faults. */
const ACCESS_NOTHING = 0x91;
export const ACCESS_USER_CODE = 0xfb;
export const ACCESS_USER_DATA = 0xf3;
/** Page granularity, 32 bits. */
const FLAGS_FLAT = 0xc;
const FLAGS_BYTES_32 = 0x4;
const FLAT_LIMIT = 0xfffff;
export const TEB_LIMIT = 0xfff;

const CR0_PAGING_PROTECT = 0x80010011;
/** PGE, OSFXSR, OSXMMEXCPT, TSD. */
const CR4_VALUE = 0x80 | 0x200 | 0x400 | 0x4;

/** Builds the page and points the processor at it. Leaves the processor in ring 0, between two runs. */
export function buildSupervisor(engine: Engine): void {
  const { ramI32, ramU8, u8, i32, u16 } = engine;
  ramU8.fill(0, SUPERVISOR_PAGE, SUPERVISOR_PAGE_TABLE + PAGE_SIZE);
  for (let offset = GDT_OFFSET + 8; offset < GDT_OFFSET + GDT_BYTES; offset += 8) {
    writeDescriptor(engine, offset, { base: 0, limit: 0, access: ACCESS_NOTHING, flags: 0 });
  }
  writeDescriptor(engine, LDT_OFFSET, { base: 0, limit: 0, access: ACCESS_NOTHING, flags: 0 });
  const flat = { base: 0, limit: FLAT_LIMIT, flags: FLAGS_FLAT };
  writeDescriptor(engine, SELECTOR_KERNEL_CODE, { ...flat, access: ACCESS_KERNEL_CODE });
  writeDescriptor(engine, SELECTOR_KERNEL_DATA, { ...flat, access: ACCESS_KERNEL_DATA });
  writeDescriptor(engine, SELECTOR_USER_CODE & ~7, { ...flat, access: ACCESS_USER_CODE });
  writeDescriptor(engine, SELECTOR_USER_DATA & ~7, { ...flat, access: ACCESS_USER_DATA });
  writeTebDescriptor(engine, 0);

  const tss = (SUPERVISOR_PAGE + TSS_OFFSET) >>> 2;
  ramI32[tss + 1] = SUPERVISOR_BASE + STACK_TOP_OFFSET;
  ramI32[tss + 2] = SELECTOR_KERNEL_DATA;
  ramI32[tss + 25] = TSS_BYTES << 16;
  for (let vector = 0; vector < 256; vector++) writeGate(engine, vector);
  ramI32[SUPERVISOR_PAGE_TABLE >>> 2] = SUPERVISOR_PAGE | PTE_PRESENT_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL;

  i32[CR0 >>> 2] = CR0_PAGING_PROTECT;
  i32[CR4 >>> 2] = CR4_VALUE;
  u8[PROTECTED_MODE] = 1;
  u8[IS_32] = 1;
  u8[STACK_SIZE_32] = 1;
  i32[GDTR_SIZE >>> 2] = GDT_BYTES - 1;
  i32[GDTR_OFFSET >>> 2] = SUPERVISOR_BASE + GDT_OFFSET;
  i32[IDTR_SIZE >>> 2] = 256 * 8 - 1;
  i32[IDTR_OFFSET >>> 2] = SUPERVISOR_BASE + IDT_OFFSET;
  systemSegment(engine, TR, SELECTOR_TSS, SUPERVISOR_BASE + TSS_OFFSET, TSS_BYTES - 1);
  systemSegment(engine, LDTR, 0, SUPERVISOR_BASE + LDT_OFFSET, 0);
  u8[TSS_SIZE_32] = 1;
  // With this selector 0, sysenter is #GP(0).
  i32[SYSENTER_CS >>> 2] = 0;
  i32[FLAGS >>> 2] = 2;
  i32[FLAGS_CHANGED >>> 2] = 0;
  u8[CPL] = 0;
  u8[IN_HLT] = 0;
  u16[SEGMENT_SELECTOR >>> 1] = 0;
  engine.x.full_clear_tlb();
}

function systemSegment(engine: Engine, segment: number, selector: number, base: number, limit: number): void {
  engine.u16[(SEGMENT_SELECTOR >>> 1) + segment] = selector;
  engine.u8[SEGMENT_IS_NULL + segment] = 0;
  engine.i32[(SEGMENT_BASE >>> 2) + segment] = base;
  engine.i32[(SEGMENT_LIMIT >>> 2) + segment] = limit;
}

interface Descriptor {
  readonly base: number;
  readonly limit: number;
  readonly access: number;
  readonly flags: number;
}

function writeDescriptor(engine: Engine, offset: number, descriptor: Descriptor): void {
  const { base, limit, access, flags } = descriptor;
  const word = (SUPERVISOR_PAGE + offset) >>> 2;
  engine.ramI32[word] = (limit & 0xffff) | (base << 16);
  engine.ramI32[word + 1] =
    ((base >>> 16) & 0xff) | (access << 8) | (limit & 0xf0000) | (flags << 20) | (base & 0xff000000);
}

/** Sets the base that a guest gets when it loads the selector of its thread environment block. */
export function writeTebDescriptor(engine: Engine, base: number): void {
  const word = (SUPERVISOR_PAGE + (SELECTOR_TEB & ~7)) >>> 2;
  engine.ramI32[word] = TEB_LIMIT | (base << 16);
  engine.ramI32[word + 1] =
    ((base >>> 16) & 0xff) | (ACCESS_USER_DATA << 8) | (FLAGS_BYTES_32 << 20) | (base & 0xff000000);
}

/** A 32-bit interrupt gate into ring 0. */
function writeGate(engine: Engine, vector: number): void {
  const target = GATES_BASE + vector;
  const access = USER_VECTORS.has(vector) ? 0xee00 : 0x8e00;
  const word = (SUPERVISOR_PAGE + IDT_OFFSET + vector * 8) >>> 2;
  engine.ramI32[word] = (target & 0xffff) | (SELECTOR_KERNEL_CODE << 16);
  engine.ramI32[word + 1] = (target & 0xffff0000) | access;
}

/** What a trap left behind. */
export interface TrapFrame {
  vector: number;
  errorCode: number;
  eip: number;
  esp: number;
  eflags: number;
}

/** Reads what the processor noted when it trapped. */
export function readTrapFrame(engine: Engine, frame: TrapFrame): void {
  const { i32 } = engine;
  frame.vector = i32[TRAP_VECTOR >>> 2] ?? 0;
  frame.errorCode = i32[TRAP_ERROR_CODE >>> 2] ?? 0;
  frame.eip = (i32[TRAP_EIP >>> 2] ?? 0) >>> 0;
  frame.eflags = i32[TRAP_EFLAGS >>> 2] ?? 0;
  frame.esp = (i32[(REGISTERS >>> 2) + ESP] ?? 0) >>> 0;
}
