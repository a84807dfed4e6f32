/**
 * The kill APC: queued first as a normal kernel APC, whose normal routine queues the same block again as a user APC at
 * the head of the list. So a dying thread finishes its system call and dies at its next return to user mode.
 */
import { KernelMode, UserMode } from "../abi/ke.ts";
import { type NtStatus, ntStatus, STATUS_SUCCESS, STATUS_UNSUCCESSFUL } from "../abi/status.ts";
import { KeInitializeApc, KeInsertQueueApc } from "../ke/apc.ts";
import { type ApcCall, KApc } from "../ke/objects.ts";
import { KeForceResumeThread } from "../ke/suspend.ts";
import { KeQueryInterruptTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import { emit } from "../sim/record.ts";
import { PsGetCurrentThread } from "./current.ts";
import { PspExitThread } from "./exit.ts";
import type { EThread } from "./objects.ts";
import { step } from "./steps.ts";

/** Increment that a killed thread's priority gets with each insertion, so that it dies soon. */
const KILL_INCREMENT = 2;

/**
 * K9 to K11: queues the kill of a marked thread and undoes its suspension.
 * @returns SUCCESS, or UNSUCCESSFUL for a thread that takes no more APCs
 */
export function queueKill(k: Kernel, thread: EThread, exitStatus: NtStatus): NtStatus {
  const apc = thread.exitApc;
  assert(apc !== null, "every user thread owns its kill APC");
  KeInitializeApc(apc, thread, {
    environment: 0,
    kernelRoutine: PsExitSpecialApc,
    rundownRoutine: PspExitApcRundown,
    normalRoutine: PspExitNormalApc,
    mode: KernelMode,
    context: exitStatus,
  });
  apc.isExit = true;
  step(k, "K9");
  const queued = KeInsertQueueApc(k, apc, apc, 0, KILL_INCREMENT);
  step(k, "K10", queued ? "queued" : "refused");
  if (!queued) return STATUS_UNSUCCESSFUL;
  KeForceResumeThread(k, thread);
  step(k, "K11");
  return STATUS_SUCCESS;
}

/**
 * Kernel routine of the kill APC. In the kernel-mode pass the normal routine follows; in the user-mode pass the thread
 * ends here and no user APC is built.
 * @irql APC_LEVEL
 * @source ntoskrnl/ps/kill.c:923-946, PsExitSpecialApc
 * @deviates does nothing in a thread that exits already (D24)
 * @erratum D24 the exit begins anew, inside the one that is under way
 */
export function* PsExitSpecialApc(k: Kernel, apc: KApc, call: ApcCall): Blocking<void> {
  if (call.argument2 === 0) return;
  const status = exitStatusOf(call.normalContext);
  yield* PspExitApcRundown(k, apc);
  // A callback into user mode, made while the thread exits, delivers the kill that somebody else queued meanwhile.
  if (PsGetCurrentThread(k).exiting && !k.sim.errata.has("D24")) return;
  return yield* PspExitThread(k, status);
}

/**
 * Normal routine of the kill APC.
 * @irql PASSIVE_LEVEL, in a normal kernel APC
 * @source ntoskrnl/ps/kill.c:948-984, PspExitNormalApc
 * @deviates arms delivery only if the thread still takes APCs (D32)
 */
// eslint-disable-next-line require-yield
export function* PspExitNormalApc(k: Kernel, context: unknown, argument1: unknown, argument2: unknown): Blocking<void> {
  assert(argument2 === 0, "the normal routine belongs to the first pass of the kill");
  assert(argument1 instanceof KApc, "the kill APC hands itself to its normal routine");
  const thread = PsGetCurrentThread(k);
  const apc = argument1;
  KeInitializeApc(apc, thread, {
    environment: 0,
    kernelRoutine: PsExitSpecialApc,
    rundownRoutine: PspExitApcRundown,
    normalRoutine: PspExitNormalApc,
    mode: UserMode,
    context,
  });
  if (k.sim.record !== null) {
    const time = KeQueryInterruptTime(k);
    emit(k, { kind: "thread-delivered", time, pid: thread.threadsProcess.pid, tid: thread.tid });
  }
  // Insertion of the kill in user mode goes to the head of the list and arms its delivery.
  KeInsertQueueApc(k, apc, apc, 1, KILL_INCREMENT);
}

/**
 * The kill APC is done with. Its block is part of the thread, so nothing is freed.
 * @source ntoskrnl/ps/kill.c:158-166, PspExitApcRundown
 */
// eslint-disable-next-line require-yield
export function* PspExitApcRundown(_k: Kernel, apc: KApc): Blocking<void> {
  assert(!apc.inserted, "a kill APC that is done with is in no queue");
}

function exitStatusOf(context: unknown): NtStatus {
  assert(typeof context === "number", "the kill APC's context is the exit status");
  return ntStatus(context);
}
