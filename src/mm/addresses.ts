/** Arithmetic on addresses: the `ZeroBits` argument of services, and rounding to pages. */
import { MM_HIGHEST_VAD_ADDRESS, PAGE_SIZE } from "../abi/mm.ts";

/** The most high-order bits that a caller may want to be zero. */
export const MAXIMUM_ZERO_BITS = 21;

/** The highest address that a region with this argument may cover. */
export function highestAddress(zeroBits: number): number {
  return zeroBits === 0 ? MM_HIGHEST_VAD_ADDRESS : Math.min(0xffffffff >>> zeroBits, MM_HIGHEST_VAD_ADDRESS);
}

/** Rounds up to whole pages. */
export function pageAlign(bytes: number): number {
  return Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;
}
