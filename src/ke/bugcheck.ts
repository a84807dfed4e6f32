/** Where NT itself gives up. The only thing that is thrown in the kernel; the run loop catches it. */
import type { BugCheckCode } from "../abi/ke.ts";
import type { Kernel } from "../kernel.ts";
import { emit } from "../sim/record.ts";
import { KeQueryInterruptTime } from "./time.ts";

/** Ends the machine; caught by the run loop and reported as an ordinary outcome. */
export class BugCheckSignal extends Error {
  override readonly name = "BugCheckSignal";
}

/**
 * Stops the machine. Object parameters are given by their ids, so that two runs report the same numbers.
 * @returns never
 */
export function KeBugCheckEx(k: Kernel, code: BugCheckCode, p1 = 0, p2 = 0, p3 = 0, p4 = 0): never {
  k.ke.bugCheck = { code, parameters: [p1 >>> 0, p2 >>> 0, p3 >>> 0, p4 >>> 0] };
  emit(k, { kind: "bugcheck", time: KeQueryInterruptTime(k), code, parameters: k.ke.bugCheck.parameters });
  throw new BugCheckSignal(`bugcheck 0x${code.toString(16)}`);
}
