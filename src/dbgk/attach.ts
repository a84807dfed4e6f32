/**
 * Attaching a debugger to a process that runs, and letting go of it again.
 *
 * Invariant: the debug port is set and the last thread told of in one hold of the debug-port mutex: a thread that begins
 * later finds the port and tells of itself, every earlier one has been told of. A process that is being ended is refused
 * under the same mutex, so whoever marks it afterwards sees the port (D27).
 */
import { DEBUG_PROCESS_ASSIGN } from "../abi/dbgk.ts";
import {
  CT_SKIP_CREATION_MSG,
  CT_SKIP_TERMINATION_MSG,
  PROCESS_SUSPEND_RESUME,
  PSF_CREATE_REPORTED,
  PSF_NO_DEBUG_INHERIT,
  PSF_PROCESS_DELETE,
} from "../abi/ps.ts";
import {
  type NtResult,
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_DEBUGGER_INACTIVE,
  STATUS_PORT_ALREADY_SET,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../ex/rundown.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import { KeSetEvent } from "../ke/event.ts";
import { KeAcquireGuardedMutex, KeReleaseGuardedMutex } from "../ke/gmutex.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../ps/current.ts";
import { hasProcessFlag, PspSetCrossThreadFlag, PspSetProcessFlag } from "../ps/flags.ts";
import { PsGetNextProcessThread } from "../ps/iterate.ts";
import type { EProcess, EThread } from "../ps/objects.ts";
import { listOwners, removeEntry } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { DbgkClearProcessDebugObject, DbgkpMarkProcessPeb } from "./detach.ts";
import { DbgkpPostFakeProcessCreateMessages, DbgkpPostFakeThreadMessages } from "./fake.ts";
import { DEBUG_EVENT_INACTIVE, DEBUG_EVENT_PROTECT_FAILED, type DebugEvent, type DebugObject } from "./objects.ts";
import { DbgkpWakeTarget } from "./queue.ts";

/**
 * Begins to debug a process.
 * @returns errors of the handles; ACCESS_DENIED for the caller's own and the System process; PROCESS_IS_TERMINATING;
 *   PORT_ALREADY_SET; DEBUGGER_INACTIVE; UNSUCCESSFUL without a thread; INSUFFICIENT_RESOURCES
 */
export function* NtDebugActiveProcess(k: Kernel, processHandle: number, debugHandle: number): Blocking<NtStatus> {
  const target = referenceProcess(k, processHandle);
  if (!target.ok) return target.status;
  const process = target.value;
  const status = yield* debugProcess(k, process, debugHandle);
  yield* ObDereferenceObject(k, process);
  return status;
}

function* debugProcess(k: Kernel, process: EProcess, debugHandle: number): Blocking<NtStatus> {
  if (process === PsGetCurrentProcess(k) || process === k.ps.initialSystemProcess) return STATUS_ACCESS_DENIED;
  const debug = referenceDebugObject(k, debugHandle, DEBUG_PROCESS_ASSIGN);
  if (!debug.ok) return debug.status;
  let status: NtStatus = STATUS_PROCESS_IS_TERMINATING;
  // A suspended attacher would hold the rundown, and with it the process's exit.
  KeEnterCriticalRegion(k);
  if (ExAcquireRundownProtection(process.rundownProtect)) {
    const posted = yield* DbgkpPostFakeProcessCreateMessages(k, process, debug.value);
    status = yield* DbgkpSetProcessDebugObject(k, process, debug.value, posted);
    ExReleaseRundownProtection(k, process.rundownProtect);
  }
  yield* KeLeaveCriticalRegion(k);
  yield* ObDereferenceObject(k, debug.value);
  return status;
}

/**
 * Ends the debugging of a process.
 * @returns errors of the handles; PORT_NOT_SET if the object does not debug it
 */
export function* NtRemoveProcessDebug(k: Kernel, processHandle: number, debugHandle: number): Blocking<NtStatus> {
  const target = referenceProcess(k, processHandle);
  if (!target.ok) return target.status;
  const debug = referenceDebugObject(k, debugHandle, DEBUG_PROCESS_ASSIGN);
  let status: NtStatus = STATUS_SUCCESS;
  if (debug.ok) {
    status = yield* DbgkClearProcessDebugObject(k, target.value, debug.value);
    yield* ObDereferenceObject(k, debug.value);
  } else {
    ({ status } = debug);
  }
  yield* ObDereferenceObject(k, target.value);
  return status;
}

function referenceProcess(k: Kernel, handle: number): NtResult<EProcess> {
  const { processType } = k.ps;
  return ObReferenceObjectByHandle<EProcess>(k, handle, PROCESS_SUSPEND_RESUME, processType, KeGetPreviousMode(k));
}

/** References a debug object for the length of one call. */
export function referenceDebugObject(k: Kernel, handle: number, access: number): NtResult<DebugObject> {
  return ObReferenceObjectByHandle<DebugObject>(k, handle, access, k.dbgk.debugObjectType, KeGetPreviousMode(k));
}

/** Makes the attaching complete, or takes back what was queued for it. */
function* DbgkpSetProcessDebugObject(
  k: Kernel,
  process: EProcess,
  object: DebugObject,
  posted: NtResult<EThread>,
): Blocking<NtStatus> {
  const { processDebugPortMutex } = k.dbgk;
  yield* KeAcquireGuardedMutex(k, processDebugPortMutex);
  const settled = posted.ok ? yield* settlePort(k, process, object, posted.value) : posted.status;
  yield* KeAcquireGuardedMutex(k, object.mutex);
  const status = settled === STATUS_SUCCESS && object.debuggerInactive ? STATUS_DEBUGGER_INACTIVE : settled;
  if (status === STATUS_SUCCESS) {
    ObReferenceObject(object);
    PspSetProcessFlag(process, PSF_NO_DEBUG_INHERIT | PSF_CREATE_REPORTED);
  } else if (settled === STATUS_SUCCESS) {
    process.debugPort = null;
  }
  const ended = settleEvents(k, object, { attached: status === STATUS_SUCCESS });
  yield* KeReleaseGuardedMutex(k, object.mutex);
  yield* KeReleaseGuardedMutex(k, processDebugPortMutex);
  for (const event of ended) yield* DbgkpWakeTarget(k, event);
  if (status === STATUS_SUCCESS) yield* DbgkpMarkProcessPeb(k, process);
  return status;
}

/**
 * Sets the port, unless threads have begun since the last that was told of: then tells of them first. Drops the
 * reference on `last`. The mutex is held before and after.
 */
function* settlePort(k: Kernel, process: EProcess, object: DebugObject, last: EThread): Blocking<NtStatus> {
  const { processDebugPortMutex } = k.dbgk;
  let known: NtResult<EThread> = { ok: true, value: last };
  while (known.ok) {
    const refused = refuseAttach(k, process);
    if (refused !== STATUS_SUCCESS) {
      yield* ObDereferenceObject(k, known.value);
      return refused;
    }
    process.debugPort = object;
    ObReferenceObject(known.value);
    const newer: EThread | null = yield* PsGetNextProcessThread(k, process, known.value);
    if (newer === null) {
      yield* ObDereferenceObject(k, known.value);
      return STATUS_SUCCESS;
    }
    process.debugPort = null;
    yield* ObDereferenceObject(k, newer);
    yield* KeReleaseGuardedMutex(k, processDebugPortMutex);
    known = yield* DbgkpPostFakeThreadMessages(k, process, object, known.value);
    yield* KeAcquireGuardedMutex(k, processDebugPortMutex);
  }
  return known.status;
}

/**
 * Whether a process may not get a debugger any more. A killer marks it before it looks for one (D27).
 * @erratum D27 a process that is being ended gets one, though its killer has found none and breaks no cycle of handles
 */
function refuseAttach(k: Kernel, process: EProcess): NtStatus {
  if (process.debugPort !== null) return STATUS_PORT_ALREADY_SET;
  const ends = hasProcessFlag(process, PSF_PROCESS_DELETE) && !k.sim.errata.has("D27");
  return ends ? STATUS_PROCESS_IS_TERMINATING : STATUS_SUCCESS;
}

/**
 * Makes the caller's fake events readable, the first at once; or takes them out of the list, as those of threads that were
 * exiting in any case.
 * @returns the events that are to be ended
 */
function settleEvents(k: Kernel, object: DebugObject, options: { readonly attached: boolean }): DebugEvent[] {
  const caller = PsGetCurrentThread(k);
  const ended: DebugEvent[] = [];
  let first = true;
  for (const event of listOwners(object.eventList)) {
    if (event.backoutThread !== caller) continue;
    const exiting = (event.flags & DEBUG_EVENT_PROTECT_FAILED) !== 0;
    if (options.attached && exiting) PspSetCrossThreadFlag(event.thread, CT_SKIP_TERMINATION_MSG);
    if (!options.attached || exiting) {
      removeEntry(event.entry);
      ended.push(event);
      continue;
    }
    if (first) {
      event.flags &= ~DEBUG_EVENT_INACTIVE;
      KeSetEvent(k, object.eventsPresent, 0);
      first = false;
    }
    event.backoutThread = null;
    PspSetCrossThreadFlag(event.thread, CT_SKIP_CREATION_MSG);
  }
  return ended;
}
