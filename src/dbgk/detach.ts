/**
 * The beginning and the end of a process's debugging. When it ends, every event of the process is ended, so no thread goes on waiting for a debugger that is gone (D13), nor for rundown protection
 * that an unread event holds (D34).
 */
import { PSF_NO_DEBUG_INHERIT } from "../abi/ps.ts";
import { type NtStatus, STATUS_DEBUGGER_INACTIVE, STATUS_PORT_NOT_SET, STATUS_SUCCESS } from "../abi/status.ts";
import { Peb } from "../abi/teb.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../ex/rundown.ts";
import { KeAcquireGuardedMutex, KeReleaseGuardedMutex } from "../ke/gmutex.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import type { Kernel } from "../kernel.ts";
import { UserMemory } from "../mm/usermemory.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import { hasProcessFlag, PspSetProcessFlag } from "../ps/flags.ts";
import { PspTerminateProcess } from "../ps/kill.ts";
import type { EProcess } from "../ps/objects.ts";
import type { DebugPortChoice } from "../ps/state.ts";
import { assert } from "../rtl/assert.ts";
import { listOwners, removeEntry } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { type DebugEvent, DebugObject } from "./objects.ts";
import { DbgkpWakeTarget, debugPortOf } from "./queue.ts";
import { isReleased } from "./releaseerrata.ts";

/**
 * Ends the debugging of a process.
 * @param source only if this object debugs it; null: whichever does
 * @returns PORT_NOT_SET if it is not debugged, or not by `source`
 */
export function* DbgkClearProcessDebugObject(
  k: Kernel,
  process: EProcess,
  source: DebugObject | null,
): Blocking<NtStatus> {
  yield* KeAcquireGuardedMutex(k, k.dbgk.processDebugPortMutex);
  const port = debugPortOf(process);
  const object = source === null || source === port ? port : null;
  if (object !== null) process.debugPort = null;
  yield* KeReleaseGuardedMutex(k, k.dbgk.processDebugPortMutex);
  if (object === null) return STATUS_PORT_NOT_SET;
  yield* DbgkpMarkProcessPeb(k, process);
  const events = yield* takeEvents(k, object, (event) => event.process === process);
  yield* endEvents(k, events);
  yield* ObDereferenceObject(k, object);
  return STATUS_SUCCESS;
}

/** Takes events out of the object's list. */
export function* takeEvents(
  k: Kernel,
  object: DebugObject,
  which: (event: DebugEvent) => boolean,
): Blocking<DebugEvent[]> {
  yield* KeAcquireGuardedMutex(k, object.mutex);
  const events = listOwners(object.eventList).filter((event) => which(event) && isReleased(k, event));
  for (const event of events) removeEntry(event.entry);
  yield* KeReleaseGuardedMutex(k, object.mutex);
  return events;
}

/** Tells those who wait that nobody will answer. */
export function* endEvents(k: Kernel, events: readonly DebugEvent[]): Blocking<void> {
  for (const event of events) {
    event.status = STATUS_DEBUGGER_INACTIVE;
    yield* DbgkpWakeTarget(k, event);
  }
}

/** What becomes of a process whose debugger is gone, after its port was cleared. Drops the reference of the port. */
export function* abandonDebuggee(k: Kernel, process: EProcess, object: DebugObject): Blocking<void> {
  yield* DbgkpMarkProcessPeb(k, process);
  if (object.killProcessOnExit) {
    const reason = { route: "debugger", via: "DbgkpCloseObject" } as const;
    yield* PspTerminateProcess(k, process, STATUS_DEBUGGER_INACTIVE, reason);
  }
  yield* ObDereferenceObject(k, object);
}

/**
 * Gives a new process, which everybody can find already, its debug port. A debug object that is being closed either sees
 * the port here, or is seen to be closed.
 */
export function* DbgkCopyProcessDebugPort(
  k: Kernel,
  process: EProcess,
  parent: EProcess,
  choice: DebugPortChoice,
): Blocking<void> {
  yield* KeAcquireGuardedMutex(k, k.dbgk.processDebugPortMutex);
  const inherited = hasProcessFlag(parent, PSF_NO_DEBUG_INHERIT) ? null : debugPortOf(parent);
  const named = choice.object;
  assert(named === null || named instanceof DebugObject, "a debug port is a debug object");
  const object = named ?? inherited;
  if (object !== null && !object.debuggerInactive && process.debugPort === null) {
    ObReferenceObject(object);
    process.debugPort = object;
    if (named !== null && choice.noInherit) PspSetProcessFlag(process, PSF_NO_DEBUG_INHERIT);
  }
  yield* KeReleaseGuardedMutex(k, k.dbgk.processDebugPortMutex);
}

/** Writes into the PEB whether the process is debugged. The program owns that page: failure is ignored. */
export function* DbgkpMarkProcessPeb(k: Kernel, process: EProcess): Blocking<void> {
  // A suspended caller would hold the rundown, and with it the process's exit.
  KeEnterCriticalRegion(k);
  if (ExAcquireRundownProtection(process.rundownProtect)) {
    if (process.peb !== 0) {
      const debugged = process.debugPort === null ? 0 : 1;
      new UserMemory(k, process).writeU8(process.peb + Peb.BeingDebugged, debugged);
    }
    ExReleaseRundownProtection(k, process.rundownProtect);
  }
  yield* KeLeaveCriticalRegion(k);
}
