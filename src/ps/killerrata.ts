/**
 * The deciding half of termination as the seed does it, defect by defect. Nothing here is reached unless an erratum is on.
 * What an erratum does not spoil is right here too.
 */
import {
  CT_BREAK_ON_TERMINATION,
  CT_SYSTEM_THREAD,
  CT_TERMINATED,
  PSF_PROCESS_DELETE,
  TAG_TERMINATE_APC,
} from "../abi/ps.ts";
import {
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_NOTHING_TO_TERMINATE,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import { ExAllocatePoolWithTag, ExFreePoolWithTag } from "../ex/pool.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import type { Kernel } from "../kernel.ts";
import { type Blocking, DONE } from "../sim/blocking.ts";
import { erratumGap } from "../sim/gap.ts";
import { catchCriticalThread } from "./critical.ts";
import { PsGetCurrentThread } from "./current.ts";
import { queueKill } from "./exitapc.ts";
import { hasCrossThreadFlag, PspSetCrossThreadFlag, PspSetProcessFlag } from "./flags.ts";
import { PsGetNextProcessThread } from "./iterate.ts";
import { type KillReason, recordRequest } from "./killreason.ts";
import type { EProcess, EThread } from "./objects.ts";

const APC_BYTES = 0x30;

/** Whether one of the errata of {@link killWithErrata} is on. */
export function hasKillErrata({ sim: { errata } }: Kernel): boolean {
  return errata.has("D01") || errata.has("D02") || errata.has("D03") || errata.has("D47");
}

/**
 * Tells another thread to die.
 * @erratum D47 a critical thread stops the machine even if it is a system thread, or dead already
 * @source ntoskrnl/ps/kill.c:989-1067, PspTerminateThreadByPointer
 */
export function* killWithErrata(
  k: Kernel,
  thread: EThread,
  exitStatus: NtStatus,
  reason: KillReason,
): Blocking<NtStatus> {
  const checksFirst = k.sim.errata.has("D47") && hasCrossThreadFlag(thread, CT_BREAK_ON_TERMINATION);
  if (checksFirst) yield* catchCriticalThread(k, thread);
  if (hasCrossThreadFlag(thread, CT_SYSTEM_THREAD)) return STATUS_ACCESS_DENIED;
  if (!checksFirst && !hasCrossThreadFlag(thread, CT_TERMINATED)) yield* catchCriticalThread(k, thread);
  if (!hasMemoryForKill(k)) return STATUS_INSUFFICIENT_RESOURCES;
  const suspendable = k.sim.errata.has("D02");
  if (!suspendable) KeEnterCriticalRegion(k);
  const status = yield* markThenQueue(k, thread, exitStatus, reason);
  if (!suspendable) yield* KeLeaveCriticalRegion(k);
  return status;
}

/**
 * Whether there is a block for the APC.
 * @erratum D03 the kill allocates. The APC that is queued is still the thread's own, so the block is given back at once.
 */
function hasMemoryForKill(k: Kernel): boolean {
  if (!k.sim.errata.has("D03")) return true;
  const block = ExAllocatePoolWithTag(k, APC_BYTES, TAG_TERMINATE_APC);
  if (block === null) return false;
  ExFreePoolWithTag(k, block, TAG_TERMINATE_APC);
  return true;
}

/** @erratum D02 in the gap the killer takes kernel APCs, so it can be suspended there */
function* markThenQueue(k: Kernel, thread: EThread, exitStatus: NtStatus, reason: KillReason): Blocking<NtStatus> {
  const before = yield* setTerminated(k, thread);
  if ((before & CT_TERMINATED) !== 0) return STATUS_SUCCESS;
  yield* erratumGap(k, "D02:between-mark-and-queue");
  recordRequest(k, thread, exitStatus, reason);
  return queueKill(k, thread, exitStatus);
}

/**
 * Marks the thread. @returns the flags before
 * @erratum D01 the flags are read, then exchanged: what others change in between is undone
 */
function* setTerminated(k: Kernel, thread: EThread): Blocking<number> {
  if (!k.sim.errata.has("D01")) return PspSetCrossThreadFlag(thread, CT_TERMINATED);
  const flags = thread.crossThreadFlags | CT_TERMINATED;
  yield* erratumGap(k, "D01:between-read-and-exchange");
  const before = thread.crossThreadFlags;
  thread.crossThreadFlags = flags;
  return before;
}

/** Tells one thread to die; itself, if it is the caller. */
type KillThread = (
  k: Kernel,
  thread: EThread,
  exitStatus: NtStatus,
  options: KillReason & { readonly self: boolean },
) => Blocking<NtStatus>;

/**
 * Marks a process and tells its threads to die, without its rundown.
 * @erratum D04 the caller dies when the walk comes to it: with the walk's reference, and before the threads behind it
 * @erratum D06 threads that have exited count, so a process that has ended is terminated once more
 * @source ntoskrnl/ps/kill.c:80-125, PspTerminateProcess
 */
export function* killThreadsWithErrata(
  k: Kernel,
  process: EProcess,
  exitStatus: NtStatus,
  options: { readonly reason: KillReason; readonly kill: KillThread },
): Blocking<NtStatus> {
  const { reason, kill } = options;
  const caller = PsGetCurrentThread(k);
  const suicidal = k.sim.errata.has("D04");
  PspSetProcessFlag(process, PSF_PROCESS_DELETE);
  let status: NtStatus = STATUS_NOTHING_TO_TERMINATE;
  for (
    let thread = yield* PsGetNextProcessThread(k, process, null);
    thread !== null;
    thread = yield* PsGetNextProcessThread(k, process, thread)
  ) {
    status = STATUS_SUCCESS;
    if (thread !== caller || suicidal) yield* kill(k, thread, exitStatus, { self: false, ...reason });
  }
  return status;
}

/**
 * Keeps the killer from being suspended while it holds the rundown of its victim.
 * @erratum D35 it can be suspended
 */
export function enterKill(k: Kernel): void {
  if (!k.sim.errata.has("D35")) KeEnterCriticalRegion(k);
}

/** Undoes {@link enterKill}. */
export function leaveKill(k: Kernel): Blocking<void> {
  return k.sim.errata.has("D35") ? DONE : KeLeaveCriticalRegion(k);
}
