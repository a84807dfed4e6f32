/** What can be asked about an object through a handle: `NtQueryObject` and `NtSetInformationObject`. */
import { KeGetPreviousMode } from "../ke/current.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_INVALID_HANDLE,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { OBJ_INHERIT, OBJ_PERMANENT, OBJ_PROTECT_CLOSE } from "../abi/ob.ts";
import { ExMapHandleToPointer, HANDLE_INHERIT, HANDLE_PROTECT_FROM_CLOSE } from "../ex/handle.ts";
import type { Kernel } from "../kernel.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import { pathOf } from "./directory.ts";
import { type HandleReference, referenceHandle, tableOf } from "./handle.ts";
import { headerOf } from "./header.ts";
import { dropReference, ObDereferenceObject } from "./reference.ts";
import type { ObjectType } from "./type.ts";

/** `OBJECT_BASIC_INFORMATION`. */
export interface ObjectBasicInformation {
  /** `OBJ_*`. */
  readonly attributes: number;
  readonly grantedAccess: number;
  readonly handleCount: number;
  /** Counts the reference that the query holds. */
  readonly pointerCount: number;
  /** 0 for an object without a name. */
  readonly nameLength: number;
  readonly type: ObjectType;
}

/** @returns errors of the handle */
export function queryObjectBasic(k: Kernel, handle: number): Blocking<NtResult<ObjectBasicInformation>> {
  return queryObject(k, handle, ({ object, grantedAccess, attributes }) => {
    const header = headerOf(object);
    return {
      attributes: (attributes & (OBJ_INHERIT | OBJ_PROTECT_CLOSE)) | (header.permanent ? OBJ_PERMANENT : 0),
      grantedAccess,
      handleCount: header.handleCount,
      pointerCount: header.pointerCount,
      nameLength: pathOf(object)?.length ?? 0,
      type: header.type,
    };
  });
}

/** The object's path in the name space, or null. @returns errors of the handle */
export function queryObjectName(k: Kernel, handle: number): Blocking<NtResult<string | null>> {
  return queryObject(k, handle, ({ object }) => pathOf(object));
}

/** The object's type, with its counters. @returns errors of the handle */
export function queryObjectType(k: Kernel, handle: number): Blocking<NtResult<ObjectType>> {
  return queryObject(k, handle, ({ object }) => headerOf(object).type);
}

/** `OBJECT_HANDLE_FLAG_INFORMATION`. */
export interface HandleFlags {
  readonly inherit: boolean;
  readonly protectFromClose: boolean;
}

/** @returns errors of the handle */
export function queryHandleFlags(k: Kernel, handle: number): Blocking<NtResult<HandleFlags>> {
  return queryObject(k, handle, ({ attributes }) => ({
    inherit: (attributes & HANDLE_INHERIT) !== 0,
    protectFromClose: (attributes & HANDLE_PROTECT_FROM_CLOSE) !== 0,
  }));
}

/** Changes what happens to the handle. @returns INVALID_HANDLE, also for the pseudo-handles */
export function setHandleFlags(k: Kernel, handle: number, flags: HandleFlags): NtStatus {
  const place = tableOf(k, handle, KeGetPreviousMode(k));
  const entry = place === null ? null : ExMapHandleToPointer(place.table, place.index);
  if (entry === null) return STATUS_INVALID_HANDLE;
  entry.attributes &= ~(HANDLE_INHERIT | HANDLE_PROTECT_FROM_CLOSE);
  if (flags.inherit) entry.attributes |= HANDLE_INHERIT;
  if (flags.protectFromClose) entry.attributes |= HANDLE_PROTECT_FROM_CLOSE;
  return STATUS_SUCCESS;
}

/** Asks while a reference is held, as the counts in the answers show. */
function* queryObject<T>(
  k: Kernel,
  handle: number,
  ask: (reference: HandleReference<ObjectBody>) => T,
): Blocking<NtResult<T>> {
  const reference = referenceHandle<ObjectBody>(k, handle, null, KeGetPreviousMode(k));
  if (!reference.ok) return failure(reference.status);
  const answer = ask(reference.value);
  const { object } = reference.value;
  if (!dropReference(object)) yield* ObDereferenceObject(k, object);
  return success(answer);
}
