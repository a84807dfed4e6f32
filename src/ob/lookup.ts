/**
 * Names to objects: walks a path from the root, or from a directory that the caller has a handle to, through directories
 * and symbolic links, and hands the rest to an object's own parse procedure.
 *
 * Invariant: the walk does not block except in a parse procedure, and holds a reference on the object that parses.
 */
import type { ProcessorMode } from "../abi/ke.ts";
import { OBJ_CASE_INSENSITIVE, OBJ_OPENLINK } from "../abi/ob.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_NAME_INVALID,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OBJECT_PATH_NOT_FOUND,
  STATUS_OBJECT_PATH_SYNTAX_BAD,
  STATUS_OBJECT_TYPE_MISMATCH,
  success,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import { findEntry, ObjectDirectory } from "./directory.ts";
import { ObReferenceObjectByHandle } from "./handle.ts";
import { headerOf } from "./header.ts";
import { ObDereferenceObject } from "./reference.ts";
import { ObjectSymbolicLink } from "./symlink.ts";
import type { ObjectType } from "./type.ts";

/** `OBJECT_ATTRIBUTES`, without its security descriptor. */
export interface ObjectAttributes {
  /** Handle of the directory at which a relative name begins, or 0. */
  readonly rootDirectory: number;
  readonly name: string | null;
  /** `OBJ_*`. */
  readonly attributes: number;
}

export const NO_ATTRIBUTES: ObjectAttributes = Object.freeze({ rootDirectory: 0, name: null, attributes: 0 });

/** What is looked up, and by whom. */
export interface NameLookup {
  readonly attributes: ObjectAttributes;
  readonly desiredAccess: number;
  readonly mode: ProcessorMode;
  readonly type: ObjectType | null;
  /** Handed to a parse procedure. */
  readonly context?: unknown;
}

/** Where a path ends: at an object (referenced), or at a free name in a directory (referenced). */
export type LookupResult =
  | { readonly kind: "found"; readonly body: ObjectBody }
  | { readonly kind: "absent"; readonly directory: ObjectDirectory; readonly name: string };

/** `UNICODE_STRING` holds no more. */
const MAXIMUM_NAME_LENGTH = 32_767;
/** Symbolic links that one lookup follows. */
const MAXIMUM_REPARSES = 32;
/** A longer list of components is no name that anybody meant. */
const MAXIMUM_DEPTH = 512;

/** Follows a name to its end. */
export function* ObpLookupObjectName(k: Kernel, lookup: NameLookup): Blocking<NtResult<LookupResult>> {
  const start = startOfWalk(k, lookup);
  if (!start.ok) return start;
  const { body: root, path } = start.value;
  const step = walk(k, root, path, lookup);
  if (step.kind === "found" || step.kind === "absent") {
    // Nothing has blocked since the root was referenced, so what was found is still there.
    headerOf(step.kind === "found" ? step.body : step.directory).pointerCount++;
    yield* ObDereferenceObject(k, root);
    return success(step);
  }
  if (step.kind === "failed") {
    yield* ObDereferenceObject(k, root);
    return failure(step.status);
  }
  const { body, remaining, parse } = step;
  headerOf(body).pointerCount++;
  yield* ObDereferenceObject(k, root);
  const parsed = yield* parse(k, {
    body,
    remaining,
    attributes: lookup.attributes.attributes,
    desiredAccess: lookup.desiredAccess,
    mode: lookup.mode,
    type: lookup.type,
    context: lookup.context ?? null,
  });
  yield* ObDereferenceObject(k, body);
  return parsed.ok ? success({ kind: "found", body: parsed.value }) : parsed;
}

/** The object at which the walk begins, referenced, and the path from there. */
function startOfWalk(k: Kernel, lookup: NameLookup): NtResult<{ body: ObjectBody; path: string }> {
  const { rootDirectory, name } = lookup.attributes;
  if (name === null) return failure(STATUS_INVALID_PARAMETER);
  if (name.length > MAXIMUM_NAME_LENGTH) return failure(STATUS_OBJECT_NAME_INVALID);
  if (rootDirectory === 0) {
    if (!name.startsWith("\\")) return failure(STATUS_OBJECT_PATH_SYNTAX_BAD);
    headerOf(k.ob.rootDirectory).pointerCount++;
    return success({ body: k.ob.rootDirectory, path: name.slice(1) });
  }
  const root = ObReferenceObjectByHandle<ObjectBody>(k, rootDirectory, 0, null, lookup.mode);
  if (!root.ok) return root;
  if (name.startsWith("\\")) return refuseStart(root.value, STATUS_OBJECT_PATH_SYNTAX_BAD);
  if (!(root.value instanceof ObjectDirectory) && headerOf(root.value).type.parseProcedure === null) {
    return refuseStart(root.value, STATUS_OBJECT_TYPE_MISMATCH);
  }
  return success({ body: root.value, path: name });
}

function refuseStart(root: ObjectBody, status: NtStatus): NtResult<never> {
  // The caller's handle keeps the object, so this is never the last reference.
  headerOf(root).pointerCount--;
  return failure(status);
}

/** How far a walk came without blocking. */
type WalkEnd =
  | LookupResult
  | { readonly kind: "failed"; readonly status: NtStatus }
  | {
      readonly kind: "parse";
      readonly body: ObjectBody;
      readonly remaining: string;
      readonly parse: NonNullable<ObjectType["parseProcedure"]>;
    };

function walk(k: Kernel, root: ObjectBody, path: string, lookup: NameLookup): WalkEnd {
  let body = root;
  let rest = path === "" ? [] : path.split("\\");
  for (let reparses = 0, depth = 0; ; depth++) {
    if (depth > MAXIMUM_DEPTH) return { kind: "failed", status: STATUS_OBJECT_NAME_INVALID };
    const link = body instanceof ObjectSymbolicLink ? body : null;
    if (link !== null && !(rest.length === 0 && keepsLink(k, lookup))) {
      if (++reparses > MAXIMUM_REPARSES) return { kind: "failed", status: STATUS_OBJECT_NAME_NOT_FOUND };
      rest = [...link.target.split("\\").slice(1), ...rest];
      body = k.ob.rootDirectory;
      continue;
    }
    const end = stepDown(body, rest, lookup);
    if (end.kind !== "next") return end;
    body = end.body;
    rest = rest.slice(1);
  }
}

/** Whether a symbolic link at the end of the path is itself what the caller wants. */
function keepsLink(k: Kernel, lookup: NameLookup): boolean {
  return lookup.type === k.ob.symbolicLinkType || (lookup.attributes.attributes & OBJ_OPENLINK) !== 0;
}

function stepDown(
  body: ObjectBody,
  rest: readonly string[],
  lookup: NameLookup,
): WalkEnd | { readonly kind: "next"; readonly body: ObjectBody } {
  const [component] = rest;
  if (!(body instanceof ObjectDirectory)) {
    const parse = headerOf(body).type.parseProcedure;
    const remaining = rest.length === 0 ? "" : `\\${rest.join("\\")}`;
    if (parse !== null) return { kind: "parse", body, remaining, parse };
    if (component === undefined) return { kind: "found", body };
    return { kind: "failed", status: STATUS_OBJECT_TYPE_MISMATCH };
  }
  if (component === undefined) return { kind: "found", body };
  if (component === "") return { kind: "failed", status: STATUS_OBJECT_NAME_INVALID };
  const next = findEntry(body, component, lookup.attributes.attributes & OBJ_CASE_INSENSITIVE);
  if (next !== null) return { kind: "next", body: next };
  if (rest.length > 1) return { kind: "failed", status: STATUS_OBJECT_PATH_NOT_FOUND };
  return { kind: "absent", directory: body, name: component };
}
