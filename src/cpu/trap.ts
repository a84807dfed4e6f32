/** Why a stay in ring 3 ended, and where it goes on. */
import { INITIAL_EFLAGS } from "./context.ts";

/** {@link Trap.vector} when the budget was used up. */
export const VECTOR_QUANTUM = -1;
/** {@link Trap.vector} when v86 panicked over the instruction at `eip`. The guest gets an illegal instruction. */
export const VECTOR_PROCESSOR_FAULT = -2;
export const VECTOR_DEBUG = 1;
export const VECTOR_GENERAL_PROTECTION = 13;
export const VECTOR_PAGE_FAULT = 14;

/** Why a run ended and where the context continues. The kernel may change the last three before the next run. */
export interface Trap {
  vector: number;
  errorCode: number;
  /** CR2; meaningful for a page fault. */
  faultAddress: number;
  eip: number;
  esp: number;
  eflags: number;
}

export function newTrap(): Trap {
  return { vector: VECTOR_QUANTUM, errorCode: 0, faultAddress: 0, eip: 0, esp: 0, eflags: INITIAL_EFLAGS };
}
