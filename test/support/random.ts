/** Repeatable chance for fuzz tests: a seed is all it takes to run a case again. */

export interface Random {
  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number;
  /** Any 32-bit word. */
  word(): number;
  /** True once in `times` times. */
  oneIn(times: number): boolean;
  pick<T>(values: readonly T[]): T;
}

/** A xorshift generator; seeds next to each other give unrelated sequences. */
export function randomFrom(seed: number): Random {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  const word = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  for (let warmUp = 0; warmUp < 8; warmUp++) word();
  const below = (limit: number): number => word() % limit;
  return {
    word,
    below,
    oneIn: (times) => below(times) === 0,
    pick: (values) => {
      const value = values[below(values.length)];
      if (value === undefined) throw new Error("something is picked from a list that is not empty");
      return value;
    },
  };
}
