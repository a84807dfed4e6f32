/**
 * The way of an event from a debuggee to its debug object, and of the answer back. A thread that reports waits in kernel
 * mode, where nothing ends its wait but an answer or the end of the debugging: the debugger continues the event, lets go
 * of the process, or closes the object.
 */
import { WaitReason } from "../abi/ke.ts";
import { DBG_REPLY_LATER } from "../abi/dbgk.ts";
import { CT_SKIP_CREATION_MSG, CT_SKIP_TERMINATION_MSG, PSF_CREATE_REPORTED, PSF_PROCESS_DELETE } from "../abi/ps.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  NT_SUCCESS,
  STATUS_DEBUGGER_INACTIVE,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_PORT_NOT_SET,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { ExAllocatePoolWithTag, ExFreePoolWithTag } from "../ex/pool.ts";
import { ExReleaseRundownProtection } from "../ex/rundown.ts";
import { KeSetEvent } from "../ke/event.ts";
import { KeAcquireGuardedMutex, KeReleaseGuardedMutex } from "../ke/gmutex.ts";
import { KeFreezeAllThreads, KeThawAllThreads } from "../ke/suspend.ts";
import { waitInKernel } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import { PsGetCurrentThread } from "../ps/current.ts";
import { hasCrossThreadFlag, hasProcessFlag, PspSetProcessFlag } from "../ps/flags.ts";
import type { EProcess, EThread } from "../ps/objects.ts";
import { PsResumeThread } from "../ps/suspend.ts";
import { assert } from "../rtl/assert.ts";
import type { ObjectBody } from "../rtl/body.ts";
import { insertTail } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { newObjectId } from "../sim/identity.ts";
import {
  DEBUG_EVENT_BYTES,
  DEBUG_EVENT_INACTIVE,
  DEBUG_EVENT_NOWAIT,
  DEBUG_EVENT_RELEASE,
  DEBUG_EVENT_SUSPEND,
  DebugContinueEvent,
  DebugEvent,
  DebugObject,
  type DbgkMessage,
  TAG_DEBUG_EVENT,
} from "./objects.ts";

/** The debug object of a process, or null. A plain read: it is true until the caller waits, unless it holds the mutex. */
export function debugPortOf(process: EProcess): DebugObject | null {
  const port = process.debugPort;
  assert(port === null || port instanceof DebugObject, "a debug port is a debug object");
  return port;
}

/**
 * Reports to the debugger of the current process and waits for the answer. With `suspend` the other threads of the
 * process are frozen meanwhile. A debugger that wants to hear of it later gets it again as soon as the thread, which it
 * may have suspended, can run.
 * @returns the debugger's answer; PORT_NOT_SET or DEBUGGER_INACTIVE if there is nobody to answer any more
 */
export function* DbgkpSendApiMessage(
  k: Kernel,
  message: DbgkMessage,
  options: { readonly suspend: boolean },
): Blocking<NtResult<NtStatus>> {
  const { threadsProcess: process } = PsGetCurrentThread(k);
  for (;;) {
    const frozen = options.suspend && DbgkpSuspendProcess(k, process);
    PspSetProcessFlag(process, PSF_CREATE_REPORTED);
    const answer = yield* DbgkpQueueMessage(k, message);
    if (frozen) yield* KeThawAllThreads(k);
    if (!answer.ok || answer.value !== DBG_REPLY_LATER) return answer;
  }
}

/** Freezes the other threads, unless they are about to die anyway. @returns whether they are to be thawed */
function DbgkpSuspendProcess(k: Kernel, process: EProcess): boolean {
  if (hasProcessFlag(process, PSF_PROCESS_DELETE)) return false;
  KeFreezeAllThreads(k);
  return true;
}

/** Queues a message of the current thread and waits until it is answered. */
function* DbgkpQueueMessage(k: Kernel, message: DbgkMessage): Blocking<NtResult<NtStatus>> {
  const thread = PsGetCurrentThread(k);
  const process = thread.threadsProcess;
  const continueEvent = new DebugContinueEvent(newObjectId(k));
  const event = new DebugEvent({ process, thread, message }, 0, { continueEvent, block: null });
  const { processDebugPortMutex } = k.dbgk;
  yield* KeAcquireGuardedMutex(k, processDebugPortMutex);
  const object = isSuppressed(thread, message) ? null : debugPortOf(process);
  const queued = object === null ? STATUS_PORT_NOT_SET : yield* insertEvent(k, object, event);
  yield* KeReleaseGuardedMutex(k, processDebugPortMutex);
  if (!NT_SUCCESS(queued)) return failure(queued);
  yield* waitInKernel(k, continueEvent, WaitReason.Executive);
  return NT_SUCCESS(event.status) ? success(event.returnedStatus) : failure(event.status);
}

/** A thread that was told of on attaching reports no birth, one that could not be told of no death. */
function isSuppressed(thread: EThread, message: DbgkMessage): boolean {
  switch (message.kind) {
    case "create-thread":
    case "create-process":
      return hasCrossThreadFlag(thread, CT_SKIP_CREATION_MSG);
    case "exit-thread":
    case "exit-process":
      return hasCrossThreadFlag(thread, CT_SKIP_TERMINATION_MSG);
    default:
      return false;
  }
}

function* insertEvent(k: Kernel, object: DebugObject, event: DebugEvent): Blocking<NtStatus> {
  yield* KeAcquireGuardedMutex(k, object.mutex);
  const status = object.debuggerInactive ? STATUS_DEBUGGER_INACTIVE : STATUS_SUCCESS;
  if (NT_SUCCESS(status)) {
    insertTail(object.eventList, event.entry);
    if (event.continueEvent !== null) KeSetEvent(k, object.eventsPresent, 0);
  }
  yield* KeReleaseGuardedMutex(k, object.mutex);
  return status;
}

/**
 * Queues a message that somebody who attaches makes up for a thread. It stays unread until the attaching is complete.
 * @param flags what the event holds of the thread: it is let go of when the event is answered or taken back
 * @returns INSUFFICIENT_RESOURCES, DEBUGGER_INACTIVE: then everything is still the caller's
 */
export function* queueFakeMessage(
  k: Kernel,
  object: DebugObject,
  report: { readonly process: EProcess; readonly thread: EThread; readonly message: DbgkMessage },
  flags: number,
): Blocking<NtStatus> {
  const block = ExAllocatePoolWithTag(k, DEBUG_EVENT_BYTES, TAG_DEBUG_EVENT);
  if (block === null) return STATUS_INSUFFICIENT_RESOURCES;
  const event = new DebugEvent(report, flags | DEBUG_EVENT_NOWAIT | DEBUG_EVENT_INACTIVE, {
    continueEvent: null,
    block,
  });
  event.backoutThread = PsGetCurrentThread(k);
  const status = yield* insertEvent(k, object, event);
  if (!NT_SUCCESS(status)) {
    ExFreePoolWithTag(k, block, TAG_DEBUG_EVENT);
    return status;
  }
  ObReferenceObject(report.process);
  ObReferenceObject(report.thread);
  return status;
}

/** Ends an event that is in no list any more: lets go of what it holds, and wakes its thread. */
export function* DbgkpWakeTarget(k: Kernel, event: DebugEvent): Blocking<void> {
  const { thread, continueEvent, flags } = event;
  event.flags &= ~(DEBUG_EVENT_SUSPEND | DEBUG_EVENT_RELEASE);
  if ((flags & DEBUG_EVENT_SUSPEND) !== 0) PsResumeThread(k, thread);
  if ((flags & DEBUG_EVENT_RELEASE) !== 0) ExReleaseRundownProtection(k, thread.rundownProtect);
  if (continueEvent !== null) KeSetEvent(k, continueEvent, 0);
  else yield* DbgkpFreeDebugEvent(k, event);
}

function* DbgkpFreeDebugEvent(k: Kernel, event: DebugEvent): Blocking<void> {
  const { process, thread, block } = event;
  const file = fileOf(event.message);
  if (file !== null) yield* ObDereferenceObject(k, file);
  yield* ObDereferenceObject(k, thread);
  yield* ObDereferenceObject(k, process);
  if (block !== null) ExFreePoolWithTag(k, block, TAG_DEBUG_EVENT);
}

/** The file that a message refers to, or null. */
export function fileOf(message: DbgkMessage): ObjectBody | null {
  return message.kind === "create-process" || message.kind === "load-dll" ? message.image.file : null;
}
