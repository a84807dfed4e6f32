/**
 * Termination by handle: what user mode asks for. Each service decides which threads are meant and who the caller is to
 * them; how a thread is told to die is `kill.ts`.
 *
 * Invariants: a process is ended under its rundown protection, taken inside a critical region, so that neither its exit
 * nor a suspension of the killer comes between its threads (D35). A caller that ends itself goes last, and drops its own
 * references first, because nothing after that runs.
 */
import {
  CURRENT_PROCESS_HANDLE,
  CURRENT_THREAD_HANDLE,
  PROCESS_TERMINATE,
  PSF_BREAK_ON_TERMINATION,
  PSF_PROCESS_DELETE,
  THREAD_TERMINATE,
} from "../abi/ps.ts";
import {
  DBG_TERMINATE_PROCESS,
  NT_ERROR,
  type NtResult,
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_CANT_TERMINATE_SELF,
  STATUS_NOTHING_TO_TERMINATE,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../ex/rundown.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { ObClearProcessHandleTable } from "../ob/killprocess.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import { erratumGap } from "../sim/gap.ts";
import { PspCatchCriticalBreak } from "./critical.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "./current.ts";
import { hasProcessFlag, PspSetProcessFlag } from "./flags.ts";
import { PsGetNextProcessThread } from "./iterate.ts";
import { PspTerminateThreadByPointer } from "./kill.ts";
import { enterKill, leaveKill } from "./killerrata.ts";
import type { KillReason } from "./killreason.ts";
import type { EProcess, EThread } from "./objects.ts";
import { skip, step } from "./steps.ts";

/**
 * Ends a process, or all other threads of the caller's.
 * @returns INVALID_HANDLE, OBJECT_TYPE_MISMATCH, ACCESS_DENIED, PROCESS_IS_TERMINATING, or SUCCESS; no return if the
 *   caller's own process was named
 * @source ntoskrnl/ps/kill.c:1162-1278, NtTerminateProcess
 * @deviates `ACCESS_DENIED` for the System process (D10); the critical check follows the liveness check and only the
 *   call that decides the death makes it (D47); "own" means the home process, not the attached one (D15)
 * @erratum D10, D15, D35, D47 the opposite of each
 */
export function* NtTerminateProcess(k: Kernel, processHandle: number, exitStatus: NtStatus): Blocking<NtStatus> {
  const killByHandle = processHandle !== 0;
  const caller = PsGetCurrentThread(k);
  step(k, "NP1", killByHandle ? "handle" : "own");
  const reference = referenceVictim(k, caller, processHandle);
  if (!reference.ok) {
    step(k, "NP2", "refused");
    return reference.status;
  }
  const process = reference.value;
  const system = process === k.ps.initialSystemProcess && !k.sim.errata.has("D10");
  step(k, "NP2", system ? "system" : "found");
  if (system) {
    yield* ObDereferenceObject(k, process);
    return STATUS_ACCESS_DENIED;
  }
  const own = process === ownProcess(k, caller);
  if (k.sim.errata.has("D47")) yield* catchCriticalProcess(k, process);

  // In a critical region: a suspended killer would hold the rundown, and with it the victim's exit (D35).
  enterKill(k);
  const taken = ExAcquireRundownProtection(process.rundownProtect);
  step(k, "NP4", taken ? "taken" : "ending");
  if (!taken) {
    yield* leaveKill(k);
    yield* ObDereferenceObject(k, process);
    return STATUS_PROCESS_IS_TERMINATING;
  }
  yield* erratumGap(k, "D35:rundown-held");
  const status = yield* killOtherThreads(k, process, exitStatus, { killByHandle });
  ExReleaseRundownProtection(k, process.rundownProtect);
  step(k, "NP8");
  yield* leaveKill(k);

  if (own && killByHandle) {
    step(k, "NP9");
    // The suicide does not return, so its reference goes first.
    yield* ObDereferenceObject(k, process);
    step(k, "NP10");
    return yield* PspTerminateThreadByPointer(k, caller, exitStatus, {
      self: true,
      ...reasonOfExit(k, caller, exitStatus),
    });
  }
  if (own) skip(k, "NP9", "survives");
  yield* breakDebuggedCycles(k, process, { own, killByHandle, exitStatus, status });
  step(k, "NP14");
  yield* ObDereferenceObject(k, process);
  return STATUS_SUCCESS;
}

/** NP2. Without a handle it is the process that an exit of the caller ends, whatever the caller is attached to. */
function referenceVictim(k: Kernel, caller: EThread, handle: number): NtResult<EProcess> {
  const own = ownProcess(k, caller);
  if (handle === 0 && own !== PsGetCurrentProcess(k)) {
    ObReferenceObject(own);
    return success(own);
  }
  const named = handle === 0 ? CURRENT_PROCESS_HANDLE : handle;
  return ObReferenceObjectByHandle<EProcess>(k, named, PROCESS_TERMINATE, k.ps.processType, KeGetPreviousMode(k));
}

/**
 * The process that an exit of the caller ends.
 * @erratum D15 the one that it is attached to
 */
function ownProcess(k: Kernel, caller: EThread): EProcess {
  return k.sim.errata.has("D15") ? PsGetCurrentProcess(k) : caller.threadsProcess;
}

/** An exit with the code of the thread's last exception is what an unhandled exception filter does. */
function reasonOfExit(k: Kernel, caller: EThread, exitStatus: NtStatus): KillReason {
  const via = "NtTerminateProcess";
  if (exitStatus !== caller.lastException || !NT_ERROR(exitStatus)) return { route: "exited", via };
  k.ps.crashed.add(caller.threadsProcess.pid);
  return { route: "exception", via };
}

/** NP5 to NP7, under process rundown. */
function* killOtherThreads(
  k: Kernel,
  process: EProcess,
  exitStatus: NtStatus,
  options: { readonly killByHandle: boolean },
): Blocking<NtStatus> {
  const caller = PsGetCurrentThread(k);
  let status: NtStatus = STATUS_NOTHING_TO_TERMINATE;
  step(k, "NP5");
  if (options.killByHandle) {
    if (hasProcessFlag(process, PSF_PROCESS_DELETE)) skip(k, "NP3", "already-dying");
    else if (!k.sim.errata.has("D47")) yield* catchCriticalProcess(k, process);
    PspSetProcessFlag(process, PSF_PROCESS_DELETE);
    step(k, "NP6");
  } else {
    skip(k, "NP3", "own");
    skip(k, "NP6", "own");
  }
  const reason: KillReason = options.killByHandle
    ? { route: "process-kill", via: "NtTerminateProcess" }
    : { route: "process-exit", via: "NtTerminateProcess(NULL)" };
  for (
    let thread = yield* PsGetNextProcessThread(k, process, null);
    thread !== null;
    thread = yield* PsGetNextProcessThread(k, process, thread)
  ) {
    step(k, "NP7", thread === caller ? "caller" : "other");
    status = STATUS_SUCCESS;
    if (thread === caller) continue;
    yield* PspTerminateThreadByPointer(k, thread, exitStatus, { self: false, ...reason });
  }
  return status;
}

/** NP3. */
function* catchCriticalProcess(k: Kernel, process: EProcess): Blocking<void> {
  if (!hasProcessFlag(process, PSF_BREAK_ON_TERMINATION)) {
    skip(k, "NP3", "not-critical");
    return;
  }
  step(k, "NP3");
  yield* PspCatchCriticalBreak(k, "Terminating critical process 0x%p (%s)", process, process.imageFileName);
}

/** NP11 to NP13: a debugged or thread-less process may hold the only handles that keep it alive. */
function* breakDebuggedCycles(
  k: Kernel,
  process: EProcess,
  call: {
    readonly own: boolean;
    readonly killByHandle: boolean;
    readonly exitStatus: NtStatus;
    readonly status: NtStatus;
  },
): Blocking<void> {
  if (!call.own && call.exitStatus === DBG_TERMINATE_PROCESS) {
    step(k, "NP11");
    yield* k.ps.dbgk.clearDebugObject(k, process);
  } else skip(k, "NP11", call.own ? "own" : "other-status");
  const nothing = call.status === STATUS_NOTHING_TO_TERMINATE;
  if (nothing || (process.debugPort !== null && call.killByHandle)) {
    step(k, "NP12", nothing ? "no-thread" : "debugged");
    yield* ObClearProcessHandleTable(k, process);
    step(k, "NP13");
  } else skip(k, "NP12", "not-needed");
}

/**
 * Ends a thread.
 * @returns INVALID_HANDLE, OBJECT_TYPE_MISMATCH, ACCESS_DENIED, CANT_TERMINATE_SELF, UNSUCCESSFUL, or SUCCESS; no
 *   return if the caller was named
 * @source ntoskrnl/ps/kill.c:1280-1341, NtTerminateThread
 */
export function* NtTerminateThread(k: Kernel, threadHandle: number, exitStatus: NtStatus): Blocking<NtStatus> {
  const caller = PsGetCurrentThread(k);
  const suicide = { self: true, route: "exited", via: "NtTerminateThread" } as const;
  if (threadHandle === 0) {
    const last = ownProcess(k, caller).activeThreads === 1;
    step(k, "NT1", last ? "last" : "not-last");
    if (last) return STATUS_CANT_TERMINATE_SELF;
    yield* erratumGap(k, "D33:counted");
    return yield* PspTerminateThreadByPointer(k, caller, exitStatus, suicide);
  }
  if (threadHandle === CURRENT_THREAD_HANDLE) {
    step(k, "NT2");
    return yield* PspTerminateThreadByPointer(k, caller, exitStatus, suicide);
  }
  const reference = ObReferenceObjectByHandle<EThread>(
    k,
    threadHandle,
    THREAD_TERMINATE,
    k.ps.threadType,
    KeGetPreviousMode(k),
  );
  step(k, "NT3", reference.ok ? "found" : "refused");
  if (!reference.ok) return reference.status;
  const thread = reference.value;
  if (thread === caller) {
    step(k, "NT5");
    yield* ObDereferenceObject(k, thread);
    return yield* PspTerminateThreadByPointer(k, caller, exitStatus, suicide);
  }
  step(k, "NT4");
  const status = yield* PspTerminateThreadByPointer(k, thread, exitStatus, {
    self: false,
    route: "killed",
    via: "NtTerminateThread",
  });
  yield* ObDereferenceObject(k, thread);
  return status;
}
