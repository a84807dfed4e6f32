/**
 * The segment registers of ring 3. Code and stack are always the flat user segments; a guest may load the others with
 * the selectors that the descriptor table offers it, or with null.
 */
import type { X86Context } from "./context.ts";
import type { Engine } from "./engine.ts";
import {
  CS,
  DS,
  ES,
  FS,
  GS,
  IS_32,
  SEGMENT_ACCESS,
  SEGMENT_BASE,
  SEGMENT_IS_NULL,
  SEGMENT_LIMIT,
  SEGMENT_SELECTOR,
  SELECTOR_TEB,
  SELECTOR_USER_CODE,
  SELECTOR_USER_DATA,
  SS,
  STACK_SIZE_32,
  STATE_FLAGS,
  TR,
} from "./layout.ts";
import { ACCESS_USER_CODE, ACCESS_USER_DATA, TEB_LIMIT, writeTebDescriptor } from "./supervisor.ts";

const STATE_32_BIT_RING_3 = 0b0111;
const STATE_FLAT = 0b1000;

/** Whether CS and SS are those of ring 3: the guest can load another segment into SS, until its next trap. */
export function hasUserSegments(engine: Engine): boolean {
  const { u16 } = engine;
  const selectors = SEGMENT_SELECTOR >>> 1;
  return u16[selectors + CS] === SELECTOR_USER_CODE && u16[selectors + SS] === SELECTOR_USER_DATA;
}

/** CS and SS as ring 3 has them, and what follows from all segments. */
export function enterUserSegments(engine: Engine): void {
  const { u8, u16, i32 } = engine;
  const selectors = SEGMENT_SELECTOR >>> 1;
  const bases = SEGMENT_BASE >>> 2;
  u16[selectors + CS] = SELECTOR_USER_CODE;
  u16[selectors + SS] = SELECTOR_USER_DATA;
  u8[SEGMENT_ACCESS + CS] = ACCESS_USER_CODE;
  u8[SEGMENT_ACCESS + SS] = ACCESS_USER_DATA;
  u8[SEGMENT_IS_NULL + CS] = 0;
  u8[SEGMENT_IS_NULL + SS] = 0;
  i32[bases + CS] = 0;
  i32[bases + SS] = 0;
  i32[(SEGMENT_LIMIT >>> 2) + CS] = -1;
  i32[(SEGMENT_LIMIT >>> 2) + SS] = -1;
  const flat = u8[SEGMENT_IS_NULL + DS] === 0 && i32[bases + DS] === 0;
  u8[IS_32] = 1;
  u8[STACK_SIZE_32] = 1;
  u8[STATE_FLAGS] = flat ? STATE_32_BIT_RING_3 | STATE_FLAT : STATE_32_BIT_RING_3;
}

export function loadSegments(engine: Engine, context: X86Context): void {
  loadSegment(engine, ES, context.segEs);
  loadSegment(engine, DS, context.segDs);
  loadSegment(engine, FS, context.segFs);
  loadSegment(engine, GS, context.segGs);
}

export function readSegments(engine: Engine, context: X86Context): void {
  const selectors = SEGMENT_SELECTOR >>> 1;
  context.segEs = engine.u16[selectors + ES] ?? 0;
  context.segDs = engine.u16[selectors + DS] ?? 0;
  context.segFs = engine.u16[selectors + FS] ?? 0;
  context.segGs = engine.u16[selectors + GS] ?? 0;
}

/** Sets the base behind {@link SELECTOR_TEB}, in the descriptor table and in each register that holds it. */
export function setTebBase(engine: Engine, base: number): void {
  if (engine.u8.length === 0) engine.refresh();
  engine.tebBase = base;
  writeTebDescriptor(engine, base);
  for (let segment = ES; segment < TR; segment++) {
    const selector = engine.u16[(SEGMENT_SELECTOR >>> 1) + segment] ?? 0;
    if ((selector & ~3) === (SELECTOR_TEB & ~3)) engine.i32[(SEGMENT_BASE >>> 2) + segment] = base;
  }
}

/** Loads what ring 3 could have loaded; any other selector becomes null, as Windows does with a CONTEXT's. */
function loadSegment(engine: Engine, segment: number, selector: number): void {
  const { u8, u16, i32 } = engine;
  const index = SEGMENT_SELECTOR >>> 1;
  if (u16[index + segment] === selector && selector !== 0) return;
  const wanted = selector & ~3;
  const isTeb = wanted === (SELECTOR_TEB & ~3);
  const isCode = wanted === (SELECTOR_USER_CODE & ~3);
  const known = isTeb || isCode || wanted === (SELECTOR_USER_DATA & ~3);
  u16[index + segment] = known ? selector : wanted === 0 ? selector : 0;
  u8[SEGMENT_IS_NULL + segment] = known ? 0 : 1;
  u8[SEGMENT_ACCESS + segment] = known ? (isCode ? ACCESS_USER_CODE : ACCESS_USER_DATA) : 0;
  i32[(SEGMENT_BASE >>> 2) + segment] = isTeb ? engine.tebBase : 0;
  i32[(SEGMENT_LIMIT >>> 2) + segment] = known ? (isTeb ? TEB_LIMIT : -1) : 0;
}
