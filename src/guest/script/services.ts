/**
 * The system services as scripted programs call them: `yield* nt.NtTerminateProcess(handle, status)`. Each goes through
 * the same entry into the kernel as a trap of the processor does, to the same typed routine.
 */
import { KernelMode, WaitAll, WaitAny } from "../../abi/ke.ts";
import { EVENT_ALL_ACCESS, MUTANT_ALL_ACCESS, SEMAPHORE_ALL_ACCESS } from "../../abi/ob.ts";
import { PROCESS_ALL_ACCESS, THREAD_ALL_ACCESS } from "../../abi/ps.ts";
import { failure, type NtResult, type NtStatus, ntStatus, STATUS_SUCCESS, success } from "../../abi/status.ts";
import { KeGetPreviousMode } from "../../ke/current.ts";
import type { EventType } from "../../ke/event.ts";
import type { ExceptionRecord } from "../../ke/usermode.ts";
import type { Kernel } from "../../kernel.ts";
import { NtClose } from "../../ob/close.ts";
import { NtCreateEvent, NtResetEvent, NtSetEvent } from "../../ob/exobjects/event.ts";
import { type MutantInformation, NtCreateMutant, NtQueryMutant, NtReleaseMutant } from "../../ob/exobjects/mutant.ts";
import { NtCreateSemaphore, NtReleaseSemaphore } from "../../ob/exobjects/semaphore.ts";
import { ObInsertObject } from "../../ob/insert.ts";
import { ObReferenceObjectByHandle } from "../../ob/handle.ts";
import { ObDereferenceObject, ObReferenceObject } from "../../ob/reference.ts";
import { NtWaitForMultipleObjects, NtWaitForSingleObject } from "../../ob/wait.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../../ps/current.ts";
import { KiDispatchException } from "../../ps/exception.ts";
import { PspTerminateThreadByPointer } from "../../ps/kill.ts";
import { NtTerminateProcess, NtTerminateThread } from "../../ps/killservices.ts";
import type { EProcess, EThread } from "../../ps/objects.ts";
import { NtOpenProcess, NtOpenThread, NtResumeProcess, NtSuspendProcess } from "../../ps/open.ts";
import { PspCreateProcess } from "../../ps/process.ts";
import type { DebugPortChoice } from "../../ps/state.ts";
import { PspCreateThread } from "../../ps/thread.ts";
import {
  NtAlertThread,
  NtAlertThreadByThreadId,
  NtDelayExecution,
  NtQueueApcThread,
  NtResumeThread,
  NtSuspendThread,
  NtTestAlert,
  NtWaitForAlertByThreadId,
  NtYieldExecution,
} from "../../ps/threadservices.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { emit } from "../../sim/record.ts";
import { type Script, type ScriptApc, ScriptContext, type ScriptProgram } from "./context.ts";
import { fileServices, type ScriptFileServices } from "./fileservices.ts";
import { jobServices, type ScriptJobServices } from "./jobs.ts";
import { handleOf, openNamed, service, UNNAMED } from "./service.ts";

function* createEvent(k: Kernel, type: EventType, name: string | null = null): Blocking<NtResult<number>> {
  return handleOf(yield* NtCreateEvent(k, EVENT_ALL_ACCESS, openNamed(name), type, false));
}

function* createMutant(k: Kernel, initialOwner: boolean, name: string | null = null): Blocking<NtResult<number>> {
  return handleOf(yield* NtCreateMutant(k, MUTANT_ALL_ACCESS, openNamed(name), initialOwner));
}

function* createSemaphore(k: Kernel, initial: number, maximum: number): Blocking<NtResult<number>> {
  return handleOf(yield* NtCreateSemaphore(k, SEMAPHORE_ALL_ACCESS, UNNAMED, initial, maximum));
}

/** How a new thread starts. */
export interface ScriptThreadOptions {
  readonly suspended?: boolean;
  readonly name?: string;
  /** Handle of the process to create it in; the caller's own by default. */
  readonly process?: number;
  readonly priority?: number;
  /** Tells no debugger of itself. */
  readonly hidden?: boolean;
}

/** A new thread or process as its creator sees it. */
export interface ScriptChild {
  readonly handle: number;
  readonly id: number;
}

function* createThread(
  k: Kernel,
  program: ScriptProgram,
  options: ScriptThreadOptions = {},
): Blocking<NtResult<ScriptChild>> {
  const process = takeProcess(k, options.process);
  if (!process.ok) return process;
  const mode = KeGetPreviousMode(k);
  const created = yield* createScriptThread(k, process.value, program, {
    createSuspended: options.suspended ?? false,
    hideFromDebugger: options.hidden ?? false,
    handle: { desiredAccess: THREAD_ALL_ACCESS, attributes: 0, mode },
  });
  yield* ObDereferenceObject(k, process.value);
  if (!created.ok) return created;
  const { thread, handle } = created.value;
  if (options.name !== undefined) nameThread(k, thread, options.name);
  if (options.priority !== undefined) thread.basePriority = options.priority;
  yield* ObDereferenceObject(k, thread);
  return success({ handle, id: thread.tid });
}

function nameThread(k: Kernel, thread: EThread, name: string): void {
  thread.name = name;
  emit(k, { kind: "thread-named", pid: thread.threadsProcess.pid, tid: thread.tid, name });
}

function takeProcess(k: Kernel, handle: number | undefined): NtResult<EProcess> {
  if (handle !== undefined) {
    return ObReferenceObjectByHandle<EProcess>(k, handle, PROCESS_ALL_ACCESS, k.ps.processType, KeGetPreviousMode(k));
  }
  const own = PsGetCurrentProcess(k);
  ObReferenceObject(own);
  return success(own);
}

/** Creates a thread that runs a script; returning from it ends the thread with what it returned. */
export function createScriptThread(
  k: Kernel,
  process: EProcess,
  program: ScriptProgram,
  options: Omit<Parameters<typeof PspCreateThread>[2], "setUp">,
): ReturnType<typeof PspCreateThread> {
  return PspCreateThread(k, process, {
    createSuspended: options.createSuspended ?? false,
    hideFromDebugger: options.hideFromDebugger ?? false,
    // Spelt out, because a copy of unknown shape would be slow wherever it is read.
    startAddress: options.startAddress ?? 0,
    handle: options.handle,
    ownAccess: options.ownAccess,
    setUp: (_kernel, thread) => {
      thread.user = new ScriptContext(program, endOfScript);
      return STATUS_SUCCESS;
    },
  });
}

/** The program returned: its thread ends, as `RtlUserThreadStart` would end it. */
function endOfScript(k: Kernel, status: NtStatus): Blocking<NtStatus> {
  const reason = { self: true, route: "returned", via: "return" } as const;
  return PspTerminateThreadByPointer(k, PsGetCurrentThread(k), status, reason);
}

/** How a new process starts. */
export interface ScriptProcessOptions {
  readonly suspended?: boolean;
  readonly inheritHandles?: boolean;
  readonly debug?: DebugPortChoice | undefined;
  /** Leaves the job of its parent, if that allows it. */
  readonly breakaway?: boolean;
}

/** Creates a process and, unless it is to have no program, its first thread; the caller gets a handle to each. */
export function* createProcess(
  k: Kernel,
  name: string,
  program: ScriptProgram | null,
  options: ScriptProcessOptions = {},
): Blocking<NtResult<ScriptChild & { readonly thread: number }>> {
  const created = yield* createScriptProcess(k, name, { parent: PsGetCurrentProcess(k), ...options });
  if (!created.ok) return created;
  const process = created.value;
  let thread = 0;
  if (program !== null) {
    const started = yield* createScriptThread(k, process, program, {
      createSuspended: options.suspended ?? false,
      handle: { desiredAccess: THREAD_ALL_ACCESS, attributes: 0, mode: KeGetPreviousMode(k) },
    });
    if (!started.ok) {
      yield* ObDereferenceObject(k, process);
      return started;
    }
    thread = started.value.handle;
    yield* ObDereferenceObject(k, started.value.thread);
  }
  const { pid } = process;
  const mode = KeGetPreviousMode(k);
  const inserted = yield* ObInsertObject(k, process, { desiredAccess: PROCESS_ALL_ACCESS, attributes: 0, mode });
  return inserted.ok ? success({ handle: inserted.value.handle, id: pid, thread }) : inserted;
}

/** Creates a process for scripts, without a thread. @returns it, with its creation reference */
export function createScriptProcess(
  k: Kernel,
  name: string,
  options: {
    readonly parent: EProcess | null;
    readonly inheritHandles?: boolean;
    readonly debug?: DebugPortChoice | undefined;
    readonly breakaway?: boolean;
  },
): Blocking<NtResult<EProcess>> {
  return PspCreateProcess(k, {
    parent: options.parent,
    imageFileName: name,
    imagePath: name,
    section: null,
    inheritHandles: options.inheritHandles ?? false,
    breakaway: options.breakaway ?? false,
    userMemory: true,
    debug: options.debug,
  });
}

function queueApc(k: Kernel, handle: number, script: ScriptApc, context: unknown = 0): Blocking<NtStatus> {
  return NtQueueApcThread(k, handle, { routine: 1, script, context, argument1: 0, argument2: 0 });
}

function* raise(k: Kernel, code: number): Blocking<NtStatus> {
  const record: ExceptionRecord = { code: ntStatus(code), flags: 0, address: 0, parameters: [] };
  yield* KiDispatchException(k, record, { firstChance: true });
  return STATUS_SUCCESS;
}

/** What a process or thread object says of itself. */
export interface ScriptInformation {
  readonly exitStatus: NtStatus;
  readonly signaled: boolean;
  readonly pid: number;
  readonly tid: number;
}

function* queryThread(k: Kernel, handle: number): Blocking<NtResult<ScriptInformation>> {
  const thread = ObReferenceObjectByHandle<EThread>(k, handle, 0, k.ps.threadType, KernelMode);
  if (!thread.ok) return failure(thread.status);
  const { exitStatus, signalState, tid, threadsProcess } = thread.value;
  yield* ObDereferenceObject(k, thread.value);
  return success({ exitStatus, signaled: signalState !== 0, pid: threadsProcess.pid, tid });
}

function* queryProcess(k: Kernel, handle: number): Blocking<NtResult<ScriptInformation>> {
  const process = ObReferenceObjectByHandle<EProcess>(k, handle, 0, k.ps.processType, KernelMode);
  if (!process.ok) return failure(process.status);
  const { exitStatus, signalState, pid } = process.value;
  yield* ObDereferenceObject(k, process.value);
  return success({ exitStatus, signaled: signalState !== 0, pid, tid: 0 });
}

/** The system services as scripts see them. Handles are numbers, times are 100 ns from now, null means for ever. */
export interface ScriptServices extends ScriptJobServices, ScriptFileServices {
  readonly NtClose: (handle: number) => Script<NtStatus>;
  readonly NtCreateEvent: (type: EventType, name?: string | null) => Script<NtResult<number>>;
  readonly NtSetEvent: (handle: number) => Script<NtResult<number>>;
  readonly NtResetEvent: (handle: number) => Script<NtResult<number>>;
  readonly NtCreateMutant: (initialOwner: boolean, name?: string | null) => Script<NtResult<number>>;
  readonly NtReleaseMutant: (handle: number) => Script<NtResult<number>>;
  readonly NtQueryMutant: (handle: number) => Script<NtResult<MutantInformation>>;
  readonly NtCreateSemaphore: (initial: number, maximum: number) => Script<NtResult<number>>;
  readonly NtReleaseSemaphore: (handle: number, count: number) => Script<NtResult<number>>;
  readonly NtWaitForSingleObject: (
    handle: number,
    alertable?: boolean,
    timeout100ns?: number | null,
  ) => Script<NtStatus>;
  readonly NtWaitForMultipleObjects: (
    handles: readonly number[],
    type: "all" | "any",
    alertable?: boolean,
    timeout100ns?: number | null,
  ) => Script<NtStatus>;
  readonly NtDelayExecution: (alertable: boolean, interval100ns: number | null) => Script<NtStatus>;
  readonly NtYieldExecution: () => Script<NtStatus>;
  readonly NtTestAlert: () => Script<NtStatus>;
  readonly NtAlertThread: (handle: number) => Script<NtStatus>;
  readonly NtAlertThreadByThreadId: (tid: number) => Script<NtStatus>;
  readonly NtWaitForAlertByThreadId: (timeout100ns?: number | null) => Script<NtStatus>;
  readonly NtSuspendThread: (handle: number) => Script<NtResult<number>>;
  readonly NtResumeThread: (handle: number) => Script<NtResult<number>>;
  readonly NtSuspendProcess: (handle: number) => Script<NtStatus>;
  readonly NtResumeProcess: (handle: number) => Script<NtStatus>;
  readonly NtQueueApcThread: (handle: number, script: ScriptApc, context?: unknown) => Script<NtStatus>;
  readonly NtTerminateProcess: (handle: number, status: number) => Script<NtStatus>;
  readonly NtTerminateThread: (handle: number, status: number) => Script<NtStatus>;
  readonly NtOpenProcess: (pid: number, desiredAccess?: number) => Script<NtResult<number>>;
  readonly NtOpenThread: (tid: number, desiredAccess?: number) => Script<NtResult<number>>;
  readonly NtCreateThread: (program: ScriptProgram, options?: ScriptThreadOptions) => Script<NtResult<ScriptChild>>;
  readonly NtCreateProcess: (
    name: string,
    program: ScriptProgram | null,
    options?: ScriptProcessOptions,
  ) => Script<
    NtResult<
      ScriptChild & {
        readonly thread: number;
      }
    >
  >;
  readonly NtRaiseException: (code: number) => Script<NtStatus>;
  readonly queryThread: (handle: number) => Script<NtResult<ScriptInformation>>;
  readonly queryProcess: (handle: number) => Script<NtResult<ScriptInformation>>;
  /** Runs any routine of the kernel as if it were a system service; for tests and drivers. */
  readonly call: <R>(routine: (k: Kernel) => R | Blocking<R>) => Script<R>;
}

/** The services, by their names; what has no NT name is a convenience over several. */
export const nt: ScriptServices = {
  ...jobServices,
  ...fileServices,
  NtClose: service("NtClose", NtClose),
  NtCreateEvent: service("NtCreateEvent", createEvent),
  NtSetEvent: service("NtSetEvent", NtSetEvent),
  NtResetEvent: service("NtResetEvent", NtResetEvent),
  NtCreateMutant: service("NtCreateMutant", createMutant),
  NtReleaseMutant: service("NtReleaseMutant", NtReleaseMutant),
  NtQueryMutant: service("NtQueryMutant", NtQueryMutant),
  NtCreateSemaphore: service("NtCreateSemaphore", createSemaphore),
  NtReleaseSemaphore: service("NtReleaseSemaphore", NtReleaseSemaphore),
  NtWaitForSingleObject: service(
    "NtWaitForSingleObject",
    (k, handle: number, alertable: boolean = false, timeout100ns: number | null = null) =>
      NtWaitForSingleObject(k, handle, alertable, timeout100ns),
  ),
  NtWaitForMultipleObjects: service(
    "NtWaitForMultipleObjects",
    (
      k,
      handles: readonly number[],
      type: "any" | "all",
      alertable: boolean = false,
      timeout100ns: number | null = null,
    ) => NtWaitForMultipleObjects(k, handles, type === "any" ? WaitAny : WaitAll, alertable, timeout100ns),
  ),
  NtDelayExecution: service("NtDelayExecution", (k, alertable: boolean, interval100ns: number | null) =>
    NtDelayExecution(k, alertable, interval100ns),
  ),
  NtYieldExecution: service("NtYieldExecution", NtYieldExecution),
  NtTestAlert: service("NtTestAlert", (k) => NtTestAlert(k)),
  NtAlertThread: service("NtAlertThread", NtAlertThread),
  NtAlertThreadByThreadId: service("NtAlertThreadByThreadId", NtAlertThreadByThreadId),
  NtWaitForAlertByThreadId: service("NtWaitForAlertByThreadId", (k, timeout100ns: number | null = null) =>
    NtWaitForAlertByThreadId(k, timeout100ns),
  ),
  NtSuspendThread: service("NtSuspendThread", NtSuspendThread),
  NtResumeThread: service("NtResumeThread", NtResumeThread),
  NtSuspendProcess: service("NtSuspendProcess", NtSuspendProcess),
  NtResumeProcess: service("NtResumeProcess", NtResumeProcess),
  NtQueueApcThread: service("NtQueueApcThread", queueApc),
  NtTerminateProcess: service("NtTerminateProcess", (k, handle: number, status: number) =>
    NtTerminateProcess(k, handle, ntStatus(status)),
  ),
  NtTerminateThread: service("NtTerminateThread", (k, handle: number, status: number) =>
    NtTerminateThread(k, handle, ntStatus(status)),
  ),
  NtOpenProcess: service("NtOpenProcess", (k, pid: number, desiredAccess: number = PROCESS_ALL_ACCESS) =>
    NtOpenProcess(k, { desiredAccess, attributes: UNNAMED, clientId: { pid, tid: 0 } }),
  ),
  NtOpenThread: service("NtOpenThread", (k, tid: number, desiredAccess: number = THREAD_ALL_ACCESS) =>
    NtOpenThread(k, { desiredAccess, attributes: UNNAMED, clientId: { pid: 0, tid } }),
  ),
  NtCreateThread: service("NtCreateThreadEx", createThread),
  NtCreateProcess: service("NtCreateProcess", createProcess),
  NtRaiseException: service("NtRaiseException", raise),
  queryThread: service("NtQueryInformationThread", queryThread),
  queryProcess: service("NtQueryInformationProcess", queryProcess),
  /** Runs any routine of the kernel as if it were a system service; for tests and drivers. */
  call: <R>(routine: (k: Kernel) => R | Blocking<R>): Script<R> => service("call", routine)(),
};
