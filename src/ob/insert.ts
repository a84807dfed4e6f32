/**
 * Making objects known: a name, a handle, or both. The creation reference passes to the handle, or is dropped when
 * there is none to make.
 */
import { type ProcessorMode, UserMode } from "../abi/ke.ts";
import { OBJ_OPENIF, OBJ_PERMANENT } from "../abi/ob.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_EXISTS,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PRIVILEGE_NOT_HELD,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import { insertEntry } from "./directory.ts";
import { ObpCreateHandle } from "./handle.ts";
import { headerOf } from "./header.ts";
import { type ObjectAttributes, ObpLookupObjectName } from "./lookup.ts";
import { ObpDeleteNameCheck } from "./name.ts";
import { ObDereferenceObject } from "./reference.ts";
import { grantAccess, type ObjectType } from "./type.ts";

export interface InsertOptions {
  readonly desiredAccess: number;
  /** `OBJ_*`. */
  readonly attributes: number;
  readonly mode: ProcessorMode;
  /** Null or absent for an object without a name. */
  readonly name?: string | null;
  readonly rootDirectory?: number;
}

export interface InsertedObject {
  readonly handle: number;
  /** The object of the handle: the existing one if the status says so. Only the handle refers to it. */
  readonly body: ObjectBody;
  /** SUCCESS, or OBJECT_NAME_EXISTS if OBJ_OPENIF found an object of that name. */
  readonly status: NtStatus;
}

/**
 * Names the new object and makes its first handle, which takes over the creation reference. Whatever the outcome, the
 * creation reference is not the caller's any more.
 * @returns PRIVILEGE_NOT_HELD for OBJ_PERMANENT from user mode; OBJECT_NAME_COLLISION; OBJECT_TYPE_MISMATCH if OBJ_OPENIF found another type; errors of the lookup and of
 *   making a handle
 */
export function* ObInsertObject(
  k: Kernel,
  body: ObjectBody,
  options: InsertOptions,
): Blocking<NtResult<InsertedObject>> {
  const permanent = (options.attributes & OBJ_PERMANENT) !== 0;
  if (permanent && options.mode === UserMode) {
    yield* ObDereferenceObject(k, body);
    return failure(STATUS_PRIVILEGE_NOT_HELD);
  }
  const name = options.name ?? null;
  const named = name === null ? null : yield* nameObject(k, body, name, options);
  if (named !== null && !named.ok) {
    yield* ObDereferenceObject(k, body);
    return named;
  }
  const existing = named?.value ?? null;
  const target = existing ?? body;
  const header = headerOf(target);
  if (existing === null && permanent) header.permanent = true;
  const made = ObpCreateHandle(k, target, {
    reason: existing === null ? "create" : "open",
    grantedAccess: grantAccess(header.type, options.desiredAccess),
    attributes: options.attributes,
    mode: options.mode,
  });
  // The object that was not needed goes; the one that was found keeps the lookup's reference for its handle.
  if (existing !== null) yield* ObDereferenceObject(k, body);
  if (made.ok) {
    const status = existing === null ? STATUS_SUCCESS : STATUS_OBJECT_NAME_EXISTS;
    return success({ handle: made.value, body: target, status });
  }
  header.permanent = existing === null ? false : header.permanent;
  yield* ObpDeleteNameCheck(k, target);
  yield* ObDereferenceObject(k, target);
  return made;
}

/** Gives the object its name. @returns the object (referenced) that OBJ_OPENIF found in its place, or null */
function* nameObject(
  k: Kernel,
  body: ObjectBody,
  name: string,
  options: InsertOptions,
): Blocking<NtResult<ObjectBody | null>> {
  const { attributes, desiredAccess, mode } = options;
  const { type } = headerOf(body);
  const lookup = yield* ObpLookupObjectName(k, {
    attributes: { rootDirectory: options.rootDirectory ?? 0, name, attributes },
    desiredAccess,
    mode,
    type,
    context: body,
  });
  if (!lookup.ok) return lookup;
  if (lookup.value.kind === "absent") {
    const { directory } = lookup.value;
    insertEntry(directory, lookup.value.name, body);
    yield* ObDereferenceObject(k, directory);
    return success(null);
  }
  const found = lookup.value.body;
  const status = headerOf(found).type === type ? STATUS_OBJECT_NAME_COLLISION : STATUS_OBJECT_TYPE_MISMATCH;
  if ((attributes & OBJ_OPENIF) !== 0 && status === STATUS_OBJECT_NAME_COLLISION) return success(found);
  yield* ObDereferenceObject(k, found);
  return failure((attributes & OBJ_OPENIF) === 0 ? STATUS_OBJECT_NAME_COLLISION : status);
}

/** What is opened, and how. */
export interface OpenOptions {
  readonly desiredAccess: number;
  readonly mode: ProcessorMode;
  /** Null: any type will do. */
  readonly type: ObjectType | null;
  /** Handed to a parse procedure. */
  readonly context?: unknown;
}

/**
 * The object of that name, with a reference for the caller.
 * @returns OBJECT_NAME_NOT_FOUND, OBJECT_TYPE_MISMATCH, errors of the lookup
 */
export function* ObReferenceObjectByName<T extends ObjectBody>(
  k: Kernel,
  attributes: ObjectAttributes,
  options: OpenOptions,
): Blocking<NtResult<T>> {
  const lookup = yield* ObpLookupObjectName(k, { attributes, ...options });
  if (!lookup.ok) return lookup;
  if (lookup.value.kind === "absent") {
    yield* ObDereferenceObject(k, lookup.value.directory);
    return failure(STATUS_OBJECT_NAME_NOT_FOUND);
  }
  const { body } = lookup.value;
  // The caller names the class that bodies of `type` have.
  if (options.type === null || headerOf(body).type === options.type) return success(body as T);
  yield* ObDereferenceObject(k, body);
  return failure(STATUS_OBJECT_TYPE_MISMATCH);
}

/**
 * A handle to the object of that name.
 * @returns as {@link ObReferenceObjectByName}, and errors of making a handle
 */
export function* ObOpenObjectByName(
  k: Kernel,
  attributes: ObjectAttributes,
  options: OpenOptions,
): Blocking<NtResult<number>> {
  const found = yield* ObReferenceObjectByName<ObjectBody>(k, attributes, options);
  if (!found.ok) return found;
  const made = ObpCreateHandle(k, found.value, {
    reason: "open",
    grantedAccess: grantAccess(headerOf(found.value).type, options.desiredAccess),
    attributes: attributes.attributes,
    mode: options.mode,
  });
  if (!made.ok) yield* ObDereferenceObject(k, found.value);
  return made;
}
