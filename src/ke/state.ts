/** The dispatcher's state: the processors, the ready queues, the clock, and the table of calls into later layers. */
import { type Irql, PASSIVE_LEVEL } from "../abi/ke.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import { type ListEntry, listHead } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import type { KThread, TimerEntry } from "./objects.ts";
import type { ExceptionRecord } from "./usermode.ts";

/** `KPRCB`: one virtual processor. */
export class Kprcb {
  readonly number: number;
  irql: Irql = PASSIVE_LEVEL;
  currentThread: KThread | null = null;
  /** Nanoseconds of virtual time this processor has lived through. */
  clock = 0;
  /** Set when a better thread became ready: the current one gives way at its next chance. */
  reschedule = false;

  constructor(number: number) {
    this.number = number;
  }
}

/** What the dispatcher needs from later layers; filled at boot. */
export interface KeUpcalls {
  /** Inserts the reaper's work item in the HyperCritical queue; callable at SYNCH_LEVEL. */
  queueReaper: (k: Kernel) => void;
  /** Goes to user mode and never comes back; every user thread ends up here. */
  userMode: (k: Kernel) => Blocking<never>;
  /** Delivers an exception to the current thread's user mode, or ends its process. */
  raiseUserException: (k: Kernel, record: ExceptionRecord) => Blocking<void>;
  /** Told that `thread` is about to run in user mode or in the kernel of another process than the one before. */
  swapAddressSpace: (k: Kernel, thread: KThread) => void;
  /** Told that the thread has been signaled and will never run again. */
  threadTerminated: (k: Kernel, thread: KThread) => void;
}

/** The kernel debugger, as far as the kernel asks it things. */
export interface KdState {
  enabled: boolean;
  notPresent: boolean;
  /** Prints to the debugger. */
  print: (text: string) => void;
  /** Asks, and returns the answer; empty when nobody answers. */
  prompt: (text: string) => string;
  /** `int 3` in the kernel. */
  breakpoint: () => void;
  /** What the last answer left in the memory where the next one is expected; only erratum D28 looks there. */
  staleAnswer: string;
}

/** A bugcheck that stopped the machine. */
export interface BugCheck {
  readonly code: number;
  readonly parameters: readonly [number, number, number, number];
  /** What was thrown, if it was a driver's code that failed. */
  readonly cause?: unknown;
}

export interface KeState {
  readonly prcbs: readonly Kprcb[];
  /** The processor that runs now. */
  prcb: Kprcb;
  /** The thread that runs now; what `KeGetCurrentThread` answers. */
  currentThread: KThread | null;
  /** One list a priority. */
  readonly readyListHeads: readonly ListEntry<KThread>[];
  /** Bit p is set while list p is not empty. */
  readySummary: number;
  readonly timers: TimerEntry[];
  timerSequence: number;
  /** Every thread that was started and has not terminated, in order of start. */
  readonly liveThreads: Set<KThread>;
  /** `PspReaperListHead.Flink`: null idle, "busy" running and empty, else the newest dead thread. */
  reaperList: ReaperLink | "busy" | null;
  readonly kd: KdState;
  readonly upcalls: KeUpcalls;
  bugCheck: BugCheck | null;
  /** Whether the machine was turned off. */
  halted: boolean;
  /** Whether a driver was ever loaded: from then on code runs in the kernel that is not ours. */
  runsDrivers: boolean;
  /** Nanoseconds a thread may run in user mode before an equal may go first. */
  readonly quantumNs: number;
  contextSwitches: number;
  /** Pages of user memory that the kernel has gone through in this turn: what the turn costs the host. */
  turnPages: number;
  /** Since when, in nanoseconds, nothing has happened but time-outs of waits for an alert; null: something has. */
  quietSince: number | null;
}

/** A dead thread on its way to the reaper. */
export interface ReaperLink {
  readonly thread: KThread;
  readonly next: ReaperLink | "busy" | null;
}

export interface KeOptions {
  /** 1..32, default 1. */
  readonly processors?: number;
  readonly quantumNs?: number;
  readonly kernelDebugger?: Partial<KdState>;
}

/** Short enough that a thread killed while it spins dies soon; long enough that switches do not dominate. */
const DEFAULT_QUANTUM_NS = 20_000;

function unset(name: string): () => never {
  return () => assert(false, `a machine is booted with ${name}`) as never;
}

export function createKeState(options: KeOptions): KeState {
  const prcbs = Array.from({ length: options.processors ?? 1 }, (_, number) => new Kprcb(number));
  const first = prcbs[0] ?? new Kprcb(0);
  return {
    prcbs,
    prcb: first,
    currentThread: null,
    readyListHeads: Array.from({ length: 32 }, () => listHead<KThread>()),
    readySummary: 0,
    timers: [],
    timerSequence: 0,
    liveThreads: new Set(),
    reaperList: null,
    kd: {
      enabled: options.kernelDebugger?.enabled ?? false,
      notPresent: options.kernelDebugger?.notPresent ?? true,
      print: options.kernelDebugger?.print ?? (() => {}),
      prompt: options.kernelDebugger?.prompt ?? (() => ""),
      breakpoint: options.kernelDebugger?.breakpoint ?? (() => {}),
      staleAnswer: "",
    },
    upcalls: {
      queueReaper: unset("a reaper"),
      userMode: unset("user mode"),
      raiseUserException: unset("exceptions"),
      swapAddressSpace: () => {},
      threadTerminated: () => {},
    },
    bugCheck: null,
    halted: false,
    runsDrivers: false,
    quantumNs: options.quantumNs ?? DEFAULT_QUANTUM_NS,
    contextSwitches: 0,
    turnPages: 0,
    quietSince: null,
  };
}
