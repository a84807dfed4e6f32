/** The three shapes that almost every object service has: create, open, and do something with what a handle names. */
import { failure, NT_SUCCESS, type NtResult } from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import { ObCreateObject } from "./create.ts";
import { ObReferenceObjectByHandle } from "./handle.ts";
import { type InsertedObject, ObInsertObject, ObOpenObjectByName } from "./insert.ts";
import { NO_ATTRIBUTES, type ObjectAttributes } from "./lookup.ts";
import { dropReference, ObDereferenceObject } from "./reference.ts";
import type { ObjectType } from "./type.ts";

/**
 * Makes `body` an object with a handle and, if it is given one, a name.
 * @returns INSUFFICIENT_RESOURCES, and as ObInsertObject
 */
export function* createObject(
  k: Kernel,
  type: ObjectType,
  body: ObjectBody,
  desiredAccess: number,
  attributes: ObjectAttributes | null,
): Blocking<NtResult<InsertedObject>> {
  const status = ObCreateObject(k, type, body);
  if (!NT_SUCCESS(status)) return failure(status);
  const { rootDirectory, name, attributes: flags } = attributes ?? NO_ATTRIBUTES;
  const mode = KeGetPreviousMode(k);
  return yield* ObInsertObject(k, body, { rootDirectory, name, attributes: flags, desiredAccess, mode });
}

/** A handle to a named object of the type. @returns as ObOpenObjectByName */
export function openObject(
  k: Kernel,
  type: ObjectType,
  desiredAccess: number,
  attributes: ObjectAttributes,
): Blocking<NtResult<number>> {
  return ObOpenObjectByName(k, attributes, { desiredAccess, mode: KeGetPreviousMode(k), type });
}

/**
 * Does something, at once, with the object of a handle. Nobody else runs meanwhile, so the handle is still there
 * afterwards and the object with it.
 * @returns errors of the handle, and what `act` answers
 */
export function actAtOnce<T extends ObjectBody, R>(
  k: Kernel,
  type: ObjectType,
  handle: number,
  desiredAccess: number,
  act: (body: T) => NtResult<R>,
): NtResult<R> {
  const reference = ObReferenceObjectByHandle<T>(k, handle, desiredAccess, type, KeGetPreviousMode(k));
  if (!reference.ok) return reference;
  const result = act(reference.value);
  const others = dropReference(reference.value);
  assert(others, "an object outlives what is done with it at once");
  return result;
}

/** As {@link actAtOnce}, where the object may go meanwhile. */
export function* actOnObject<T extends ObjectBody, R>(
  k: Kernel,
  type: ObjectType,
  handle: number,
  desiredAccess: number,
  act: (body: T) => NtResult<R>,
): Blocking<NtResult<R>> {
  const reference = ObReferenceObjectByHandle<T>(k, handle, desiredAccess, type, KeGetPreviousMode(k));
  if (!reference.ok) return reference;
  const result = act(reference.value);
  if (!dropReference(reference.value)) yield* ObDereferenceObject(k, reference.value);
  return result;
}
