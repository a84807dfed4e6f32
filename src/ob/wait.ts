/**
 * The wait services: handles in, dispatcher objects out. A reference is held on every object from before the wait until
 * after it, so closing the handle meanwhile does no harm.
 */
import { MAXIMUM_WAIT_OBJECTS, type ProcessorMode, UserMode, WaitAll, WaitAny, WaitReason } from "../abi/ke.ts";
import { EVENT_MODIFY_STATE, SEMAPHORE_MODIFY_STATE } from "../abi/ob.ts";
import { SYNCHRONIZE } from "../abi/ps.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_INVALID_PARAMETER_1,
  STATUS_INVALID_PARAMETER_3,
  STATUS_INVALID_PARAMETER_MIX,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import { KeSetEvent } from "../ke/event.ts";
import { KeReleaseMutant } from "../ke/mutant.ts";
import { type DispatcherHeader, KEvent, KMutant, KSemaphore } from "../ke/objects.ts";
import { KeReleaseSemaphore } from "../ke/semaphore.ts";
import { KeWaitForMultipleObjects, KeWaitForSingleObject } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import { type HandleReference, ObReferenceObjectByHandle, referenceHandle } from "./handle.ts";
import { headerOf } from "./header.ts";
import { dropReference, ObDereferenceObject } from "./reference.ts";

/** Priority increments of a signal, as in `EVENT_INCREMENT` and its like. */
export const EVENT_INCREMENT = 1;
export const SEMAPHORE_INCREMENT = 1;
export const MUTANT_INCREMENT = 1;

/** What a wait for the object waits for: a part of it, or something that is always signaled. */
function waitObjectOf(k: Kernel, body: ObjectBody): DispatcherHeader {
  const { defaultObject } = headerOf(body).type;
  return defaultObject === null ? k.ob.defaultObject : defaultObject(body);
}

/**
 * Waits for one object.
 * @param timeout100ns 0 only tests; null waits for ever
 * @returns errors of the handle (SYNCHRONIZE is required), and as KeWaitForSingleObject
 */
export function* NtWaitForSingleObject(
  k: Kernel,
  handle: number,
  alertable: boolean,
  timeout100ns: number | null,
): Blocking<NtStatus> {
  const mode = KeGetPreviousMode(k);
  const reference = ObReferenceObjectByHandle<ObjectBody>(k, handle, SYNCHRONIZE, null, mode);
  if (!reference.ok) return reference.status;
  const status = yield* waitForBody(k, reference.value, { mode, alertable, timeout100ns });
  if (!dropReference(reference.value)) yield* ObDereferenceObject(k, reference.value);
  return status;
}

interface UserWait {
  readonly mode: ProcessorMode;
  readonly alertable: boolean;
  readonly timeout100ns: number | null;
}

function waitForBody(k: Kernel, body: ObjectBody, wait: UserWait): Blocking<NtStatus> {
  const { mode, alertable, timeout100ns } = wait;
  const options = { reason: WaitReason.UserRequest, mode, alertable, timeout100ns };
  return KeWaitForSingleObject(k, waitObjectOf(k, body), options);
}

/**
 * Waits for any or all of 1 to 64 objects.
 * @returns INVALID_PARAMETER_1 for a bad count; INVALID_PARAMETER_3 for a bad type; INVALID_PARAMETER_MIX if all are
 *   awaited and one is named twice; errors of the handles; and as KeWaitForMultipleObjects
 */
export function* NtWaitForMultipleObjects(
  k: Kernel,
  handles: readonly number[],
  waitType: number,
  alertable: boolean,
  timeout100ns: number | null,
): Blocking<NtStatus> {
  if (handles.length < 1 || handles.length > MAXIMUM_WAIT_OBJECTS) return STATUS_INVALID_PARAMETER_1;
  if (waitType !== WaitAny && waitType !== WaitAll) return STATUS_INVALID_PARAMETER_3;
  const mode = KeGetPreviousMode(k);
  const bodies: ObjectBody[] = [];
  let status: NtStatus = STATUS_SUCCESS;
  for (const handle of handles) {
    const reference = ObReferenceObjectByHandle<ObjectBody>(k, handle, SYNCHRONIZE, null, mode);
    if (!reference.ok) {
      status = reference.status;
      break;
    }
    bodies.push(reference.value);
  }
  if (bodies.length === handles.length) {
    const objects = bodies.map((body) => waitObjectOf(k, body));
    const mixed = waitType === WaitAll && new Set(objects).size < objects.length;
    const options = { reason: WaitReason.UserRequest, mode, alertable, timeout100ns };
    status = mixed ? STATUS_INVALID_PARAMETER_MIX : yield* KeWaitForMultipleObjects(k, objects, waitType, options);
  }
  for (const body of bodies) if (!dropReference(body)) yield* ObDereferenceObject(k, body);
  return status;
}

/**
 * Signals one object and waits for another; no wake-up can fall between.
 * @returns errors of the handles, before anything is signaled; OBJECT_TYPE_MISMATCH if the first cannot be signaled;
 *   ACCESS_DENIED; what releasing a mutant or semaphore fails with; and as KeWaitForSingleObject
 */
export function* NtSignalAndWaitForSingleObject(
  k: Kernel,
  signalHandle: number,
  waitHandle: number,
  alertable: boolean,
  timeout100ns: number | null,
): Blocking<NtStatus> {
  const mode = KeGetPreviousMode(k);
  const signal = referenceHandle<ObjectBody>(k, signalHandle, null, mode);
  if (!signal.ok) return signal.status;
  const { object } = signal.value;
  const wait = ObReferenceObjectByHandle<ObjectBody>(k, waitHandle, SYNCHRONIZE, null, mode);
  let status: NtStatus;
  if (wait.ok) {
    const signaled = signalObject(k, signal.value, mode);
    status = signaled.ok ? yield* waitForBody(k, wait.value, { mode, alertable, timeout100ns }) : signaled.status;
    yield* ObDereferenceObject(k, wait.value);
  } else {
    status = wait.status;
  }
  yield* ObDereferenceObject(k, object);
  return status;
}

function signalObject(k: Kernel, signal: HandleReference<ObjectBody>, mode: ProcessorMode): NtResult<number> {
  const { object, grantedAccess } = signal;
  const may = (access: number): boolean => mode !== UserMode || (grantedAccess & access) !== 0;
  if (object instanceof KMutant) return KeReleaseMutant(k, object, MUTANT_INCREMENT);
  if (object instanceof KSemaphore) {
    if (!may(SEMAPHORE_MODIFY_STATE)) return failure(STATUS_ACCESS_DENIED);
    return KeReleaseSemaphore(k, object, SEMAPHORE_INCREMENT, 1);
  }
  if (!(object instanceof KEvent)) return failure(STATUS_OBJECT_TYPE_MISMATCH);
  if (!may(EVENT_MODIFY_STATE)) return failure(STATUS_ACCESS_DENIED);
  return success(KeSetEvent(k, object, EVENT_INCREMENT));
}
