/**
 * Debug objects and the events that wait in them.
 *
 * Invariants: of the events of one process the debugger sees one at a time, the oldest: it is READ, those behind it are
 * INACTIVE until it is answered. An event with a continue event belongs to the thread that waits for the answer; one
 * without was made on attaching and owns a pool block, a reference on its process and its thread, the thread's
 * rundown protection, and its file.
 */
import { DispatcherType } from "../abi/ke.ts";
import type { NtStatus } from "../abi/status.ts";
import { STATUS_PENDING } from "../abi/status.ts";
import type { PoolBlock } from "../ex/pool.ts";
import { KGuardedMutex } from "../ke/gmutex.ts";
import { KEvent } from "../ke/objects.ts";
import type { ExceptionRecord } from "../ke/usermode.ts";
import type { EProcess, EThread } from "../ps/objects.ts";
import { ObjectBody } from "../rtl/body.ts";
import { ListEntry, listHead } from "../rtl/list.ts";

/** `DEBUG_OBJECT`. */
export class DebugObject extends ObjectBody {
  /** Signaled while there may be an event to read; once the last handle is closed, for good. */
  readonly eventsPresent: KEvent;
  /** Protects everything below. Taken after the debug-port mutex. */
  readonly mutex: KGuardedMutex = new KGuardedMutex("DebugObject");
  readonly eventList: ListEntry<DebugEvent> = listHead();
  /** The last handle has been closed: nobody will ever answer. */
  debuggerInactive = false;
  killProcessOnExit: boolean;

  constructor(id: number, eventsPresent: KEvent, options: { readonly killProcessOnExit: boolean }) {
    super(id);
    this.eventsPresent = eventsPresent;
    this.killProcessOnExit = options.killProcessOnExit;
  }
}

/** An image as a debugger is told of it. */
export interface ReportedImage {
  /** Referenced by whoever made the message; null if it cannot be opened. */
  readonly file: ObjectBody | null;
  readonly base: number;
  /** Where the file has its symbol table, and how many entries. */
  readonly debugInfoFileOffset: number;
  readonly debugInfoSize: number;
}

/** `DBGKM_APIMSG`: what happened to a debuggee. */
export type DbgkMessage =
  | { readonly kind: "exception"; readonly record: ExceptionRecord; readonly firstChance: boolean }
  | { readonly kind: "create-thread"; readonly startAddress: number }
  | { readonly kind: "create-process"; readonly image: ReportedImage; readonly startAddress: number }
  | { readonly kind: "exit-thread"; readonly exitStatus: NtStatus }
  | { readonly kind: "exit-process"; readonly exitStatus: NtStatus }
  | { readonly kind: "load-dll"; readonly image: ReportedImage; readonly namePointer: number }
  | { readonly kind: "unload-dll"; readonly base: number };

/** The debugger has it and has not answered. */
export const DEBUG_EVENT_READ = 0x01;
/** Nobody waits for the answer: made on attaching. */
export const DEBUG_EVENT_NOWAIT = 0x02;
/** Not to be read yet: another event of the process comes first, or the attaching is not complete. */
export const DEBUG_EVENT_INACTIVE = 0x04;
/** Holds the thread's rundown protection. */
export const DEBUG_EVENT_RELEASE = 0x08;
/** The thread was exiting when it was to be reported. */
export const DEBUG_EVENT_PROTECT_FAILED = 0x10;
/** Holds one suspension of the thread. */
export const DEBUG_EVENT_SUSPEND = 0x20;

export const TAG_DEBUG_EVENT = "DbgE";
export const DEBUG_EVENT_BYTES = 0xa8;

/** What a thread that reports to its debugger waits for; wait graphs know it. */
export class DebugContinueEvent extends KEvent {
  constructor(id: number) {
    super(id, DispatcherType.EventSynchronization, 0);
  }
}

/** `DEBUG_EVENT`. Under the mutex of the object in whose list it is. */
export class DebugEvent {
  readonly entry: ListEntry<DebugEvent> = new ListEntry<DebugEvent>(this);
  readonly process: EProcess;
  readonly thread: EThread;
  readonly message: DbgkMessage;
  flags: number;
  /** What the thread of the event waits for; null if none does. */
  readonly continueEvent: KEvent | null;
  readonly block: PoolBlock | null;
  /** Who is attaching and may yet take the event back. */
  backoutThread: EThread | null = null;
  /** How the wait ends: SUCCESS, or DEBUGGER_INACTIVE. */
  status: NtStatus = STATUS_PENDING;
  /** The debugger's answer. */
  returnedStatus: NtStatus = STATUS_PENDING;

  constructor(
    report: { readonly process: EProcess; readonly thread: EThread; readonly message: DbgkMessage },
    flags: number,
    owner: { readonly continueEvent: KEvent | null; readonly block: PoolBlock | null },
  ) {
    this.process = report.process;
    this.thread = report.thread;
    this.message = report.message;
    this.flags = flags;
    this.continueEvent = owner.continueEvent;
    this.block = owner.block;
  }
}
