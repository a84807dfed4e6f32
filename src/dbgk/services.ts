/** Typed system services on debug objects: make one, wait for an event, answer it. User pointers are dealt with in `nt/`. */
import {
  DBG_EXCEPTION_HANDLED,
  DBG_REPLY_LATER,
  DBG_TERMINATE_THREAD,
  DEBUG_KILL_ON_CLOSE,
  DEBUG_READ_EVENT,
  DEBUG_SET_INFORMATION,
} from "../abi/dbgk.ts";
import { KernelMode, WaitReason } from "../abi/ke.ts";
import { MAXIMUM_ALLOWED } from "../abi/ob.ts";
import { PROCESS_ALL_ACCESS, THREAD_ALL_ACCESS } from "../abi/ps.ts";
import {
  DBG_CONTINUE,
  DBG_EXCEPTION_NOT_HANDLED,
  DBG_TERMINATE_PROCESS,
  failure,
  type NtResult,
  type NtStatus,
  STATUS_ALERTED,
  STATUS_DEBUGGER_INACTIVE,
  STATUS_INVALID_PARAMETER,
  STATUS_PORT_NOT_SET,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
  STATUS_USER_APC,
  success,
} from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import { KeInitializeEvent, KeResetEvent, KeSetEvent } from "../ke/event.ts";
import { KeAcquireGuardedMutex, KeReleaseGuardedMutex } from "../ke/gmutex.ts";
import { KeQueryInterruptTime } from "../ke/time.ts";
import { KeWaitForSingleObject } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { ObOpenObjectByPointer } from "../ob/handle.ts";
import type { InsertedObject } from "../ob/insert.ts";
import type { ObjectAttributes } from "../ob/lookup.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import { actOnObject, createObject } from "../ob/service.ts";
import type { ClientId, EProcess } from "../ps/objects.ts";
import type { ObjectBody } from "../rtl/body.ts";
import { listOwners, removeEntry } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { newObjectId } from "../sim/identity.ts";
import { referenceDebugObject } from "./attach.ts";
import { FILE_GENERIC_READ } from "./image.ts";
import {
  DEBUG_EVENT_INACTIVE,
  DEBUG_EVENT_NOWAIT,
  DEBUG_EVENT_READ,
  type DbgkMessage,
  type DebugEvent,
  DebugObject,
} from "./objects.ts";
import { DbgkpWakeTarget, debugPortOf, fileOf } from "./queue.ts";

/**
 * Makes a debug object.
 * @returns INVALID_PARAMETER for unknown flags; as ObInsertObject
 */
export function* NtCreateDebugObject(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes | null,
  flags: number,
): Blocking<NtResult<InsertedObject>> {
  if ((flags & ~DEBUG_KILL_ON_CLOSE) !== 0) return failure(STATUS_INVALID_PARAMETER);
  const eventsPresent = KeInitializeEvent(k, "notification", false);
  const killProcessOnExit = (flags & DEBUG_KILL_ON_CLOSE) !== 0;
  const object = new DebugObject(newObjectId(k), eventsPresent, { killProcessOnExit });
  return yield* createObject(k, k.dbgk.debugObjectType, object, desiredAccess, attributes);
}

/** `DBGUI_WAIT_STATE_CHANGE`, with the handles that the debugger was given; a handle is 0 where there was none to give. */
export interface StateChange {
  readonly clientId: ClientId;
  readonly message: DbgkMessage;
  readonly processHandle: number;
  readonly threadHandle: number;
  readonly fileHandle: number;
}

/**
 * Waits for the next event of any debuggee.
 * @param timeout100ns from now; 0 only looks; null waits for ever
 * @returns the event; or TIMEOUT, ALERTED or USER_APC as the status of a failure; DEBUGGER_INACTIVE; errors of the handle
 */
export function* NtWaitForDebugEvent(
  k: Kernel,
  debugHandle: number,
  alertable: boolean,
  timeout100ns: number | null,
): Blocking<NtResult<StateChange>> {
  const debug = referenceDebugObject(k, debugHandle, DEBUG_READ_EVENT);
  if (!debug.ok) return debug;
  const result = yield* waitForEvent(k, debug.value, alertable, timeout100ns);
  yield* ObDereferenceObject(k, debug.value);
  return result;
}

function* waitForEvent(
  k: Kernel,
  object: DebugObject,
  alertable: boolean,
  timeout: number | null,
): Blocking<NtResult<StateChange>> {
  const mode = KeGetPreviousMode(k);
  const deadline = timeout === null ? null : KeQueryInterruptTime(k) + timeout;
  for (;;) {
    const timeout100ns = deadline === null ? null : Math.max(0, deadline - KeQueryInterruptTime(k));
    const options = { reason: WaitReason.Executive, mode, alertable, timeout100ns };
    const status = yield* KeWaitForSingleObject(k, object.eventsPresent, options);
    if (status === STATUS_TIMEOUT || status === STATUS_ALERTED || status === STATUS_USER_APC) return failure(status);
    const taken = yield* takeEvent(k, object);
    if (!taken.ok) return taken;
    // Another debugger thread was faster: wait on.
    if (taken.value === null) continue;
    return success(yield* DbgkpOpenHandles(k, taken.value));
  }
}

/** What is needed of an event after the mutex is released, each object referenced. */
interface TakenEvent {
  readonly event: DebugEvent;
  readonly file: ObjectBody | null;
}

/** Marks the oldest event that may be read. @returns null if there is none; DEBUGGER_INACTIVE */
function* takeEvent(k: Kernel, object: DebugObject): Blocking<NtResult<TakenEvent | null>> {
  yield* KeAcquireGuardedMutex(k, object.mutex);
  let result: NtResult<TakenEvent | null> = failure(STATUS_DEBUGGER_INACTIVE);
  if (!object.debuggerInactive) {
    const event = readableEvent(object);
    if (event === null) KeResetEvent(object.eventsPresent);
    result = success(event === null ? null : referenceEvent(event));
  }
  yield* KeReleaseGuardedMutex(k, object.mutex);
  return result;
}

/** The oldest event that nobody has read and that no other of its process precedes; such others become inactive. */
function readableEvent(object: DebugObject): DebugEvent | null {
  const seen = new Set<EProcess>();
  for (const event of listOwners(object.eventList)) {
    if ((event.flags & (DEBUG_EVENT_READ | DEBUG_EVENT_INACTIVE)) === 0) {
      if (!seen.has(event.process)) return event;
      event.flags |= DEBUG_EVENT_INACTIVE;
    }
    seen.add(event.process);
  }
  return null;
}

/** An answer by another debugger thread, or the end of the debugging, must not take away what handles are made for. */
function referenceEvent(event: DebugEvent): TakenEvent {
  event.flags |= DEBUG_EVENT_READ;
  const file = fileOf(event.message);
  ObReferenceObject(event.process);
  ObReferenceObject(event.thread);
  if (file !== null) ObReferenceObject(file);
  return { event, file };
}

/** Gives the debugger its handles, and drops the references that kept their objects. */
function* DbgkpOpenHandles(k: Kernel, { event, file }: TakenEvent): Blocking<StateChange> {
  const { message, process, thread } = event;
  const begins = message.kind === "create-process";
  const threadHandle = begins || message.kind === "create-thread" ? openFor(k, thread, THREAD_ALL_ACCESS) : 0;
  const processHandle = begins ? openFor(k, process, PROCESS_ALL_ACCESS) : 0;
  const fileHandle = file === null ? 0 : openFor(k, file, FILE_GENERIC_READ);
  const clientId = { pid: process.pid, tid: thread.tid };
  if (file !== null) yield* ObDereferenceObject(k, file);
  yield* ObDereferenceObject(k, thread);
  yield* ObDereferenceObject(k, process);
  return { clientId, message, processHandle, threadHandle, fileHandle };
}

/** A handle of the debugger's; 0 if it can have no more. */
function openFor(k: Kernel, body: ObjectBody, access: number): number {
  const handle = ObOpenObjectByPointer(k, body, access, 0, KernelMode);
  return handle.ok ? handle.value : 0;
}

const CONTINUE_STATUSES: ReadonlySet<NtStatus> = new Set([
  DBG_CONTINUE,
  DBG_EXCEPTION_HANDLED,
  DBG_EXCEPTION_NOT_HANDLED,
  DBG_REPLY_LATER,
  DBG_TERMINATE_THREAD,
  DBG_TERMINATE_PROCESS,
]);

/**
 * Answers an event, so that its thread goes on, and makes the next event of its process readable.
 * @returns INVALID_PARAMETER for an answer that is none, or if that thread's event has not been read; errors of the handle
 */
export function* NtDebugContinue(
  k: Kernel,
  debugHandle: number,
  clientId: ClientId,
  continueStatus: NtStatus,
): Blocking<NtStatus> {
  if (!CONTINUE_STATUSES.has(continueStatus)) return STATUS_INVALID_PARAMETER;
  const debug = referenceDebugObject(k, debugHandle, DEBUG_READ_EVENT);
  if (!debug.ok) return debug.status;
  const object = debug.value;
  yield* KeAcquireGuardedMutex(k, object.mutex);
  const event = answeredEvent(k, object, clientId, continueStatus);
  yield* KeReleaseGuardedMutex(k, object.mutex);
  yield* ObDereferenceObject(k, object);
  if (event === null) return STATUS_INVALID_PARAMETER;
  if (event !== "later") yield* DbgkpWakeTarget(k, event);
  return STATUS_SUCCESS;
}

/**
 * Takes the event that `clientId` names out of the list.
 * @returns it; "later" if nobody waits for it and it is to be read again; null if that thread has none that was read
 */
function answeredEvent(
  k: Kernel,
  object: DebugObject,
  { pid, tid }: ClientId,
  status: NtStatus,
): DebugEvent | "later" | null {
  const events = listOwners(object.eventList).filter(({ process }) => process.pid === pid);
  const index = events.findIndex(({ thread, flags }) => thread.tid === tid && (flags & DEBUG_EVENT_READ) !== 0);
  const event = events[index];
  if (event === undefined) return null;
  if (status === DBG_REPLY_LATER && (event.flags & DEBUG_EVENT_NOWAIT) !== 0) {
    event.flags &= ~DEBUG_EVENT_READ;
    KeSetEvent(k, object.eventsPresent, 0);
    return "later";
  }
  removeEntry(event.entry);
  event.returnedStatus = status;
  event.status = STATUS_SUCCESS;
  const next = events[index + 1];
  if (next !== undefined) {
    next.flags &= ~DEBUG_EVENT_INACTIVE;
    KeSetEvent(k, object.eventsPresent, 0);
  }
  return event;
}

/**
 * `DebugObjectKillProcessOnExitInformation`: whether the debuggees die with the debugger.
 * @returns INVALID_PARAMETER for unknown flags; errors of the handle
 */
export function NtSetInformationDebugObject(k: Kernel, debugHandle: number, flags: number): Blocking<NtResult<null>> {
  const type = k.dbgk.debugObjectType;
  return actOnObject<DebugObject, null>(k, type, debugHandle, DEBUG_SET_INFORMATION, (object) => {
    if ((flags & ~DEBUG_KILL_ON_CLOSE) !== 0) return failure(STATUS_INVALID_PARAMETER);
    object.killProcessOnExit = (flags & DEBUG_KILL_ON_CLOSE) !== 0;
    return success(null);
  });
}

/** `ProcessDebugObjectHandle`. @returns a handle to the object that debugs the process; PORT_NOT_SET */
export function DbgkOpenProcessDebugPort(k: Kernel, process: EProcess): NtResult<number> {
  const object = debugPortOf(process);
  if (object === null) return failure(STATUS_PORT_NOT_SET);
  return ObOpenObjectByPointer(k, object, MAXIMUM_ALLOWED, 0, KeGetPreviousMode(k));
}
