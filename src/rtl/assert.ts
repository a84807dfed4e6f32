/**
 * Assertions state what must hold for *our* code to be right, whatever the guest does. They are on in every build:
 * a wrong answer from a kernel is worse than none.
 */

/** Thrown by {@link assert}: a defect of this kernel, never of the guest. */
export class AssertionFailure extends Error {
  override readonly name = "AssertionFailure";
}

/** Fails with `sentence`, which says what should have held, unless `condition` does. */
export function assert(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new AssertionFailure(sentence);
}
