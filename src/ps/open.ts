/** Opening processes and threads by id, and suspending whole processes by handle. */
import { PROCESS_SUSPEND_RESUME } from "../abi/ps.ts";
import { failure, type NtResult, type NtStatus, STATUS_INVALID_PARAMETER_MIX } from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import type { ObjectAttributes } from "../ob/lookup.ts";
import { ObOpenObjectByPointer, ObReferenceObjectByHandle } from "../ob/handle.ts";
import { ObOpenObjectByName } from "../ob/insert.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import type { ObjectType } from "../ob/type.ts";
import type { Blocking } from "../sim/blocking.ts";
import { PsLookupProcessByProcessId, PsLookupProcessThreadByCid, PsLookupThreadByThreadId } from "./lookup.ts";
import type { ClientId, EProcess, EThread } from "./objects.ts";
import { PsResumeProcess, PsSuspendProcess } from "./suspend.ts";

/** What to open: a name in `attributes`, or a client id, but not both. */
export interface OpenById {
  readonly desiredAccess: number;
  readonly attributes: ObjectAttributes;
  readonly clientId: ClientId | null;
}

/**
 * Opens a process; one that has exited can be opened as long as its object lives.
 * @returns a handle; INVALID_PARAMETER_MIX, INVALID_PARAMETER or INVALID_CID
 */
export function* NtOpenProcess(k: Kernel, request: OpenById): Blocking<NtResult<number>> {
  const byName = yield* openByName(k, request, k.ps.processType);
  if (byName !== null) return byName;
  return yield* openFound(k, request, yield* findProcess(k, request.clientId ?? { pid: 0, tid: 0 }));
}

/** Opens a thread by its id, checked against the process id if there is one. */
export function* NtOpenThread(k: Kernel, request: OpenById): Blocking<NtResult<number>> {
  const byName = yield* openByName(k, request, k.ps.threadType);
  if (byName !== null) return byName;
  const { pid, tid } = request.clientId ?? { pid: 0, tid: 0 };
  const found = pid === 0 ? PsLookupThreadByThreadId(k, tid) : PsLookupProcessThreadByCid(k, pid, tid);
  return yield* openFound(k, request, found);
}

/** Null: the request names a client id and nothing else. */
function* openByName(k: Kernel, request: OpenById, type: ObjectType): Blocking<NtResult<number> | null> {
  const { attributes, clientId, desiredAccess } = request;
  if ((attributes.name === null) === (clientId === null)) return failure(STATUS_INVALID_PARAMETER_MIX);
  if (clientId !== null) return null;
  return yield* ObOpenObjectByName(k, attributes, { desiredAccess, mode: KeGetPreviousMode(k), type });
}

function* findProcess(k: Kernel, clientId: ClientId): Blocking<NtResult<EProcess>> {
  if (clientId.tid === 0) return PsLookupProcessByProcessId(k, clientId.pid);
  const thread = PsLookupProcessThreadByCid(k, clientId.pid, clientId.tid);
  if (!thread.ok) return thread;
  const process = thread.value.threadsProcess;
  ObReferenceObject(process);
  yield* ObDereferenceObject(k, thread.value);
  return { ok: true, value: process };
}

function* openFound(k: Kernel, request: OpenById, found: NtResult<EProcess | EThread>): Blocking<NtResult<number>> {
  if (!found.ok) return found;
  const mode = KeGetPreviousMode(k);
  const { desiredAccess, attributes } = request;
  const handle = ObOpenObjectByPointer(k, found.value, desiredAccess, attributes.attributes, mode);
  yield* ObDereferenceObject(k, found.value);
  return handle;
}

/** @returns errors of the handle; PROCESS_IS_TERMINATING */
export function NtSuspendProcess(k: Kernel, handle: number): Blocking<NtStatus> {
  return onProcess(k, handle, PsSuspendProcess);
}

/** @returns errors of the handle; PROCESS_IS_TERMINATING */
export function NtResumeProcess(k: Kernel, handle: number): Blocking<NtStatus> {
  return onProcess(k, handle, PsResumeProcess);
}

function* onProcess(
  k: Kernel,
  handle: number,
  act: (k: Kernel, process: EProcess) => Blocking<NtStatus>,
): Blocking<NtStatus> {
  const mode = KeGetPreviousMode(k);
  const process = ObReferenceObjectByHandle<EProcess>(k, handle, PROCESS_SUSPEND_RESUME, k.ps.processType, mode);
  if (!process.ok) return process.status;
  const status = yield* act(k, process.value);
  yield* ObDereferenceObject(k, process.value);
  return status;
}
