/**
 * The colour of a routine. A routine that may block is a generator that returns {@link Blocking} and is called with
 * `yield*`; a routine that cannot is a plain function, and therefore atomic: nothing else in the machine runs between its
 * first and its last line. Only `sim/` and `ke/` yield; everybody else delegates.
 */

/**
 * Why a thread gave its processor back.
 * `wait`: it blocked on dispatcher objects. `preempt`: it can go on, but somebody else may go first.
 * `terminated`: it will never run again.
 */
export type Suspension = "wait" | "preempt" | "terminated";

/** A routine in progress on some thread's kernel stack, which answers with a `T`. */
export type Blocking<T> = Generator<Suspension, T, void>;

const STEP: IteratorResult<never, void> = { done: true, value: undefined };

/**
 * What a routine answers with that may block and, this time, had nothing to wait for. The routines that every system call
 * goes through would otherwise make a generator each, only to find that out.
 */
export const DONE: Blocking<void> = {
  next: () => STEP,
  return: () => STEP,
  throw: () => STEP,
  [Symbol.iterator]: () => DONE,
};
