/**
 * Everything that two threads can do to a job and its member at the same time, pair by pair, over nesting: whatever the
 * pair, the machine comes to rest, every invariant holds on the way, nothing is left, and a port that is there to the end
 * hears of as many deaths as births.
 */
import { expect, test } from "vitest";
import { JobLimit } from "../../src/abi/job.ts";
import { CURRENT_PROCESS_HANDLE } from "../../src/abi/ps.ts";
import type { Script, ScriptProgram } from "../../src/guest/script/context.ts";
import { nt } from "../../src/guest/script/services.ts";
import { assign, limit, messages } from "../support/jobs.ts";
import { must, play, settle, sleepForever, spawn, spin } from "../support/scene.ts";

const PATIENCE_100NS = 50_000;

interface Target {
  readonly job: number;
  readonly process: number;
}

interface Operation {
  readonly act: (target: Target) => Script<unknown>;
  /** Whether it is done to the own process, so that the actor is one of the victim's threads. */
  readonly inside?: boolean;
}

const OPERATIONS: Readonly<Record<string, Operation>> = {
  exit: {
    act: function* () {
      yield* nt.NtTerminateProcess(0, 14);
      yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 14);
    },
    inside: true,
  },
  kill: { act: ({ process }) => nt.NtTerminateProcess(process, 12) },
  assign: { act: ({ job, process }) => nt.NtAssignProcessToJobObject(job, process) },
  terminate: { act: ({ job }) => nt.NtTerminateJobObject(job, 13) },
  close: { act: ({ job }) => nt.NtClose(job) },
  "create a child": {
    act: function* () {
      const child = yield* nt.NtCreateProcess("child.exe", shortLife);
      if (child.ok) yield* nt.NtClose(child.value.handle);
      if (child.ok) yield* nt.NtClose(child.value.thread);
    },
    inside: true,
  },
};

/** Ends by itself, for it may be born into no job that would end it. */
function* shortLife(): Script<void> {
  yield* nt.NtDelayExecution(false, PATIENCE_100NS);
}

const VICTIMS: Readonly<Record<string, ScriptProgram>> = { sleeping: sleepForever, spinning: spin };

interface Case {
  readonly operations: readonly [Operation, Operation];
  readonly victim: ScriptProgram;
  /** Whether actors that could be anywhere are threads of the victim's process. */
  readonly inside: boolean;
  /** Whether the victim is a member from the beginning. */
  readonly member: boolean;
  /** How many jobs lie around the one that is acted on. */
  readonly depth: number;
  readonly processors: number;
}

function runCase({ operations, victim, inside, member, depth, processors }: Case): void {
  const heard: string[] = [];
  const scene = play(
    function* () {
      const outer = yield* makeOuterJobs(depth);
      const job = must(yield* nt.NtCreateJobObject("matrix"));
      yield* limit(job, { flags: JobLimit.KILL_ON_JOB_CLOSE });
      const child = yield* spawn(victim);
      for (const { handle } of outer) yield* assign(handle, child.handle);
      if (member) yield* assign(job, child.handle);
      const begin = must(yield* nt.NtCreateEvent("notification", "begin"));
      let opened: Target | null = null;
      const actors: number[] = [];
      for (const operation of operations) {
        const within = inside || operation.inside === true;
        const actor = function* (): Script<void> {
          if (within) opened ??= yield* openFromWithin();
          const own = within ? must(yield* nt.NtCreateEvent("notification", "begin")) : begin;
          yield* nt.NtWaitForSingleObject(own);
          yield* operation.act(within && opened !== null ? opened : { job, process: child.handle });
        };
        const options = within ? { process: child.handle } : {};
        actors.push(must(yield* nt.NtCreateThread(actor, options)).handle);
      }
      yield* settle();
      if (inside) yield* nt.NtClose(job);
      yield* nt.NtSetEvent(begin);
      yield* nt.NtDelayExecution(false, PATIENCE_100NS);
      yield* nt.NtTerminateProcess(child.handle, 15);
      yield* nt.NtWaitForSingleObject(child.handle);
      for (const actor of actors) yield* nt.NtWaitForSingleObject(actor);
      // Children that the victim still made are in the outermost job, or in this one.
      for (const { handle } of outer) yield* nt.NtTerminateJobObject(handle, 16);
      yield* nt.NtTerminateJobObject(job, 16);
      yield* nt.NtDelayExecution(false, 2 * PATIENCE_100NS);
      for (const { port } of outer) heard.push(...(yield* messages(port)));
      return 77 as never;
    },
    { processors },
  );
  expect(scene.end.exitStatus).toBe(77);
  const of = (name: string): string[] =>
    heard.flatMap((message) => (message.startsWith(name) ? [message.slice(name.length)] : []));
  expect(of("EXIT_PROCESS").sort()).toEqual(of("NEW_PROCESS").sort());
}

/** Jobs that lie one in the other, each with a port. */
function* makeOuterJobs(depth: number): Script<{ handle: number; port: number }[]> {
  const jobs: { handle: number; port: number }[] = [];
  for (let level = 0; level < depth; level++) {
    const handle = must(yield* nt.NtCreateJobObject());
    const port = must(yield* nt.NtCreateIoCompletion());
    yield* nt.NtSetInformationJobObject(handle, { kind: "completion-port", port, key: level });
    jobs.push({ handle, port });
  }
  return jobs;
}

/** The victim's own handles. */
function* openFromWithin(): Script<Target> {
  return { job: must(yield* nt.NtOpenJobObject("matrix")), process: CURRENT_PROCESS_HANDLE };
}

for (const [first, one] of Object.entries(OPERATIONS)) {
  for (const [second, other] of Object.entries(OPERATIONS)) {
    test(`${first} against ${second} leaves neither a process nor a job`, () => {
      for (const [state, victim] of Object.entries(VICTIMS)) {
        for (let bits = 0; bits < 16; bits++) {
          const inside = (bits & 1) !== 0;
          const member = (bits & 2) !== 0;
          const depth = (bits & 4) === 0 ? 0 : 2;
          const processors = (bits & 8) === 0 ? 1 : 2;
          try {
            runCase({ operations: [one, other], victim, inside, member, depth, processors });
          } catch (error) {
            const where = `a victim that is ${state}, ${JSON.stringify({ inside, member, depth, processors })}`;
            throw new Error(`fails for ${where}`, { cause: error });
          }
        }
      }
    });
  }
}
