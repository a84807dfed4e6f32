/**
 * The kernel's objects: data only, the routines are in the files named after NT's.
 *
 * Field groups say what makes a write safe. "Self" means: only the thread itself writes.
 */
import { DispatcherType, type ProcessorMode, type ThreadState, type WaitType } from "../abi/ke.ts";
import type { Irql } from "../abi/ke.ts";
import type { NtStatus } from "../abi/status.ts";
import { STATUS_SUCCESS } from "../abi/status.ts";
import { PASSIVE_LEVEL } from "../abi/ke.ts";
import type { Kernel } from "../kernel.ts";
import { ObjectBody } from "../rtl/body.ts";
import { ListEntry, listHead } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import type { UserContext } from "./usermode.ts";

/** An object that a thread can wait for. `signalState` and the waiters belong to the dispatcher. */
export abstract class DispatcherHeader extends ObjectBody {
  readonly type: DispatcherType;
  signalState: number;
  /** Wait blocks of the waiting threads, oldest first. */
  readonly waitListHead: ListEntry<KWaitBlock> = listHead();

  constructor(id: number, type: DispatcherType, signalState: number) {
    super(id);
    this.type = type;
    this.signalState = signalState;
  }
}

/** One thread waiting for one object. */
export class KWaitBlock {
  readonly entry: ListEntry<KWaitBlock> = new ListEntry<KWaitBlock>(this);
  readonly thread: KThread;
  readonly object: DispatcherHeader;
  /** What the wait answers if this object ends it: the object's index. */
  readonly key: number;
  readonly waitType: WaitType;

  constructor(thread: KThread, object: DispatcherHeader, key: number, waitType: WaitType) {
    this.thread = thread;
    this.object = object;
    this.key = key;
    this.waitType = waitType;
  }
}

export class KEvent extends DispatcherHeader {}

export class KSemaphore extends DispatcherHeader {
  readonly limit: number;

  constructor(id: number, count: number, limit: number) {
    super(id, DispatcherType.Semaphore, count);
    this.limit = limit;
  }
}

/** A mutant, or a kernel mutex if `apcDisable` is 1. `signalState`: 1 free, 0 owned, below 0 owned recursively. */
export class KMutant extends DispatcherHeader {
  ownerThread: KThread | null = null;
  abandoned = false;
  readonly apcDisable: 0 | 1;
  /** In the owner's `mutantListHead`. */
  readonly mutantListEntry: ListEntry<KMutant> = new ListEntry<KMutant>(this);

  constructor(id: number, apcDisable: 0 | 1) {
    super(id, DispatcherType.Mutant, 1);
    this.apcDisable = apcDisable;
  }
}

/** Something that expires. Linked into the machine's timer heap while `heapIndex >= 0`. */
export abstract class TimerEntry extends DispatcherHeader {
  /** When it expires, in 100 ns of interrupt time. */
  dueTime = 0;
  /** Breaks ties between equal due times: first set, first served. */
  sequence = 0;
  heapIndex = -1;
}

export class KTimer extends TimerEntry {
  /** 100 ns; 0 for a one-shot timer. */
  period = 0;
  dpc: KDpc | null = null;
}

/** A routine that runs at DISPATCH_LEVEL when its timer expires or its device interrupts. */
export class KDpc {
  readonly routine: (k: Kernel, dpc: KDpc) => void;
  readonly context: unknown;

  constructor(routine: (k: Kernel, dpc: KDpc) => void, context: unknown) {
    this.routine = routine;
    this.context = context;
  }
}

/** A queue whose entries are handed to at most `maximumCount` running threads at a time. */
export class KQueue extends DispatcherHeader {
  readonly entryListHead: ListEntry<KQueueItem> = listHead();
  readonly threadListHead: ListEntry<KThread> = listHead();
  currentCount = 0;
  readonly maximumCount: number;

  constructor(id: number, maximumCount: number) {
    super(id, DispatcherType.Queue, 0);
    this.maximumCount = maximumCount;
  }
}

/** What a queue holds: embed it, or extend it. */
export class KQueueItem {
  readonly entry: ListEntry<KQueueItem> = new ListEntry<KQueueItem>(this);
}

/** A kernel routine may replace these before the normal routine is called. */
export interface ApcCall {
  normalRoutine: NormalRoutine | number | null;
  normalContext: unknown;
  argument1: unknown;
  argument2: unknown;
}

/** Runs first, at APC_LEVEL, and owns the block from then on. */
export type KernelRoutine = (k: Kernel, apc: KApc, call: ApcCall) => Blocking<void>;
/** Runs instead of delivery when the thread ends with the APC still queued. */
export type RundownRoutine = (k: Kernel, apc: KApc) => Blocking<void>;
/** Runs at PASSIVE_LEVEL in kernel mode; a user-mode routine is an address (or a script's routine) instead. */
export type NormalRoutine = (k: Kernel, context: unknown, argument1: unknown, argument2: unknown) => Blocking<void>;

/** `KAPC`. `inserted` is true exactly while it is in a queue. */
export class KApc {
  readonly id: number;
  readonly entry: ListEntry<KApc> = new ListEntry<KApc>(this);
  thread: KThread;
  kernelRoutine: KernelRoutine;
  rundownRoutine: RundownRoutine | null;
  /** Kernel mode: a routine or null (special). User mode: an address or an opaque routine of the user context. */
  normalRoutine: NormalRoutine | number | null;
  userRoutine: unknown = null;
  normalContext: unknown;
  systemArgument1: unknown = null;
  systemArgument2: unknown = null;
  /** 0 original, 1 attached, 3 decided on insertion. */
  apcStateIndex: 0 | 1 | 3;
  apcMode: ProcessorMode;
  inserted = false;
  /** Whether it is the kill: user-mode insertion goes to the head of the list. */
  isExit = false;

  constructor(id: number, thread: KThread, kernelRoutine: KernelRoutine) {
    this.id = id;
    this.thread = thread;
    this.kernelRoutine = kernelRoutine;
    this.rundownRoutine = null;
    this.normalRoutine = null;
    this.normalContext = null;
    this.apcStateIndex = 0;
    this.apcMode = 0;
  }
}

/** `KAPC_STATE`: the APC queues of a thread in one address space. */
export class KApcState {
  readonly kernelList: ListEntry<KApc> = listHead();
  readonly userList: ListEntry<KApc> = listHead();
  process: KProcess;
  kernelApcInProgress = false;
  kernelApcPending = false;
  userApcPending = false;

  constructor(process: KProcess) {
    this.process = process;
  }
}

export class KProcess extends DispatcherHeader {
  /** Threads that were started and have not terminated. Dispatcher. */
  readonly threadListHead: ListEntry<KThread> = listHead();
  /** Threads whose stacks are resident, plus attachers. Dispatcher. */
  stackCount = 0;
  /** 100 ns, of threads that have ended. Dispatcher. */
  kernelTime = 0;
  userTime = 0;
  basePriority = 8;
  affinity: number;
  /** Physical address of the page directory; 0 in a machine without a processor. */
  directoryTableBase = 0;
  powerState = 0;

  constructor(id: number, affinity: number) {
    super(id, DispatcherType.Process, 0);
    this.affinity = affinity;
  }
}

/** The stack that a thread uses in kernel mode: only its life is modelled. */
export interface KernelStack {
  readonly id: number;
  readonly large: boolean;
}

/** Ends a timed wait; not an object that anybody else can wait for. */
export class WaitTimeout extends TimerEntry {
  readonly thread: KThread;

  constructor(id: number, thread: KThread) {
    super(id, DispatcherType.TimerNotification, 0);
    this.thread = thread;
  }
}

export class KThread extends DispatcherHeader {
  /** `Cid.UniqueThread`; 0 until it is assigned. It is here so that every event can name its thread the same way. */
  tid = 0;
  /** `ApcState.Process` of the unattached thread: its home. */
  readonly process: KProcess;

  // APCs: the lists under the APC queue lock, in-progress flags by self.
  apcState: KApcState;
  savedApcState: KApcState;
  apcStateIndex: 0 | 1 = 0;
  apcQueueable = true;
  kernelApcDisable = 0;
  specialApcDisable = 0;

  // Suspension: under the APC queue lock.
  suspendCount = 0;
  freezeCount = 0;
  readonly suspendSemaphore: KSemaphore;
  suspendApc: KApc | null = null;

  // Scheduling and waiting: dispatcher.
  state: ThreadState = 0;
  waitStatus: NtStatus = STATUS_SUCCESS;
  waitIrql: Irql = PASSIVE_LEVEL;
  waitMode: ProcessorMode = 0;
  waitReason = 0;
  alertable = false;
  readonly alerted: [boolean, boolean] = [false, false];
  waitBlocks: KWaitBlock[] = [];
  readonly waitTimeout: WaitTimeout;
  queue: KQueue | null = null;
  readonly queueListEntry: ListEntry<KThread> = new ListEntry<KThread>(this);
  /** What an inserter handed to this thread while it waited for its queue. */
  queueItem: KQueueItem | null = null;
  readonly mutantListHead: ListEntry<KMutant> = listHead();
  readonly readyListEntry: ListEntry<KThread> = new ListEntry<KThread>(this);
  readonly threadListEntry: ListEntry<KThread> = new ListEntry<KThread>(this);
  basePriority: number;
  priority: number;
  affinity: number;
  /** Nanoseconds of this thread's turn that are left. */
  quantum = 0;
  /** The virtual time, in nanoseconds, at which it last became ready. */
  readyTime = 0;
  /** 100 ns. */
  kernelTime = 0;
  userTime = 0;

  // The stack, and what runs on it.
  stackBase: KernelStack | null = null;
  initialStack: KernelStack | null = null;
  enableStackSwap = true;
  /** True from the moment the thread is handed to the reaper until its successor has left its stack. */
  swapBusy = false;
  continuation: Blocking<never> | null = null;
  savedIrql: Irql = PASSIVE_LEVEL;

  // Self.
  previousMode: ProcessorMode = 0;
  /** User address of the TEB, or 0. */
  teb = 0;
  user: UserContext | null = null;
  win32Thread: object | null = null;
  legoData: unknown = null;
  powerState = 0;

  constructor(id: number, process: KProcess, suspendSemaphore: KSemaphore, waitTimeoutId: number) {
    super(id, DispatcherType.Thread, 0);
    this.process = process;
    this.apcState = new KApcState(process);
    this.savedApcState = new KApcState(process);
    this.suspendSemaphore = suspendSemaphore;
    this.waitTimeout = new WaitTimeout(waitTimeoutId, this);
    this.basePriority = process.basePriority;
    this.priority = process.basePriority;
    this.affinity = process.affinity;
  }

  /** `CombinedApcDisable != 0` is how NT asks whether normal kernel APCs are off. */
  get combinedApcDisable(): number {
    return (this.kernelApcDisable & 0xffff) | ((this.specialApcDisable & 0xffff) << 16);
  }
}
