/**
 * A machine for unit tests: the dispatcher, the executive and the object manager are real; what lies above them is
 * absent, and a test that reaches it fails. Threads run TypeScript routines in kernel mode.
 */
import { createExState } from "../../src/ex/state.ts";
import type { QuotaLimits } from "../../src/ex/quota.ts";
import { type KeOptions, createKeState } from "../../src/ke/state.ts";
import { KiRun, type RunEnd } from "../../src/ke/run.ts";
import { KeGetCurrentThread } from "../../src/ke/current.ts";
import { KeInitThread, KeReadyThread, KeStartThread, KeTerminateThread } from "../../src/ke/thread.ts";
import { chargeTime } from "../../src/ke/time.ts";
import type { Kernel } from "../../src/kernel.ts";
import { PROCESS_ALL_ACCESS, SYNCHRONIZE, THREAD_ALL_ACCESS } from "../../src/abi/ps.ts";
import { NT_SUCCESS, type NtResult } from "../../src/abi/status.ts";
import { ObCreateObject, ObCreateObjectType } from "../../src/ob/create.ts";
import { ObInitProcess } from "../../src/ob/initprocess.ts";
import { ObProcess } from "../../src/ob/process.ts";
import { createObState, ObInitSystem } from "../../src/ob/state.ts";
import { ObThread } from "../../src/ob/thread.ts";
import type { ObjectType } from "../../src/ob/type.ts";
import type { Blocking } from "../../src/sim/blocking.ts";
import { newObjectId } from "../../src/sim/identity.ts";
import { createSimState, type SimOptions } from "../../src/sim/state.ts";

export class TestProcess extends ObProcess {}

export class TestThread extends ObThread {
  readonly name: string;
  /** Whether its routine returned. */
  finished = false;

  constructor(id: number, process: TestProcess, ids: { semaphore: number; timeout: number }, name: string) {
    super(id, process, ids);
    this.name = name;
  }
}

/** What tests reach through {@link testKernel}'s result besides the kernel's own state. */
export interface TestKernel extends Kernel {
  readonly test: {
    readonly processType: ObjectType;
    readonly threadType: ObjectType;
    /** Home of threads for which no process is named. */
    readonly process: TestProcess;
    readonly threads: TestThread[];
    /** Codes of the exceptions that were raised in user mode. */
    readonly exceptions: number[];
  };
}

export interface TestKernelOptions extends SimOptions, KeOptions {
  readonly limits?: Partial<QuotaLimits>;
}

/** Boots a machine. */
export function testKernel(options: TestKernelOptions = {}): TestKernel {
  const sim = createSimState(options);
  const absent = null as never;
  const k: Kernel = {
    sim,
    ke: createKeState(options),
    ex: createExState(options.limits === undefined ? {} : { limits: options.limits }),
    ob: createObState(sim),
    se: absent,
    mm: absent,
    io: absent,
    cm: absent,
    po: absent,
    lpc: absent,
    ps: absent,
    dbgk: absent,
    nt: absent,
  };
  ObInitSystem(k);
  const mapping = { read: 0, write: 0, execute: 0, all: PROCESS_ALL_ACCESS };
  const common = { genericMapping: mapping, validAccess: PROCESS_ALL_ACCESS | SYNCHRONIZE, poolBytes: 0x200 };
  const processType = ObCreateObjectType<TestProcess>(k, { name: "Process", ...common, defaultObject: (body) => body });
  const threadType = ObCreateObjectType<TestThread>(k, { name: "Thread", ...common, defaultObject: (body) => body });
  const exceptions: number[] = [];
  const test = { processType, threadType, process: absent as TestProcess, threads: [] as TestThread[], exceptions };
  const machine: TestKernel = Object.assign(k, { test });
  test.process = newProcess(machine, { parent: null });
  k.ob.systemProcess = test.process;
  k.ke.upcalls.queueReaper = () => {};
  k.ke.upcalls.raiseUserException = function* (_k, record): Blocking<void> {
    exceptions.push(record.code);
  };
  k.ex.upcalls.createSystemThread = (_k, routine, name) => spawn(machine, routine, { name });
  return machine;
}

/** A process with a handle table, inheriting from `parent` if there is one. */
export function newProcess(k: TestKernel, options: { readonly parent: TestProcess | null }): TestProcess {
  const process = new TestProcess(newObjectId(k), -1);
  process.quotaBlock = k.ex.machineQuota;
  process.pid = process.id;
  process.grantedAccess = PROCESS_ALL_ACCESS;
  requireSuccess(ObCreateObject(k, k.test.processType, process));
  requireSuccess(ObInitProcess(k, options.parent, process));
  return process;
}

export interface SpawnOptions {
  readonly name?: string;
  readonly process?: TestProcess;
  readonly priority?: number;
  readonly affinity?: number;
  /** Previous mode of the services that the thread calls. */
  readonly mode?: 0 | 1;
}

/** Makes a thread that runs `routine` and then ends. */
export function spawn(k: TestKernel, routine: (k: Kernel) => Blocking<void>, options: SpawnOptions = {}): TestThread {
  const thread = newThread(k, options);
  KeInitThread(k, thread, function* start(kernel): Blocking<never> {
    yield* routine(kernel);
    thread.finished = true;
    return yield* KeTerminateThread(kernel, 0);
  });
  KeStartThread(k, thread);
  KeReadyThread(k, thread);
  return thread;
}

/** A thread that was not started. */
export function newThread(k: TestKernel, options: SpawnOptions = {}): TestThread {
  const ids = { semaphore: newObjectId(k), timeout: newObjectId(k) };
  const process = options.process ?? k.test.process;
  const name = options.name ?? `thread ${k.test.threads.length}`;
  const thread = new TestThread(newObjectId(k), process, ids, name);
  thread.tid = thread.id;
  thread.grantedAccess = THREAD_ALL_ACCESS;
  thread.previousMode = options.mode ?? 0;
  thread.basePriority = options.priority ?? thread.basePriority;
  thread.priority = thread.basePriority;
  thread.affinity = options.affinity ?? thread.affinity;
  requireSuccess(ObCreateObject(k, k.test.threadType, thread));
  k.test.threads.push(thread);
  return thread;
}

/** How a run ended. */
export interface TestRun {
  readonly end: RunEnd;
  /** Names of the threads, made by the test, whose routines have not returned. */
  readonly unfinished: readonly string[];
}

/** Runs until nothing can run any more. */
export function run(k: TestKernel, limits: { readonly untilNs?: number } = {}): TestRun {
  const end = KiRun(k, { turns: 1_000_000, untilNs: limits.untilNs ?? Infinity, stop: () => false });
  const workers = new Set(["critical worker", "delayed worker", "hypercritical worker"]);
  const unfinished = k.test.threads.filter((thread) => !thread.finished && !workers.has(thread.name));
  return { end, unfinished: unfinished.map((thread) => thread.name) };
}

/** Runs one thread for each routine until nothing can run any more. */
export function runThreads(k: TestKernel, ...routines: ((k: Kernel) => Blocking<void>)[]): TestRun {
  for (const routine of routines) spawn(k, routine);
  return run(k);
}

/** Runs `routine` in a thread of its own and returns its answer; fails if it never gives one. */
export function runToEnd<T>(k: TestKernel, routine: (k: Kernel) => Blocking<T>, options: SpawnOptions = {}): T {
  const answers: T[] = [];
  spawn(
    k,
    function* (kernel) {
      answers.push(yield* routine(kernel));
    },
    options,
  );
  const { end } = run(k);
  const [answer] = answers;
  if (answers.length === 0) throw new Error(`the routine never returned; the run ended with ${end}`);
  return answer as T;
}

/** Lets the current thread work for `nanoseconds`, as a stay in user mode does. */
export function* work(k: Kernel, nanoseconds: number): Blocking<void> {
  const thread = KeGetCurrentThread(k);
  if (thread.quantum <= 0) thread.quantum = k.ke.quantumNs;
  chargeTime(k, nanoseconds);
  thread.quantum -= nanoseconds;
  yield "preempt";
}

/** Lets every other thread that is ready go first. */
export function* giveWay(k: Kernel): Blocking<void> {
  KeGetCurrentThread(k).quantum = 0;
  yield "preempt";
}

/** The value of a result that must be a success. */
export function valueOf<T>(result: NtResult<T>): T {
  if (!result.ok) throw new Error(`unexpected status 0x${result.status.toString(16)}`);
  return result.value;
}

/** The status of a result that must be a failure. */
export function statusOf<T>(result: NtResult<T>): number {
  if (result.ok) throw new Error("a failure was expected");
  return result.status;
}

function requireSuccess(status: number): void {
  if (!NT_SUCCESS(status as never)) throw new Error(`a test machine cannot be built: 0x${status.toString(16)}`);
}
