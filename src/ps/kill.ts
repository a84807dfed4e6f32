/**
 * Termination, the deciding half: who may end whom, and how the order reaches a thread.
 *
 * A thread is never ended from outside. The killer marks it TERMINATED, queues a normal kernel APC and undoes any
 * suspension; the victim finishes whatever it does in the kernel, and dies on its way back to user mode (see
 * `exit.ts`). So no thread dies holding something of the kernel.
 *
 * Invariants: TERMINATED and PROCESS_DELETE are only ever set. Whoever sets TERMINATED queues the APC before anything
 * can stop it (a critical region covers both), so a marked thread always dies (D02). Nothing here allocates (D03).
 */
import { PASSIVE_LEVEL } from "../abi/ke.ts";
import {
  CT_SYSTEM_THREAD,
  CT_TERMINATED,
  PSF_BREAK_ON_TERMINATION,
  PSF_PROCESS_DELETE,
  PSF_PROCESS_EXITING,
} from "../abi/ps.ts";
import {
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_INVALID_PARAMETER,
  STATUS_NOTHING_TO_TERMINATE,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  STATUS_SYSTEM_SHUTDOWN,
} from "../abi/status.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../ex/rundown.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import type { Kernel } from "../kernel.ts";
import { ObClearProcessHandleTable } from "../ob/killprocess.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import { catchCriticalThread, PspCatchCriticalBreak } from "./critical.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "./current.ts";
import { PspExitThread } from "./exit.ts";
import { queueKill } from "./exitapc.ts";
import { hasCrossThreadFlag, hasProcessFlag, PspSetCrossThreadFlag, PspSetProcessFlag } from "./flags.ts";
import { PsGetNextProcess, PsGetNextProcessThread } from "./iterate.ts";
import { hasKillErrata, killThreadsWithErrata, killWithErrata } from "./killerrata.ts";
import { type KillReason, recordRequest } from "./killreason.ts";
import type { EProcess, EThread } from "./objects.ts";
import { skip, step } from "./steps.ts";

/**
 * Tells a thread to die; if it is the current one, it dies here.
 * @returns SUCCESS when it is marked, by this call or an earlier one: it may live on for a while; ACCESS_DENIED for a
 *   system thread; UNSUCCESSFUL for one that takes no more APCs
 * @source ntoskrnl/ps/kill.c:989-1067, PspTerminateThreadByPointer
 * @deviates the APC block is part of the thread, so the call cannot fail for lack of memory (D03)
 */
export function* PspTerminateThreadByPointer(
  k: Kernel,
  thread: EThread,
  exitStatus: NtStatus,
  options: KillReason & { readonly self: boolean },
): Blocking<NtStatus> {
  if (options.self || thread === PsGetCurrentThread(k)) {
    step(k, "K2");
    assert(k.ke.prcb.irql === PASSIVE_LEVEL, "a thread ends itself at PASSIVE_LEVEL");
    yield* catchCriticalThread(k, thread);
    PspSetCrossThreadFlag(thread, CT_TERMINATED);
    step(k, "K3");
    recordRequest(k, thread, exitStatus, options);
    step(k, "K4");
    return yield* PspExitThread(k, exitStatus);
  }
  if (hasKillErrata(k)) return yield* killWithErrata(k, thread, exitStatus, options);
  if (hasCrossThreadFlag(thread, CT_SYSTEM_THREAD)) {
    step(k, "K5");
    return STATUS_ACCESS_DENIED;
  }
  if (hasCrossThreadFlag(thread, CT_TERMINATED)) skip(k, "K1", "already-dying");
  else yield* catchCriticalThread(k, thread);
  KeEnterCriticalRegion(k);
  const status = markAndQueue(k, thread, exitStatus, options);
  yield* KeLeaveCriticalRegion(k);
  return status;
}

/** K6 to K11. Plain, hence atomic: nobody ever sees a thread that is marked and has no kill APC. */
function markAndQueue(k: Kernel, thread: EThread, exitStatus: NtStatus, reason: KillReason): NtStatus {
  step(k, "K6");
  const before = PspSetCrossThreadFlag(thread, CT_TERMINATED);
  step(k, "K7");
  if ((before & CT_TERMINATED) !== 0) {
    step(k, "K8");
    return STATUS_SUCCESS;
  }
  recordRequest(k, thread, exitStatus, reason);
  return queueKill(k, thread, exitStatus);
}

/**
 * Ends every thread of a process, without any handle or access check.
 * @returns SUCCESS, NOTHING_TO_TERMINATE, or PROCESS_IS_TERMINATING; no return if it is the caller's own process
 * @source ntoskrnl/ps/kill.c:80-125, PspTerminateProcess
 * @deviates takes process rundown (D06); the caller's own thread goes last, after all references are dropped (D04)
 * @public for drivers, and for jobs
 */
export function* PspTerminateProcess(
  k: Kernel,
  process: EProcess,
  exitStatus: NtStatus,
  reason: KillReason,
): Blocking<NtStatus> {
  const { errata } = k.sim;
  const spoilt = errata.has("D04") || errata.has("D06");
  const status = spoilt
    ? yield* killThreadsWithErrata(k, process, exitStatus, { reason, kill: PspTerminateThreadByPointer })
    : yield* killThreads(k, process, exitStatus, reason);
  if (status === STATUS_PROCESS_IS_TERMINATING) return status;
  const nothing = status === STATUS_NOTHING_TO_TERMINATE;
  if (nothing || process.debugPort !== null) {
    step(k, "PT4", nothing ? "no-thread" : "debugged");
    yield* ObClearProcessHandleTable(k, process);
  } else skip(k, "PT4", "not-needed");
  step(k, "PT5", nothing ? "nothing-to-terminate" : "success");
  const caller = PsGetCurrentThread(k);
  if (process === caller.threadsProcess) yield* terminateSelfLast(k, caller, exitStatus, reason);
  return status;
}

/** PT1 to PT3, under process rundown. */
function* killThreads(k: Kernel, process: EProcess, exitStatus: NtStatus, reason: KillReason): Blocking<NtStatus> {
  const caller = PsGetCurrentThread(k);
  KeEnterCriticalRegion(k);
  if (!ExAcquireRundownProtection(process.rundownProtect)) {
    yield* KeLeaveCriticalRegion(k);
    return STATUS_PROCESS_IS_TERMINATING;
  }
  if (hasProcessFlag(process, PSF_PROCESS_DELETE)) skip(k, "PT1", "already-dying");
  else yield* catchCriticalProcess(k, process);
  PspSetProcessFlag(process, PSF_PROCESS_DELETE);
  step(k, "PT2");
  let status: NtStatus = STATUS_NOTHING_TO_TERMINATE;
  for (
    let thread = yield* PsGetNextProcessThread(k, process, null);
    thread !== null;
    thread = yield* PsGetNextProcessThread(k, process, thread)
  ) {
    step(k, "PT3", thread.signalState !== 0 ? "signaled" : thread === caller ? "caller" : "other");
    if (thread.signalState !== 0) continue;
    status = STATUS_SUCCESS;
    if (thread !== caller) yield* PspTerminateThreadByPointer(k, thread, exitStatus, { self: false, ...reason });
  }
  ExReleaseRundownProtection(k, process.rundownProtect);
  yield* KeLeaveCriticalRegion(k);
  return status;
}

/** PT1, for a process whose death is being decided now. */
function* catchCriticalProcess(k: Kernel, process: EProcess): Blocking<void> {
  if (!hasProcessFlag(process, PSF_BREAK_ON_TERMINATION)) {
    skip(k, "PT1", "not-critical");
    return;
  }
  step(k, "PT1");
  yield* PspCatchCriticalBreak(k, "Terminating critical process 0x%p (%s)", process, process.imageFileName);
}

/** Ends the calling thread, at once if it may, else when it leaves its region: by its own kill APC. */
function* terminateSelfLast(k: Kernel, caller: EThread, exitStatus: NtStatus, reason: KillReason): Blocking<void> {
  if (caller.exiting) return;
  if (k.ke.prcb.irql === PASSIVE_LEVEL && caller.combinedApcDisable === 0 && caller.apcStateIndex === 0) {
    yield* PspTerminateThreadByPointer(k, caller, exitStatus, { self: true, ...reason });
  }
  markAndQueue(k, caller, exitStatus, reason);
}

/**
 * Ends a process from the kernel.
 * @source ntoskrnl/ps/kill.c:127-134, PsTerminateProcess
 */
export function PsTerminateProcess(k: Kernel, process: EProcess, exitStatus: NtStatus): Blocking<NtStatus> {
  return PspTerminateProcess(k, process, exitStatus, { route: "process-kill", via: "PsTerminateProcess" });
}

/**
 * Ends all processes but the System and Idle ones, and waits for none of them.
 * @source ntoskrnl/ps/kill.c:136-156, PspShutdownProcessManager
 * @deviates skips the caller's own process, and critical ones, which would stop the machine (D44)
 * @erratum D05 the loop comes to its caller's own process, and is never finished
 */
export function* PspShutdownProcessManager(k: Kernel): Blocking<void> {
  // Without it the loop ends with its caller, who holds a reference and leaves the others alive (D05).
  const own = k.sim.errata.has("D05") ? null : PsGetCurrentProcess(k);
  for (
    let process = yield* PsGetNextProcess(k, null);
    process !== null;
    process = yield* PsGetNextProcess(k, process)
  ) {
    if (process === k.ps.initialSystemProcess || process === k.ps.idleProcess) continue;
    // Erratum D44: nobody is spared.
    const spared = process === own || hasProcessFlag(process, PSF_BREAK_ON_TERMINATION);
    if (spared && !k.sim.errata.has("D44")) continue;
    const reason = { route: "shutdown", via: "PspShutdownProcessManager" } as const;
    yield* PspTerminateProcess(k, process, STATUS_SYSTEM_SHUTDOWN, reason);
  }
}

/**
 * Ends the calling system thread.
 * @returns INVALID_PARAMETER if it is not a system thread; otherwise never
 * @source ntoskrnl/ps/kill.c:1146-1157, PsTerminateSystemThread
 */
export function* PsTerminateSystemThread(k: Kernel, exitStatus: NtStatus): Blocking<NtStatus> {
  const thread = PsGetCurrentThread(k);
  if (!hasCrossThreadFlag(thread, CT_SYSTEM_THREAD)) return STATUS_INVALID_PARAMETER;
  return yield* PspTerminateThreadByPointer(k, thread, exitStatus, {
    self: true,
    route: "exited",
    via: "PsTerminateSystemThread",
  });
}

/**
 * Whether the address space is being torn down.
 * @erratum D46 answers with the bit, 4, which is not what `=== true` asks for
 * @source ntoskrnl/ps/kill.c:1069-1074, PspIsProcessExiting
 * @public for drivers
 */
export function PspIsProcessExiting(k: Kernel, process: EProcess): boolean {
  if (k.sim.errata.has("D46")) return (process.flags & PSF_PROCESS_EXITING) as unknown as boolean;
  return hasProcessFlag(process, PSF_PROCESS_EXITING);
}
