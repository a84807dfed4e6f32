/** Phase 0 of the process manager: object types, the System process, and the calls that earlier layers make upwards. */
import { JOB_OBJECT_ALL_ACCESS } from "../abi/job.ts";
import {
  PROCESS_ALL_ACCESS,
  PROCESS_QUERY_INFORMATION,
  PROCESS_QUERY_LIMITED_INFORMATION,
  THREAD_ALL_ACCESS,
  THREAD_QUERY_INFORMATION,
  THREAD_QUERY_LIMITED_INFORMATION,
} from "../abi/ps.ts";
import { CallbackSlots } from "../ex/callback.ts";
import { HandleTable } from "../ex/handle.ts";
import { ExQueueWorkItem, ExWorkItem, WorkQueueType } from "../ex/work.ts";
import { KGuardedMutex } from "../ke/gmutex.ts";
import type { KThread } from "../ke/objects.ts";
import { KeQueryInterruptTime, systemTimeOf } from "../ke/time.ts";
import type { ExceptionRecord } from "../ke/usermode.ts";
import type { Kernel } from "../kernel.ts";
import { ObCreateObjectType } from "../ob/create.ts";
import { assert } from "../rtl/assert.ts";
import { listHead } from "../rtl/list.ts";
import { type Blocking, DONE } from "../sim/blocking.ts";
import { emit } from "../sim/record.ts";
import { PsGetCurrentThread } from "./current.ts";
import { PspDeleteProcess, PspDeleteThread } from "./delete.ts";
import { KiDispatchException } from "./exception.ts";
import { activeImpersonation, PsImpersonateClient } from "./impersonation.ts";
import type { Job } from "./job.ts";
import { PspCloseJob, PspDeleteJob } from "./jobkill.ts";
import { PspJobTimeLimitsWork } from "./jobtimelimits.ts";
import { peekThread } from "./lookup.ts";
import { EProcess, EThread } from "./objects.ts";
import { PspReapRoutine } from "./reaper.ts";
import type { PsState } from "./state.ts";
import { startSystemThread } from "./systemthread.ts";

const PROCESS_GENERIC = {
  read: 0x20410,
  write: 0x20beb,
  execute: 0x120001,
  all: PROCESS_ALL_ACCESS,
};
const THREAD_GENERIC = { read: 0x20048, write: 0x20037, execute: 0x120800, all: THREAD_ALL_ACCESS };
const JOB_GENERIC = { read: 0x20004, write: 0x2000b, execute: 0x120000, all: JOB_OBJECT_ALL_ACCESS };

/** Makes the process manager's state; the object manager must be there. */
export function createPsState(k: Kernel): PsState {
  return {
    cidTable: new HandleTable({ strictFifo: true }),
    activeProcessMutex: new KGuardedMutex("PspActiveProcessMutex"),
    activeProcessHead: listHead<EProcess>(),
    processType: ObCreateObjectType<EProcess>(k, {
      name: "Process",
      validAccess: PROCESS_ALL_ACCESS,
      genericMapping: PROCESS_GENERIC,
      impliedAccess: { by: PROCESS_QUERY_INFORMATION, also: PROCESS_QUERY_LIMITED_INFORMATION },
      poolBytes: 0x260,
      poolTag: "Proc",
      deleteProcedure: PspDeleteProcess,
      defaultObject: (process) => process,
    }),
    threadType: ObCreateObjectType<EThread>(k, {
      name: "Thread",
      validAccess: THREAD_ALL_ACCESS,
      genericMapping: THREAD_GENERIC,
      impliedAccess: { by: THREAD_QUERY_INFORMATION, also: THREAD_QUERY_LIMITED_INFORMATION },
      poolBytes: 0x260,
      poolTag: "Thre",
      deleteProcedure: PspDeleteThread,
      defaultObject: (thread) => thread,
    }),
    jobType: ObCreateObjectType<Job>(k, {
      name: "Job",
      validAccess: JOB_OBJECT_ALL_ACCESS,
      genericMapping: JOB_GENERIC,
      poolBytes: 0x180,
      closeProcedure: PspCloseJob,
      deleteProcedure: PspDeleteJob,
      defaultObject: (job) => job,
    }),
    lastJobNumber: 0,
    jobTime: { jobs: new Set(), timer: null, item: new ExWorkItem(PspJobTimeLimitsWork), working: false },
    initialSystemProcess: null,
    systemToken: null,
    idleProcess: null,
    reaperWorkItem: new ExWorkItem(PspReapRoutine),
    processNotify: new CallbackSlots(),
    processNotifyEx: new CallbackSlots(),
    threadNotify: new CallbackSlots(),
    imageNotify: new CallbackSlots(),
    legoNotify: null,
    win32Callouts: null,
    crashed: new Set(),
    // Filled by the debugger support; until then no process has a debug port, and none of these is called.
    dbgk: {
      createThread: noDebugger,
      exitThread: noDebugger,
      exitProcess: noDebugger,
      clearDebugObject: noDebugger,
      copyDebugPort: noDebugger,
      forwardException: noDebugger,
    },
  };
}

/** Fills the tables through which earlier layers call the process manager. */
export function connectPs(k: Kernel): void {
  k.ke.upcalls.queueReaper = (kernel) => {
    ExQueueWorkItem(kernel, kernel.ps.reaperWorkItem, WorkQueueType.HyperCritical);
  };
  k.ke.upcalls.threadTerminated = recordSignal;
  k.ke.upcalls.raiseUserException = raiseUserException;
  k.ex.upcalls.createSystemThread = startSystemThread;
  k.ex.upcalls.isImpersonating = (thread) => thread instanceof EThread && activeImpersonation(thread) !== null;
  connectSecurity(k);
  k.lpc.upcalls.lookupThread = (kernel, { pid, tid }) => peekThread(kernel, pid, tid);
  k.lpc.upcalls.processCreateTime = (process) => (process instanceof EProcess ? systemTimeOf(process.createTime) : 0n);
  k.lpc.upcalls.impersonate = (kernel, info) => PsImpersonateClient(kernel, PsGetCurrentThread(kernel), info);
}

/** A thread that exits never returns to user mode, so nothing is raised there (D20). */
function raiseUserException(k: Kernel, record: ExceptionRecord): Blocking<void> {
  return PsGetCurrentThread(k).exiting ? DONE : KiDispatchException(k, record, { firstChance: true });
}

function connectSecurity(k: Kernel): void {
  k.se.upcalls.processType = () => k.ps.processType;
  k.se.upcalls.threadType = () => k.ps.threadType;
  k.se.upcalls.processToken = (process) => (process instanceof EProcess ? process.token : null);
  k.se.upcalls.processToken = (process) => (process instanceof EProcess ? process.token : null);
  k.se.upcalls.impersonation = (thread) => (thread instanceof EThread ? activeImpersonation(thread) : null);
  k.se.upcalls.peekPrimaryToken = (thread) => {
    assert(thread instanceof EThread && thread.threadsProcess.token !== null, "a process has a token while it lives");
    return thread.threadsProcess.token;
  };
}

function recordSignal(k: Kernel, thread: KThread): void {
  if (k.sim.record === null || !(thread instanceof EThread)) return;
  const time = KeQueryInterruptTime(k);
  emit(k, { kind: "thread-signaled", time, pid: thread.threadsProcess.pid, tid: thread.tid });
}

// eslint-disable-next-line require-yield
function* noDebugger(): Blocking<never> {
  assert(false, "a process without a debug port tells no debugger");
}
