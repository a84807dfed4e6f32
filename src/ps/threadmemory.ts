/** What a dying thread leaves in user memory: its stack, if it asked for that, its debug object, and its TEB. */
import { BugCheckCode, UserMode } from "../abi/ke.ts";
import { CT_DEAD_THREAD } from "../abi/ps.ts";
import { Teb } from "../abi/teb.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import type { Kernel } from "../kernel.ts";
import { MmFreeUserStack } from "../mm/stack.ts";
import { MmDeleteTeb } from "../mm/teb.ts";
import { ObCloseHandle } from "../ob/close.ts";
import type { Blocking } from "../sim/blocking.ts";
import { hasCrossThreadFlag } from "./flags.ts";
import type { EThread } from "./objects.ts";
import { skip, step } from "./steps.ts";

/**
 * E30. The TEB is user memory and may hold anything: reads are guarded, failures are ignored, and nothing is raised in a
 * thread that never returns to user mode (D20).
 */
export function* releaseTeb(k: Kernel, thread: EThread): Blocking<void> {
  const { teb } = thread;
  if (teb === 0) {
    skip(k, "E30", "no-teb");
    return;
  }
  const process = thread.threadsProcess;
  const dead = hasCrossThreadFlag(thread, CT_DEAD_THREAD);
  if (!dead) {
    if (k.sim.errata.has("D20")) readTebUnguarded(k, teb);
    freeStackOnTermination(k, thread);
    const debugObject = readTeb(k, teb + Teb.DbgSsReserved1);
    if (debugObject !== 0) yield* ObCloseHandle(k, debugObject, UserMode);
  }
  MmDeleteTeb(k, process, teb);
  thread.teb = 0;
  step(k, "E30", dead ? "dead-thread" : "live-thread");
}

function freeStackOnTermination(k: Kernel, thread: EThread): void {
  const user = k.mm.user.begin();
  const wanted = user.readU8(thread.teb + Teb.FreeStackOnTermination) !== 0;
  const allocation = user.readU32(thread.teb + Teb.DeallocationStack);
  // An environment that never sets the flag has its stacks freed all the same, or they would pile up.
  const stack = wanted ? allocation : thread.kernelFreesStack;
  if (!user.faulted && stack !== 0) MmFreeUserStack(k, thread.threadsProcess, stack);
}

/** @erratum D20 nothing catches a read of the TEB that fails: an exception in the kernel that nobody handles */
function readTebUnguarded(k: Kernel, teb: number): void {
  const user = k.mm.user.begin();
  user.readU8(teb + Teb.FreeStackOnTermination);
  if (user.faulted) KeBugCheckEx(k, BugCheckCode.KMODE_EXCEPTION_NOT_HANDLED, user.status, 0, 0, teb);
}

function readTeb(k: Kernel, address: number): number {
  const user = k.mm.user.begin();
  const value = user.readU32(address);
  return user.faulted ? 0 : value;
}
