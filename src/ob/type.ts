/**
 * Object types: what the object manager asks the component that owns an object. Types are objects themselves, made when
 * the machine boots and never deleted.
 */
import {
  type GenericMapping,
  GENERIC_ALL,
  GENERIC_EXECUTE,
  GENERIC_READ,
  GENERIC_WRITE,
  MAXIMUM_ALLOWED,
} from "../abi/ob.ts";
import type { ProcessorMode } from "../abi/ke.ts";
import { SYNCHRONIZE } from "../abi/ps.ts";
import type { NtResult, NtStatus } from "../abi/status.ts";
import type { DispatcherHeader } from "../ke/objects.ts";
import type { Kernel } from "../kernel.ts";
import { ObjectBody } from "../rtl/body.ts";
import type { Blocking } from "../sim/blocking.ts";
import type { ObProcess } from "./process.ts";

/** `OB_OPEN_REASON`. */
export type OpenReason = "create" | "open" | "duplicate" | "inherit";

/** A path that leads through an object which is not a directory. */
export interface ParseRequest<T extends ObjectBody> {
  readonly body: T;
  /** What is left of the path; begins with a backslash unless it is empty. */
  readonly remaining: string;
  readonly attributes: number;
  readonly desiredAccess: number;
  readonly mode: ProcessorMode;
  /** The type that the caller wants, or null for any. */
  readonly type: ObjectType | null;
  /** Whatever the opener passed along. */
  readonly context: unknown;
}

/**
 * Runs for each handle that is closed, in a critical region: it must not end the current thread. The counts include the
 * handle, so 1 means the last.
 */
export type CloseProcedure<T extends ObjectBody> = (
  k: Kernel,
  process: ObProcess,
  body: T,
  grantedAccess: number,
  processHandleCount: number,
  systemHandleCount: number,
) => Blocking<void>;

/** May refuse the closing of a handle. */
export type OkayToCloseProcedure<T extends ObjectBody> = (
  k: Kernel,
  process: ObProcess,
  body: T,
  handle: number,
  mode: ProcessorMode,
) => boolean;

/** Runs for each handle that is made, and may refuse it. `handleCount` is the process's, with this one. */
export type OpenProcedure<T extends ObjectBody> = (
  k: Kernel,
  reason: OpenReason,
  process: ObProcess,
  body: T,
  grantedAccess: number,
  handleCount: number,
) => NtStatus;

/** Who has the right `by` has the right `also` as well. */
export interface ImpliedAccess {
  readonly by: number;
  readonly also: number;
}

/** The procedures of a type for bodies of class `T`. A null one has nothing to do. */
export interface ObjectTypeInit<T extends ObjectBody> {
  readonly name: string;
  readonly validAccess: number;
  readonly genericMapping: GenericMapping;
  /** A right that comes with another one, unasked. */
  readonly impliedAccess?: ImpliedAccess | null;
  /** Size of one object with its header. */
  readonly poolBytes: number;
  /** Four characters; the first of the name by default. */
  readonly poolTag?: string;
  /** Runs once, when the last reference is gone; it must leave the count at 0. */
  readonly deleteProcedure?: ((k: Kernel, body: T) => Blocking<void>) | null;
  readonly closeProcedure?: CloseProcedure<T> | null;
  readonly okayToClose?: OkayToCloseProcedure<T> | null;
  readonly openProcedure?: OpenProcedure<T> | null;
  /** Goes on with a path behind the object. @returns an object with a reference for the caller */
  readonly parseProcedure?: ((k: Kernel, request: ParseRequest<T>) => Blocking<NtResult<ObjectBody>>) | null;
  /** What to wait for; without it, a wait for the object succeeds at once. */
  readonly defaultObject?: ((body: T) => DispatcherHeader) | null;
}

export class ObjectType extends ObjectBody {
  readonly name: string;
  readonly validAccess: number;
  readonly genericMapping: GenericMapping;
  readonly impliedAccess: ImpliedAccess | null;
  readonly poolBytes: number;
  readonly poolTag: string;
  readonly deleteProcedure: ((k: Kernel, body: ObjectBody) => Blocking<void>) | null;
  readonly closeProcedure: CloseProcedure<ObjectBody> | null;
  readonly okayToClose: OkayToCloseProcedure<ObjectBody> | null;
  readonly openProcedure: OpenProcedure<ObjectBody> | null;
  readonly parseProcedure: ((k: Kernel, request: ParseRequest<ObjectBody>) => Blocking<NtResult<ObjectBody>>) | null;
  readonly defaultObject: ((body: ObjectBody) => DispatcherHeader) | null;
  totalObjects = 0;
  totalHandles = 0;
  peakObjects = 0;
  peakHandles = 0;

  constructor(id: number, init: ObjectTypeInit<ObjectBody>) {
    super(id);
    this.name = init.name;
    this.defaultObject = init.defaultObject ?? null;
    // Who waits for an object without a dispatcher part waits for one that is always signaled.
    this.validAccess = init.validAccess | (this.defaultObject === null ? SYNCHRONIZE : 0);
    this.genericMapping = init.genericMapping;
    this.impliedAccess = init.impliedAccess ?? null;
    this.poolBytes = init.poolBytes;
    this.poolTag = init.poolTag ?? init.name.slice(0, 4).padEnd(4);
    this.deleteProcedure = init.deleteProcedure ?? null;
    this.closeProcedure = init.closeProcedure ?? null;
    this.okayToClose = init.okayToClose ?? null;
    this.openProcedure = init.openProcedure ?? null;
    this.parseProcedure = init.parseProcedure ?? null;
  }
}

/** `RtlMapGenericMask`, and what MAXIMUM_ALLOWED means where nobody is refused anything. */
export function grantAccess(type: ObjectType, desiredAccess: number): number {
  const { genericMapping: mapping, validAccess, impliedAccess } = type;
  let access = desiredAccess & ~(GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE | GENERIC_ALL);
  if ((desiredAccess & GENERIC_READ) !== 0) access |= mapping.read;
  if ((desiredAccess & GENERIC_WRITE) !== 0) access |= mapping.write;
  if ((desiredAccess & GENERIC_EXECUTE) !== 0) access |= mapping.execute;
  if ((desiredAccess & GENERIC_ALL) !== 0) access |= mapping.all;
  if ((desiredAccess & MAXIMUM_ALLOWED) !== 0) access |= mapping.all;
  if (impliedAccess !== null && (access & impliedAccess.by) !== 0) access |= impliedAccess.also;
  return (access & validAccess) >>> 0;
}
