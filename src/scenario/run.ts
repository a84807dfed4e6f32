/**
 * Runs a scenario: boots a machine with the errata that were asked for, lets the director do the schedule, and says what
 * was seen. Two runs of a scenario with the same errata are the same, event for event.
 */
import type { MachineEnd } from "../abi/report.ts";
import { CURRENT_PROCESS_HANDLE } from "../abi/ps.ts";
import type { Script } from "../guest/script/context.ts";
import { nt } from "../guest/script/services.ts";
import type { Kernel } from "../kernel.ts";
import { createMachine, type Machine, type RunSlice } from "../machine/machine.ts";
import { PsGetCurrentThread } from "../ps/current.ts";
import { AssertionFailure, assert } from "../rtl/assert.ts";
import type { KernelEvent } from "../sim/record.ts";
import type { RecordSink } from "../sim/state.ts";
import { audit } from "./audit.ts";
import type { Scenario } from "./scenario.ts";
import { Stage } from "./stage.ts";

/** The director comes before every thread of the cast and behind the worker that reaps. */
const DIRECTOR_PRIORITY = 12;
/** A victim that cannot be killed runs until somebody stops it: 10 s of virtual time, or so many turns. */
const LIMITS = { virtualTime100ns: 100_000_000 };
const MOST_TURNS = 400_000;

export interface ScenarioOptions {
  readonly errata?: readonly string[];
  /** Events of life and death. */
  readonly record?: RecordSink;
  /** All events. */
  readonly trace?: RecordSink;
  /** As in the options of a machine. */
  readonly observe?: (k: Kernel) => void;
}

/** What came of a run. */
export interface ScenarioResult {
  /** What is wrong, in a sentence; null if nothing is. */
  readonly violation: string | null;
  /** Whether it is the violation that the scenario is about. */
  readonly described: boolean;
  readonly end: MachineEnd;
  readonly events: readonly KernelEvent[];
}

/** Runs a scenario to its end. */
export function runScenario(scenario: Scenario, options: Pick<ScenarioOptions, "errata"> = {}): ScenarioResult {
  const events: KernelEvent[] = [];
  const sink: RecordSink = (event) => events.push(event);
  const performance = startScenario(scenario, { ...options, record: sink, trace: sink });
  let end: MachineEnd | null = null;
  while (end === null) end = performance.run({ turns: MOST_TURNS, stop: () => false });
  return { ...performance.verdict(), end, events };
}

/** Boots the machine of a scenario; nothing has run yet. */
export function startScenario(scenario: Scenario, options: ScenarioOptions): Performance {
  const machine = createMachine({
    processor: null,
    environment: null,
    limits: LIMITS,
    ...scenario.machine,
    errata: options.errata ?? [],
    ...(options.record === undefined ? {} : { record: options.record }),
    ...(options.trace === undefined ? {} : { trace: options.trace }),
    ...(options.observe === undefined ? {} : { observe: options.observe }),
  });
  return new Performance(scenario, machine);
}

/** A scenario on its machine. @public the type of what {@link startScenario} answers with */
export class Performance {
  readonly machine: Machine;
  readonly #scenario: Scenario;
  readonly #stage: Stage;
  #turns = 0;
  #violation: string | null = null;

  constructor(scenario: Scenario, machine: Machine) {
    this.machine = machine;
    this.#scenario = scenario;
    this.#stage = new Stage(machine.kernel);
    machine.kernel.sim.schedule = this.#stage;
    const started = machine.startScript(`${scenario.id}.exe`, () => this.#direct());
    assert(started.ok, "a machine has room for a scenario");
  }

  /** Runs on. @returns null if there is more to run */
  run(slice: RunSlice): MachineEnd | null {
    const turns = Math.min(slice.turns, MOST_TURNS - this.#turns);
    // Those that were had, not those that were allowed: a slice may be cut short by the host's clock.
    const stop = (): boolean => {
      this.#turns++;
      return this.#violation !== null || slice.stop();
    };
    try {
      const end = this.machine.run({ turns, stop });
      if (end !== null) return this.#over(end);
    } catch (error) {
      if (!(error instanceof AssertionFailure)) throw error;
      this.#stage.assertion = error.message;
      return this.#over(this.machine.stop(`the kernel's own check failed: ${error.message}`));
    }
    if (this.#violation !== null) return this.#over(this.machine.stop("the violation was seen"));
    return this.#turns < MOST_TURNS ? null : this.#over(this.machine.stop(`${MOST_TURNS} turns of the scheduler`));
  }

  /** Ends the run from outside. */
  stop(detail: string): MachineEnd {
    return this.#over(this.machine.stop(detail));
  }

  /** What was seen on a machine that has ended. */
  verdict(): Pick<ScenarioResult, "violation" | "described"> {
    const stage = this.#stage;
    assert(stage.end !== null, "a verdict is for a run that is over");
    const violation = this.#violation ?? this.#scenario.violation(stage);
    if (violation !== null) return { violation, described: true };
    return { violation: this.#otherViolation(stage, stage.end), described: false };
  }

  #over(end: MachineEnd): MachineEnd {
    const stage = this.#stage;
    const { outcome } = end;
    stage.end = end;
    if (this.#violation === null && (outcome === "exited" || outcome === "crashed")) stage.leaks = audit(this.machine);
    return end;
  }

  /** Nothing that the scenario knows: what no scenario may end with. */
  #otherViolation(stage: Stage, { outcome, detail }: MachineEnd): string | null {
    if (outcome === "exited" && stage.leaks.length === 0) return null;
    if (outcome === "exited") return `something is left: ${stage.leaks.join("; ")}`;
    return `the machine ended with ${outcome}${detail === "" ? "" : `: ${detail}`}`;
  }

  /** The first thread: sets up, directs, looks, and clears the stage. */
  *#direct(): Script<void> {
    const { setUp, schedule, violation, cleanUp } = this.#scenario;
    const stage = this.#stage;
    yield* nt.call((k) => {
      const thread = PsGetCurrentThread(k);
      thread.basePriority = DIRECTOR_PRIORITY;
      thread.priority = DIRECTOR_PRIORITY;
    });
    yield* setUp(stage);
    // In one call, so that a director who is told to die still looks.
    const look = (): string | null => (this.#violation = violation(stage));
    yield* nt.call(function* (k) {
      yield* stage.perform(k, schedule);
      look();
    });
    // The machine is stopped as it is, so that a report shows it.
    if (this.#violation !== null) yield* nt.NtDelayExecution(false, null);
    yield* nt.call((k) => stage.dismiss(k));
    if (cleanUp !== undefined) yield* cleanUp(stage);
    yield* stage.endProcesses();
    yield* nt.NtTerminateProcess(0, 0);
    yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 0);
  }
}
