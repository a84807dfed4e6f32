/** How a routine of the kernel becomes a system service of scripts. */
import { type NtResult, success } from "../../abi/status.ts";
import type { Kernel } from "../../kernel.ts";
import type { InsertedObject } from "../../ob/insert.ts";
import { OBJ_OPENIF } from "../../abi/ob.ts";
import type { ObjectAttributes } from "../../ob/lookup.ts";
import type { Blocking } from "../../sim/blocking.ts";
import type { Script, ScriptRequest } from "./context.ts";

/** Makes a service of a routine. */
export function service<A extends readonly unknown[], R>(
  name: string,
  routine: (k: Kernel, ...args: A) => R | Blocking<R>,
): (...args: A) => Script<R> {
  return function* (...args: A): Script<R> {
    const request: ScriptRequest<R> = { name, call: (k) => routine(k, ...args) };
    return (yield request) as R;
  };
}

/** The handle of a creation, when nothing else of it is of interest. */
export function handleOf(created: NtResult<InsertedObject>): NtResult<number> {
  return created.ok ? success(created.value.handle) : created;
}

export const UNNAMED: ObjectAttributes = { rootDirectory: 0, name: null, attributes: 0 };

/** An object of that name, or a new one; without a name, a new one. */
export function openNamed(name: string | null): ObjectAttributes {
  return name === null ? UNNAMED : { rootDirectory: 0, name: `\\BaseNamedObjects\\${name}`, attributes: OBJ_OPENIF };
}
