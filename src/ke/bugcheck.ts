/** Where NT itself gives up. The only thing that is thrown in the kernel; the run loop catches it. */
import { BugCheckCode } from "../abi/ke.ts";
import { STATUS_UNHANDLED_EXCEPTION } from "../abi/status.ts";
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

/**
 * Ends the machine because of something that was thrown while it ran drivers. Their code is not ours: whether it failed
 * by itself or led one of our assertions to fail, NT would stop here, and so does this machine, not its host.
 * @returns false if there is no driver: then the error is our own, and the host's to hear of
 */
export function stopForDriver(k: Kernel, error: unknown): boolean {
  if (!k.ke.runsDrivers) return false;
  const thread = k.ke.currentThread;
  const user = thread !== null && thread.user !== null;
  const { KMODE_EXCEPTION_NOT_HANDLED, SYSTEM_THREAD_EXCEPTION_NOT_HANDLED } = BugCheckCode;
  const code = user || thread === null ? KMODE_EXCEPTION_NOT_HANDLED : SYSTEM_THREAD_EXCEPTION_NOT_HANDLED;
  const parameters = [STATUS_UNHANDLED_EXCEPTION >>> 0, thread?.id ?? 0, 0, 0] as const;
  k.ke.bugCheck = { code, parameters, cause: error };
  emit(k, { kind: "bugcheck", time: KeQueryInterruptTime(k), code, parameters });
  return true;
}
