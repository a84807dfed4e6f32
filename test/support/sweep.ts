/**
 * Sweeps: a program is run once to count the places where the kernel asks for something that may run out (pool, quota,
 * commitment), and then once for each place with a refusal there. Whatever is refused, the run comes to its end, keeps
 * every rule, answers with the right status and leaves nothing.
 */
import { expect } from "vitest";
import type { MachineEnd } from "../../src/abi/report.ts";
import {
  type NtResult,
  type NtStatus,
  NT_ERROR,
  STATUS_COMMITMENT_LIMIT,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_NO_MEMORY,
  STATUS_QUOTA_EXCEEDED,
} from "../../src/abi/status.ts";
import { STATUS_PAGEFILE_QUOTA } from "../../src/abi/mm.ts";
import { CURRENT_PROCESS_HANDLE } from "../../src/abi/ps.ts";
import type { Violation } from "../../src/check/rule.ts";
import { watchKernel } from "../../src/check/watch.ts";
import type { Script } from "../../src/guest/script/context.ts";
import { nt } from "../../src/guest/script/services.ts";
import type { Kernel } from "../../src/kernel.ts";
import { createMachine, type Machine } from "../../src/machine/machine.ts";
import { PspShutdownProcessManager } from "../../src/ps/kill.ts";
import { audit } from "../../src/scenario/audit.ts";

/** What may be refused, and the statuses that say so. */
const STATUSES = {
  pool: [STATUS_INSUFFICIENT_RESOURCES, STATUS_NO_MEMORY],
  quota: [STATUS_QUOTA_EXCEEDED],
  pages: [STATUS_PAGEFILE_QUOTA],
  commitment: [STATUS_COMMITMENT_LIMIT],
} as const;
type Kind = keyof typeof STATUSES;

const PROCESS_TAG = "Proc";

/** Counts the places, and refuses at one of them. */
export class Refusal {
  readonly #at: number;
  points = 0;
  /** What was refused; null if the place was never reached. */
  kind: Kind | null = null;
  /** What comes before the first process belongs to the boot, which cannot fail. */
  #booted = false;
  #counting = true;

  /** @param at the place that refuses, from 1; 0 for none */
  constructor(at: number) {
    this.#at = at;
  }

  attach(k: Kernel): void {
    k.ex.pool.failure = (_ordinal, tag) => {
      this.#booted ||= tag === PROCESS_TAG;
      return this.#refuse("pool");
    };
    k.ex.machineQuota.failure = (kind) => this.#refuse(kind === "committedPages" ? "pages" : "quota");
    k.mm.commitFailure = () => this.#refuse("commitment");
  }

  detach(k: Kernel): void {
    k.ex.pool.failure = null;
    k.ex.machineQuota.failure = null;
    k.mm.commitFailure = null;
  }

  /** Nothing is refused until {@link resume}: for what only sets the scene. */
  pause(): void {
    this.#counting = false;
  }

  resume(): void {
    this.#counting = true;
  }

  #refuse(kind: Kind): boolean {
    if (!this.#booted || !this.#counting || ++this.points !== this.#at) return false;
    this.kind = kind;
    return true;
  }
}

/** What a program under a sweep is told by the kernel. */
export class Answers {
  readonly failures: NtStatus[] = [];

  /** The value of a result, or null; a failure is noted. */
  value<T>(result: NtResult<T>): T | null {
    if (result.ok) return result.value;
    this.failures.push(result.status);
    return null;
  }

  /** Whether it succeeded; a failure is noted. */
  good(status: NtStatus): boolean {
    if (NT_ERROR(status)) this.failures.push(status);
    return !NT_ERROR(status);
  }
}

export type SweptProgram = (answers: Answers, refusal: Refusal) => Script<void>;

/** Runs the program with a refusal at every place in turn. @returns how many places there are */
export function sweep(program: SweptProgram): number {
  const { refusal, answers } = playOnce(program, 0);
  expect(answers.failures).toEqual([]);
  for (let at = 1; at <= refusal.points; at++) {
    try {
      checkAnswers(playOnce(program, at));
    } catch (error) {
      throw new Error(`with a refusal at place ${at} of ${refusal.points}`, { cause: error });
    }
  }
  return refusal.points;
}

interface Played {
  readonly refusal: Refusal;
  readonly answers: Answers;
}

/** If the program hears of failures, the refusal itself is among them; others may follow from it. */
function checkAnswers({ refusal, answers }: Played): void {
  expect(refusal.kind).not.toBe(null);
  if (answers.failures.length === 0) return;
  const expected: readonly NtStatus[] = STATUSES[refusal.kind!];
  expect(answers.failures.filter((status) => expected.includes(status))).not.toEqual([]);
}

function playOnce(program: SweptProgram, at: number): Played {
  const answers = new Answers();
  const refusal = new Refusal(at);
  const { machine, violations } = watchedMachine(refusal);
  const started = machine.startScript("swept.exe", function* () {
    yield* program(answers, refusal);
    yield* endEverything();
  });
  if (!started.ok) answers.failures.push(started.status as NtStatus);
  else expect(runToEnd(machine)?.outcome).toBe("exited");
  expect(violations).toEqual([]);
  expect(audit(machine)).toEqual([]);
  return { refusal, answers };
}

function watchedMachine(refusal: Refusal): { machine: Machine; violations: Violation[] } {
  const violations: Violation[] = [];
  const machine = createMachine({
    processor: null,
    environment: null,
    observe: (k) => {
      watchKernel(k, (violation) => violations.push(violation));
      refusal.attach(k);
    },
  });
  return { machine, violations };
}

function runToEnd(machine: Machine): MachineEnd | null {
  return machine.run({ turns: 200_000, stop: () => false });
}

/** Ends all processes, the own one last, whatever state a refusal has left them in. */
function* endEverything(): Script<void> {
  yield* nt.call((k) => PspShutdownProcessManager(k));
  yield* nt.NtTerminateProcess(0, 0);
  yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 0);
}
