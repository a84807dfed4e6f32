/** The two shapes that most creating and opening services share. */
import { type NtResult, type NtStatus, NT_SUCCESS } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import type { InsertedObject } from "../ob/insert.ts";
import type { ObjectAttributes } from "../ob/lookup.ts";
import type { Blocking } from "../sim/blocking.ts";
import { answer, capture, probeOut, readObjectAttributes, writeOut } from "./capture.ts";
import type { ServiceArguments } from "./table.ts";

/** What makes the object; its arguments are the service's own. */
export type CreateObject = (attributes: ObjectAttributes, a: ServiceArguments) => Blocking<NtResult<InsertedObject>>;

/** A service `(handle*, access, attributes*, …)` that makes an object. */
export function* createByAttributes(k: Kernel, a: ServiceArguments, make: CreateObject): Blocking<NtStatus> {
  const [out = 0, , attributesPointer = 0] = a;
  const user = capture(k);
  probeOut(user, out);
  const attributes = readObjectAttributes(user, attributesPointer);
  if (user.faulted) return user.status;
  if (!attributes.ok) return attributes.status;
  const inserted = yield* make(attributes.value, a.slice());
  if (!inserted.ok) return inserted.status;
  const written = writeOut(k, out, inserted.value.handle);
  return NT_SUCCESS(written) ? inserted.value.status : written;
}

/** What finds the object. */
export type OpenObject = (k: Kernel, access: number, attributes: ObjectAttributes) => Blocking<NtResult<number>>;

/** A service `(handle*, access, attributes*)` that opens an object by name. */
export function* openByAttributes(k: Kernel, a: ServiceArguments, find: OpenObject): Blocking<NtStatus> {
  const [out = 0, access = 0, attributesPointer = 0] = a;
  const user = capture(k);
  probeOut(user, out);
  const attributes = readObjectAttributes(user, attributesPointer);
  if (user.faulted) return user.status;
  if (!attributes.ok) return attributes.status;
  return answer(k, out, yield* find(k, access, attributes.value));
}
