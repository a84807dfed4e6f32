/** What the end of a name does: the references that went with it are dropped. */
import type { Kernel } from "../kernel.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import { removeEntry } from "./directory.ts";
import { headerOf } from "./header.ts";
import { ObDereferenceObject } from "./reference.ts";

/** Takes the name of a temporary object that has no handles; called whenever either may have become true. */
export function* ObpDeleteNameCheck(k: Kernel, body: ObjectBody): Blocking<void> {
  const header = headerOf(body);
  if (header.name === null || header.permanent || header.handleCount > 0) return;
  const directory = removeEntry(body);
  // The caller's own reference keeps the object; the directory may go with its last entry.
  yield* ObDereferenceObject(k, body);
  yield* ObDereferenceObject(k, directory);
}

/** Lets the object's name go with its last handle. Calling it again changes nothing. */
export function* ObMakeTemporaryObject(k: Kernel, body: ObjectBody): Blocking<void> {
  headerOf(body).permanent = false;
  yield* ObpDeleteNameCheck(k, body);
}

/** Keeps the object's name when its last handle goes. */
export function ObMakePermanentObject(body: ObjectBody): void {
  headerOf(body).permanent = true;
}
