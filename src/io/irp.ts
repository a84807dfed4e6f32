/**
 * I/O requests. An IRP is linked into its thread's list from the moment it is issued until it is finished in that
 * thread's context, so that the end of the thread finds everything that is still under way.
 *
 * Invariants: a request is completed once and finished once; while it has a cancel routine its device still owns it;
 * it holds a reference on its file, and on its user event if it has one, until it is finished.
 */
import { type Irql, PASSIVE_LEVEL, type ProcessorMode } from "../abi/ke.ts";
import { type NtStatus, STATUS_PENDING } from "../abi/status.ts";
import { ExAllocatePoolWithTag, type PoolBlock } from "../ex/pool.ts";
import type { KEvent } from "../ke/objects.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObject } from "../ob/reference.ts";
import { ListEntry } from "../rtl/list.ts";
import { newObjectId } from "../sim/identity.ts";
import type { FileObject } from "./file.ts";
import type { IoThread } from "./thread.ts";

/** What is asked for. */
export type IrpMajor = "read" | "write" | "flush" | "device-control" | "file-system-control" | "lock-control";

/** The arguments of a request; those that do not apply are 0 or empty. */
export interface IrpParameters {
  /** Bytes asked for, or room for the output. */
  readonly length: number;
  readonly offset: number;
  /** What is written, or the input of a control. */
  readonly input: Uint8Array;
  /** `IoControlCode`; the lock key of a read or write. */
  readonly code: number;
  /** For a lock request. */
  readonly lock?: LockParameters;
}

/** The byte range that a lock request asks for. */
export interface LockParameters {
  readonly start: bigint;
  readonly length: bigint;
  readonly key: number;
  readonly exclusive: boolean;
  readonly failImmediately: boolean;
}

/** A user APC at the end of a request. */
export interface IrpApc {
  readonly routine: number;
  /** A scripted program's routine. */
  readonly script: unknown;
}

/** Told in the thread's own context how the request ended, before anybody is signaled: copies to user memory. */
export type WriteBack = (k: Kernel, irp: Irp) => void;

/**
 * Gives a pending request up: must lead to its completion, at once or later. Called with the cancel spin lock held, which
 * it releases to `irp.cancelIrql`.
 */
export type CancelRoutine = (k: Kernel, irp: Irp) => void;

export const TAG_IRP = "Irp ";
const IRP_POOL_BYTES = 0x94;

export class Irp {
  readonly id: number;
  readonly major: IrpMajor;
  readonly file: FileObject;
  readonly parameters: IrpParameters;
  readonly requestorMode: ProcessorMode;
  readonly block: PoolBlock;
  /** In the thread's `irpList`. */
  readonly threadListEntry: ListEntry<Irp> = new ListEntry<Irp>(this);
  /** Null once the request was given up as uncancellable. */
  thread: IoThread | null;

  // The answer, valid once completed.
  status: NtStatus = STATUS_PENDING;
  information = 0;
  output: Uint8Array | null = null;

  // Progress.
  cancelRoutine: CancelRoutine | null = null;
  cancelled = false;
  /** The level to which the cancel routine releases the cancel spin lock. */
  cancelIrql: Irql = PASSIVE_LEVEL;
  completed = false;
  finished = false;
  /** Whether the issuer went on, or went to wait, before the request was completed. */
  pendingReturned = false;

  // What its end does besides.
  userEvent: KEvent | null = null;
  userApc: IrpApc | null = null;
  /** `ApcContext`: argument of the APC, or the value in a completion packet. */
  apcContext = 0;
  /** User address of the status block, the APC's second argument. */
  ioStatusBlock = 0;
  writeBack: WriteBack | null = null;

  constructor(id: number, block: PoolBlock, init: IrpInit) {
    this.id = id;
    this.block = block;
    this.major = init.major;
    this.file = init.file;
    this.thread = init.thread;
    this.requestorMode = init.requestorMode;
    this.parameters = init.parameters;
  }
}

export interface IrpInit {
  readonly major: IrpMajor;
  readonly file: FileObject;
  readonly thread: IoThread;
  readonly requestorMode: ProcessorMode;
  readonly parameters: IrpParameters;
}

/** A request that holds a reference of its own on the file. @returns null without pool */
export function IoAllocateIrp(k: Kernel, init: IrpInit): Irp | null {
  const block = ExAllocatePoolWithTag(k, IRP_POOL_BYTES, TAG_IRP);
  if (block === null) return null;
  ObReferenceObject(init.file);
  return new Irp(newObjectId(k), block, init);
}

/** Sets or clears the cancel routine. @returns the one before */
export function IoSetCancelRoutine(irp: Irp, routine: CancelRoutine | null): CancelRoutine | null {
  const before = irp.cancelRoutine;
  irp.cancelRoutine = routine;
  return before;
}
