/**
 * The stage of one run of a scenario: its threads and processes by name, and the schedule that decides who goes.
 *
 * A thread that is parked waits in kernel mode, so it takes kernel APCs where a preempted thread would take them: it can
 * be suspended and marked to die, and goes no further until its turn. Threads that are not of the cast, and those of the
 * cast that are not parked, run as ever.
 */
import { KernelMode, WaitReason } from "../abi/ke.ts";
import type { MachineEnd } from "../abi/report.ts";
import { ntStatus, type NtResult } from "../abi/status.ts";
import type { Script, ScriptProgram } from "../guest/script/context.ts";
import { nt } from "../guest/script/services.ts";
import { KeInitializeEvent, KeSetEvent } from "../ke/event.ts";
import type { KEvent, KThread } from "../ke/objects.ts";
import { KeDelayExecutionThread, KeWaitForSingleObject, waitInKernel } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { PsGetCurrentThread } from "../ps/current.ts";
import { PsLookupProcessByProcessId, PsLookupThreadByThreadId } from "../ps/lookup.ts";
import type { EProcess, EThread } from "../ps/objects.ts";
import { PsCreateSystemThread } from "../ps/thread.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import type { Schedule } from "../sim/gap.ts";
import type { Turn } from "./scenario.ts";

/** A turn that comes to no gap is over after a millisecond. */
const TURN_100NS = 10_000;

/** A thread of the cast. */
class Actor {
  readonly gate: KEvent;
  thread: EThread | null = null;
  /** In the first process; 0 for system threads. */
  handle = 0;
  /** The gap at which its turn is over. */
  until: string | null = null;
  parked = false;
  /** Whether its program has returned, and with what. */
  done = false;
  answer: unknown = null;

  constructor(gate: KEvent) {
    this.gate = gate;
  }
}

interface CastProcess {
  readonly process: EProcess;
  readonly handle: number;
}

/** How a thread of the cast begins. */
export interface ActorOptions {
  /** Name of the process to make it in; the first one unless said otherwise. */
  readonly process?: string;
  readonly suspended?: boolean;
}

export class Stage implements Schedule {
  readonly k: Kernel;
  /** How the machine ended; null while it runs. */
  end: MachineEnd | null = null;
  /** The assertion of the kernel that failed; null if none did. */
  assertion: string | null = null;
  /** What is left of a machine that has ended. */
  leaks: readonly string[] = [];
  /** What the scenario's routines note for one another. */
  readonly notes: Map<string, unknown> = new Map();
  readonly #actors: Map<string, Actor> = new Map();
  readonly #byThread: Map<KThread, Actor> = new Map();
  readonly #processes: Map<string, CastProcess> = new Map();
  /** Tells the director that a turn is over. */
  readonly #turnOver: KEvent;
  #current: Actor | null = null;
  #over = false;

  constructor(k: Kernel) {
    this.k = k;
    this.#turnOver = KeInitializeEvent(k, "synchronization", false);
  }

  /** Code of the bugcheck that ended the machine; null if none did. */
  get bugCheck(): number | null {
    return this.k.ke.bugCheck?.code ?? null;
  }

  thread(name: string): EThread {
    const { thread } = this.#actor(name);
    assert(thread !== null, `the thread ${name} was made`);
    return thread;
  }

  process(name: string): EProcess {
    return this.#process(name).process;
  }

  /** Handle of a thread or process of the cast, for threads of the first process. */
  handle(name: string): number {
    return this.#actors.get(name)?.handle ?? this.#process(name).handle;
  }

  /** Whether the thread or process is signaled: it has ended. */
  hasEnded(name: string): boolean {
    const object = this.#actors.get(name)?.thread ?? this.process(name);
    return object.signalState !== 0;
  }

  /** Whether the thread's program has returned. */
  isDone(name: string): boolean {
    return this.#actor(name).done;
  }

  /** What the thread's program returned; null if it has not. */
  answer(name: string): unknown {
    return this.#actor(name).answer;
  }

  /** Makes a process without a thread. */
  *makeProcess(name: string): Script<void> {
    const { handle, id } = must(yield* nt.NtCreateProcess(`${name}.exe`, null));
    const process = yield* nt.call(function* (k) {
      const found = must(PsLookupProcessByProcessId(k, id));
      yield* ObDereferenceObject(k, found);
      return found;
    });
    this.#processes.set(name, { process, handle });
  }

  /** Makes a thread that waits for its turn before it does anything. */
  *makeActor(name: string, program: () => Script<unknown>, options: ActorOptions = {}): Script<void> {
    yield* this.#make(name, program, { ...options, parked: true });
  }

  /** Makes a thread that runs at once; a turn may still name it. */
  *makeThread(name: string, program: () => Script<unknown>, options: ActorOptions = {}): Script<void> {
    yield* this.#make(name, program, { ...options, parked: false });
  }

  /** Makes a system thread that waits for its turn. */
  *makeSystemThread(name: string, routine: (k: Kernel) => Blocking<unknown>): Script<void> {
    const actor = this.#newActor(name);
    actor.thread = yield* nt.call((k) => this.#createSystemThread(k, name, actor, routine));
  }

  /** Does the schedule, and lets everybody go as far as they can. Called by the director's thread. */
  *perform(k: Kernel, schedule: readonly Turn[]): Blocking<void> {
    const everybodyElse = { mode: KernelMode, alertable: false, timeout100ns: TURN_100NS } as const;
    yield* KeDelayExecutionThread(k, everybodyElse);
    for (const turn of schedule) yield* this.#perform(k, turn);
    this.#current = null;
    yield* KeDelayExecutionThread(k, everybodyElse);
  }

  /** From here on everybody goes on as ever. */
  dismiss(k: Kernel): void {
    this.#over = true;
    for (const actor of this.#actors.values()) this.#letGo(k, actor);
  }

  /** Ends the processes of the cast. */
  *endProcesses(): Script<void> {
    for (const { handle } of this.#processes.values()) yield* nt.NtTerminateProcess(handle, 0);
  }

  *reach(k: Kernel, gap: string): Blocking<void> {
    const actor = this.#byThread.get(PsGetCurrentThread(k));
    if (actor === undefined || this.#over || actor.until !== gap) return;
    yield* this.#park(k, actor);
  }

  *#perform(k: Kernel, turn: Turn): Blocking<void> {
    const actor = this.#actor(turn.run);
    this.#current = actor;
    actor.until = turn.until ?? null;
    this.#turnOver.signalState = 0;
    this.#letGo(k, actor);
    const timeout100ns = turn.for100ns ?? TURN_100NS;
    yield* KeWaitForSingleObject(k, this.#turnOver, {
      reason: WaitReason.Executive,
      mode: KernelMode,
      alertable: false,
      timeout100ns,
    });
  }

  #letGo(k: Kernel, actor: Actor): void {
    if (!actor.parked) return;
    actor.parked = false;
    KeSetEvent(k, actor.gate, 0);
  }

  *#park(k: Kernel, actor: Actor): Blocking<void> {
    actor.until = null;
    actor.parked = true;
    if (actor === this.#current) KeSetEvent(k, this.#turnOver, 0);
    yield* waitInKernel(k, actor.gate, WaitReason.Executive);
  }

  #finish(k: Kernel, actor: Actor, answer: unknown): void {
    actor.done = true;
    actor.answer = answer;
    if (actor === this.#current && actor.until === null) KeSetEvent(k, this.#turnOver, 0);
  }

  *#make(
    name: string,
    program: () => Script<unknown>,
    options: ActorOptions & { readonly parked: boolean },
  ): Script<void> {
    const actor = this.#newActor(name);
    const { process, suspended = false } = options;
    const home = process === undefined ? {} : { process: this.#process(process).handle };
    const made = yield* nt.NtCreateThread(this.#program(actor, program, options), { name, suspended, ...home });
    const { handle, id } = must(made);
    actor.handle = handle;
    actor.thread = yield* nt.call(function* (k) {
      const found = must(PsLookupThreadByThreadId(k, id));
      yield* ObDereferenceObject(k, found);
      return found;
    });
  }

  #program(actor: Actor, program: () => Script<unknown>, { parked }: { readonly parked: boolean }): ScriptProgram {
    const enter = (k: Kernel): Blocking<void> => this.#enter(k, actor, parked);
    const finish = (k: Kernel, answer: unknown): void => this.#finish(k, actor, answer);
    return function* () {
      yield* nt.call(enter);
      const answer = yield* program();
      yield* nt.call((k) => finish(k, answer));
      return ntStatus(0);
    };
  }

  *#enter(k: Kernel, actor: Actor, parked: boolean): Blocking<void> {
    this.#byThread.set(PsGetCurrentThread(k), actor);
    if (parked && !this.#over && actor !== this.#current) yield* this.#park(k, actor);
  }

  *#createSystemThread(
    k: Kernel,
    name: string,
    actor: Actor,
    routine: (k: Kernel) => Blocking<unknown>,
  ): Blocking<EThread> {
    const enter = (): Blocking<void> => this.#enter(k, actor, true);
    const finish = (answer: unknown): void => this.#finish(k, actor, answer);
    const created = yield* PsCreateSystemThread(
      k,
      function* (kernel) {
        yield* enter();
        finish(yield* routine(kernel));
      },
      name,
    );
    const thread = must(created);
    yield* ObDereferenceObject(k, thread);
    return thread;
  }

  #newActor(name: string): Actor {
    assert(!this.#actors.has(name), `the cast has one ${name}`);
    const actor = new Actor(KeInitializeEvent(this.k, "synchronization", false));
    this.#actors.set(name, actor);
    return actor;
  }

  #actor(name: string): Actor {
    const actor = this.#actors.get(name);
    assert(actor !== undefined, `the cast has a thread ${name}`);
    return actor;
  }

  #process(name: string): CastProcess {
    const process = this.#processes.get(name);
    assert(process !== undefined, `the cast has a process ${name}`);
    return process;
  }
}

/** The value of a result that must be a success. */
export function must<T>(result: NtResult<T>): T {
  assert(result.ok, "the cast of a scenario can be made");
  return result.value;
}
