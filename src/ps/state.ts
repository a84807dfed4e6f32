/**
 * The process manager's state: who exists, who is told of births and deaths, and the calls into later layers, which
 * register themselves. The list of processes and the table of ids hold no references: what is found there is referenced
 * safely or not at all.
 */
import type { HandleTable } from "../ex/handle.ts";
import type { CallbackSlots } from "../ex/callback.ts";
import type { ExWorkItem } from "../ex/work.ts";
import type { KGuardedMutex } from "../ke/gmutex.ts";
import type { ExceptionRecord } from "../ke/usermode.ts";
import type { Kernel } from "../kernel.ts";
import type { ObjectType } from "../ob/type.ts";
import type { ObjectBody } from "../rtl/body.ts";
import type { ListEntry } from "../rtl/list.ts";
import type { Token } from "../se/token.ts";
import type { Blocking } from "../sim/blocking.ts";
import type { NtStatus } from "../abi/status.ts";
import type { ImageNotifyRoutine } from "./imagenotify.ts";
import type { JobTimeWatch } from "./jobtime.ts";
import type { EProcess, EThread } from "./objects.ts";

/** What a new process begins its debugging with. */
export interface DebugPortChoice {
  /** Named by the creator; null takes the parent's, unless the parent's children are not to be debugged. */
  readonly object: ObjectBody | null;
  /** Whether the children of the new process are not to be debugged. */
  readonly noInherit: boolean;
}

/** Calls into the debugger support, a later layer. */
export interface DbgkUpcalls {
  createThread: (k: Kernel, thread: EThread) => Blocking<void>;
  exitThread: (k: Kernel, status: NtStatus) => Blocking<void>;
  exitProcess: (k: Kernel, status: NtStatus) => Blocking<void>;
  /** `DbgkClearProcessDebugObject`. */
  clearDebugObject: (k: Kernel, process: EProcess) => Blocking<NtStatus>;
  /** `DbgkCopyProcessDebugPort`. */
  copyDebugPort: (k: Kernel, process: EProcess, parent: EProcess, choice: DebugPortChoice) => Blocking<void>;
  /** `DbgkForwardException`. @returns whether the debugger has dealt with it */
  forwardException: (
    k: Kernel,
    record: ExceptionRecord,
    options: { readonly secondChance: boolean },
  ) => Blocking<boolean>;
}

/** Calls into win32k, registered by `PsEstablishWin32Callouts`; null until then. */
export interface Win32Callouts {
  readonly thread: (k: Kernel, thread: EThread, reason: "initialize" | "exit") => Blocking<NtStatus>;
  readonly process: (k: Kernel, process: EProcess, create: boolean) => Blocking<NtStatus>;
}

/** A routine that is told of the birth and death of processes. `pid` is the process, `parentPid` its parent. */
export type ProcessNotifyRoutine = (k: Kernel, parentPid: number, pid: number, create: boolean) => Blocking<void>;
/** `PS_CREATE_NOTIFY_INFO`: who is born, and whether it may be. */
export interface CreateNotifyInfo {
  readonly parentPid: number;
  /** Who creates it. */
  readonly creator: { readonly pid: number; readonly tid: number };
  readonly imageFileName: string;
  /** A failure that a routine sets here is the end of the process, and the answer of its creation. */
  creationStatus: NtStatus;
}

/** A routine that is told of the birth (`info`) and death (null) of processes, and may refuse a birth. */
export type ProcessNotifyRoutineEx = (
  k: Kernel,
  process: EProcess,
  pid: number,
  info: CreateNotifyInfo | null,
) => Blocking<void>;
/** A routine that is told of the birth and death of threads. */
export type ThreadNotifyRoutine = (k: Kernel, pid: number, tid: number, create: boolean) => Blocking<void>;

export interface PsState {
  /** `PspCidTable`: processes and threads share one space of ids. */
  readonly cidTable: HandleTable;
  readonly activeProcessMutex: KGuardedMutex;
  readonly activeProcessHead: ListEntry<EProcess>;
  readonly processType: ObjectType;
  readonly threadType: ObjectType;
  readonly jobType: ObjectType;
  lastJobNumber: number;
  /** Checks now and then whether time limits of jobs are used up. */
  readonly jobTime: JobTimeWatch;
  /** `PsInitialSystemProcess`: home of the system threads. */
  initialSystemProcess: EProcess | null;
  /** The token of processes without a parent. */
  systemToken: Token | null;
  idleProcess: EProcess | null;
  readonly reaperWorkItem: ExWorkItem;
  readonly processNotify: CallbackSlots<ProcessNotifyRoutine>;
  readonly processNotifyEx: CallbackSlots<ProcessNotifyRoutineEx>;
  readonly threadNotify: CallbackSlots<ThreadNotifyRoutine>;
  readonly imageNotify: CallbackSlots<ImageNotifyRoutine>;
  legoNotify: ((k: Kernel, thread: EThread) => void) | null;
  win32Callouts: Win32Callouts | null;
  dbgk: DbgkUpcalls;
  /** Ids of the processes that an unhandled exception ended. */
  readonly crashed: Set<number>;
}
