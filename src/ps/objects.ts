/**
 * Processes and threads. Fields are grouped by what makes a write safe. Where NT lets fields share storage, they are
 * separate here, and the order that the sharing forces is asserted where it matters.
 */
import { type NtStatus, STATUS_PENDING, STATUS_SUCCESS } from "../abi/status.ts";
import type { PoolBlock } from "../ex/pool.ts";
import type { QuotaBlock } from "../ex/quota.ts";
import { ExPushLock } from "../ex/pushlock.ts";
import { ExRundown } from "../ex/rundown.ts";
import { IoProcess } from "../io/process.ts";
import type { KApc } from "../ke/objects.ts";
import type { LpcPort } from "../lpc/port.ts";
import { LpcThread } from "../lpc/thread.ts";
import { ListEntry, listHead } from "../rtl/list.ts";
import type { KillRequest } from "../sim/record.ts";
import type { ImpersonationInfo, Token } from "../se/token.ts";
import type { Job } from "./job.ts";

/** `CLIENT_ID`. */
export interface ClientId {
  readonly pid: number;
  readonly tid: number;
}

/** One registration of `NtRegisterThreadTerminatePort`; owns one reference on the port. */
export interface TerminationPort {
  readonly port: LpcPort;
  readonly block: PoolBlock;
  /** What the registration is charged to. */
  readonly quota: QuotaBlock | null;
  readonly next: TerminationPort | null;
}

export class EProcess extends IoProcess {
  // Interlocked.
  flags = 0;
  /** Whoever is at the kernel debugger has accepted the death of this critical process. */
  deathAccepted = false;

  // Under ProcessLock.
  readonly processLock: ExPushLock = new ExPushLock("ProcessLock");
  readonly ethreadListHead: ListEntry<EThread> = listHead();
  activeThreads = 0;
  exitStatus: NtStatus = STATUS_PENDING;
  lastThreadExitStatus: NtStatus = STATUS_SUCCESS;
  /** Whether {@link lastThreadExitStatus} was ever recorded: its initial value would read as success (D14). */
  lastThreadExitStatusRecorded = false;

  // Under PspActiveProcessMutex.
  readonly activeProcessLinks: ListEntry<EProcess> = new ListEntry<EProcess>(this);

  // Creation, then the last thread.
  parentPid = 0;
  imageFileName = "";
  imagePath = "";
  /** 100 ns since boot. */
  createTime = 0;
  exitTime = 0;
  token: Token | null = null;
  exceptionPort: LpcPort | null = null;
  /** Null: not connected yet; "closed": never again. */
  securityPort: LpcPort | "closed" | null = null;
  /** The innermost of its jobs, referenced. Set once, or to a job deeper inside. */
  job: Job | null = null;
  /** `JOB_*` bits of `job.ts`. */
  jobStatus = 0;
  win32Process: object | null = null;
  auditImageName: PoolBlock | null = null;
  workingSetWatch: PoolBlock | null = null;
  sessionId = 1;
  defaultHardErrorMode = 0;
  /** Whether its birth was told to the process notify routines: it is, with its first thread. */
  birthTold = false;
  /** Whether the process counts against its quota block. */
  quotaCharged = false;
  priorityClass = 2;
}

export class EThread extends LpcThread {
  readonly threadsProcess: EProcess;

  // Interlocked, any thread.
  crossThreadFlags = 0;
  /** Whoever is at the kernel debugger has accepted the death of this critical thread. */
  deathAccepted = false;

  // Self.
  terminationPort: TerminationPort | null = null;
  /** Set on entry to PspExitThread, which is entered once (D24). */
  exiting = false;

  readonly rundownProtect: ExRundown = new ExRundown();
  readonly ethreadListEntry: ListEntry<EThread> = new ListEntry<EThread>(this);
  exitStatus: NtStatus = STATUS_PENDING;
  /** 100 ns since boot. */
  createTime = 0;
  exitTime = 0;
  startAddress = 0;
  win32StartAddress = 0;
  /** Region of the user stack, if the kernel frees it although the TEB does not say so; else 0. */
  kernelFreesStack = 0;
  name = "";
  nameBlock: PoolBlock | null = null;
  impersonationInfo: ImpersonationInfo | null = null;
  /** The kill's APC block: part of the thread, so that a kill never needs memory (D03). */
  exitApc: KApc | null = null;
  /** Who decided that this thread dies, first one wins; for its certificate. */
  killRequest: KillRequest | null = null;
  /** Code of the last exception that it raised, so that an exit with that code is told from an ordinary one. */
  lastException: NtStatus = STATUS_SUCCESS;
  lastExceptionAddress = 0;
  /** `NtAlertThreadByThreadId` before the wait. */
  alertedByThreadId = false;

  constructor(id: number, process: EProcess, ids: { readonly semaphore: number; readonly timeout: number }) {
    super(id, process, ids);
    this.threadsProcess = process;
  }
}
