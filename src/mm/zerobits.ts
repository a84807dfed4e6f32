/** The `ZeroBits` argument: how many high-order bits of the address must be zero. */
import { MM_HIGHEST_VAD_ADDRESS } from "../abi/mm.ts";

export const MAXIMUM_ZERO_BITS = 21;

/** The highest address that a region with this argument may cover. */
export function highestAddress(zeroBits: number): number {
  return zeroBits === 0 ? MM_HIGHEST_VAD_ADDRESS : Math.min(0xffffffff >>> zeroBits, MM_HIGHEST_VAD_ADDRESS);
}
