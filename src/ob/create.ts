/**
 * The birth of objects and of object types. A new object has one reference, its creator's, and is known to nobody until
 * it is inserted.
 */
import { OBJ_CASE_INSENSITIVE } from "../abi/ob.ts";
import { type NtStatus, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from "../abi/status.ts";
import { ExAllocatePoolWithTag, type PoolType } from "../ex/pool.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { ObjectBody } from "../rtl/body.ts";
import { newObjectId } from "../sim/identity.ts";
import { trace } from "../sim/record.ts";
import { findEntry, insertEntry } from "./directory.ts";
import { ObjectHeader } from "./header.ts";
import { ObjectType, type ObjectTypeInit } from "./type.ts";

/**
 * Makes an object of `body`, with one reference for the caller.
 * @returns SUCCESS, or INSUFFICIENT_RESOURCES if there is no pool for it
 */
export function ObCreateObject(
  k: Kernel,
  type: ObjectType,
  body: ObjectBody,
  options: { readonly poolBytes?: number; readonly poolType?: PoolType } = {},
): NtStatus {
  assert(body.objectHeader === null, "a body becomes an object once");
  const block = ExAllocatePoolWithTag(k, options.poolBytes ?? type.poolBytes, type.poolTag, options.poolType);
  if (block === null) return STATUS_INSUFFICIENT_RESOURCES;
  const header = new ObjectHeader(body, type, block);
  body.objectHeader = header;
  k.ob.live.add(header);
  if (++type.totalObjects > type.peakObjects) type.peakObjects = type.totalObjects;
  if (k.sim.trace !== null) trace(k, { kind: "object", act: "created", id: body.id, type: type.name });
  return STATUS_SUCCESS;
}

/** Makes a type while the machine boots. Types are named in `\ObjectTypes` and live as long as the machine. */
export function ObCreateObjectType<T extends ObjectBody>(k: Kernel, init: ObjectTypeInit<T>): ObjectType {
  // Only bodies of class T are ever made objects of this type.
  const type = new ObjectType(newObjectId(k), init as unknown as ObjectTypeInit<ObjectBody>);
  registerType(k, type);
  return type;
}

/** Gives a type its header and its name. */
export function registerType(k: Kernel, type: ObjectType): void {
  const { types, typeType, typeDirectory } = k.ob;
  assert(findEntry(typeDirectory, type.name, OBJ_CASE_INSENSITIVE) === null, "a type is created once");
  types.push(type);
  makePermanent(k, type, typeType);
  insertEntry(typeDirectory, type.name, type);
}

/** Gives a body that exists from boot on its header. */
export function makePermanent(k: Kernel, body: ObjectBody, type: ObjectType): void {
  const header = new ObjectHeader(body, type, null);
  header.permanent = true;
  body.objectHeader = header;
  k.ob.live.add(header);
  type.totalObjects++;
}
