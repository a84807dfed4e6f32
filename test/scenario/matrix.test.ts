/**
 * Everything that two threads can do to one victim at the same time, pair by pair: whatever the pair, the machine comes
 * to rest, every invariant of termination holds on the way, and nothing is left.
 *
 * The victim is a thread and its process. What an actor does to its own process (exit, the NULL form) it does in the
 * victim's; everything else it does from outside, or from inside.
 */
import { expect, test } from "vitest";
import { KernelMode } from "../../src/abi/ke.ts";
import { CURRENT_PROCESS_HANDLE } from "../../src/abi/ps.ts";
import type { Script, ScriptProgram } from "../../src/guest/script/context.ts";
import { nt } from "../../src/guest/script/services.ts";
import { KeDelayExecutionThread } from "../../src/ke/wait.ts";
import { must, play, settle, sleepForever, spawn, spin } from "../support/scene.ts";

/** Handles of the victim in the actor's process. */
interface Victim {
  readonly thread: number;
  readonly process: number;
}

interface Operation {
  readonly act: (victim: Victim) => Script<unknown>;
  /** Whether it is done to the own process, so that the actor is one of the victim's threads. */
  readonly inside?: boolean;
}

const OPERATIONS: Readonly<Record<string, Operation>> = {
  "terminate thread": { act: ({ thread }) => nt.NtTerminateThread(thread, 11) },
  "terminate process": { act: ({ process }) => nt.NtTerminateProcess(process, 12) },
  "terminate process NULL": { act: () => nt.NtTerminateProcess(0, 13), inside: true },
  suspend: { act: ({ thread }) => nt.NtSuspendThread(thread) },
  resume: { act: ({ thread }) => nt.NtResumeThread(thread) },
  "queue APC": {
    act: ({ thread }) =>
      nt.NtQueueApcThread(thread, function* () {
        yield* nt.NtTestAlert();
      }),
  },
  "create thread": { act: ({ process }) => nt.NtCreateThread(sleepForever, { process }) },
  "close last handle": {
    act: function* ({ thread, process }) {
      yield* nt.NtClose(thread);
      yield* nt.NtClose(process);
    },
  },
  "wait on victim": { act: ({ thread, process }) => nt.NtWaitForMultipleObjects([thread, process], "any") },
  exit: {
    act: function* () {
      yield* nt.NtTerminateProcess(0, 14);
      yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 14);
    },
    inside: true,
  },
};

/** What the victim's first thread does meanwhile. */
const VICTIMS: Readonly<Record<string, ScriptProgram>> = {
  sleeping: sleepForever,
  spinning: spin,
  "waiting alertably": function* () {
    for (;;) yield* nt.NtDelayExecution(true, null);
  },
  "busy in the kernel": () =>
    nt.call(function* (k) {
      yield* KeDelayExecutionThread(k, { mode: KernelMode, alertable: false, timeout100ns: 30_000 });
    }),
};

interface Case {
  readonly operations: readonly [Operation, Operation];
  readonly victim: ScriptProgram;
  /** Whether actors that could be anywhere are threads of the victim's process. */
  readonly inside: boolean;
  readonly processors: number;
}

/** Handles to the victim by its ids, as whoever lives in another process must get them. */
function* openVictim(ids: { readonly process: number; readonly thread: number }): Script<Victim | null> {
  const process = yield* nt.NtOpenProcess(ids.process);
  const thread = yield* nt.NtOpenThread(ids.thread);
  return process.ok && thread.ok ? { process: process.value, thread: thread.value } : null;
}

function runCase({ operations, victim, inside, processors }: Case): void {
  const scene = play(
    function* () {
      const child = yield* spawn(victim);
      const ids = { process: child.id, thread: must(yield* nt.queryThread(child.thread)).tid };
      const shared: { outside: Victim; inside: Victim | null } = {
        outside: { ...child, process: child.handle },
        inside: null,
      };
      const begin = must(yield* nt.NtCreateEvent("notification", "begin"));
      const actors: number[] = [];
      for (const operation of operations) {
        const within = inside || operation.inside === true;
        const actor = function* () {
          if (within) shared.inside ??= yield* openVictim(ids);
          const own = within ? must(yield* nt.NtCreateEvent("notification", "begin")) : begin;
          yield* nt.NtWaitForSingleObject(own);
          const target = within ? shared.inside : shared.outside;
          if (target !== null) yield* operation.act(target);
        };
        const options = within ? { process: child.handle } : {};
        actors.push(must(yield* nt.NtCreateThread(actor, options)).handle);
      }
      yield* settle();
      yield* nt.NtSetEvent(begin);
      yield* settle();
      // Whatever of the victim is left is ended now, so that those who wait for it can end too.
      const rest = yield* nt.NtOpenProcess(ids.process);
      if (rest.ok) {
        yield* nt.NtTerminateProcess(rest.value, 15);
        yield* nt.NtWaitForSingleObject(rest.value);
      }
      for (const actor of actors) yield* nt.NtWaitForSingleObject(actor);
      return 77 as never;
    },
    { processors },
  );
  expect(scene.end.exitStatus).toBe(77);
}

/** Where actors can be that may be anywhere, if there are such. */
function places(...operations: Operation[]): boolean[] {
  return operations.every(({ inside }) => inside === true) ? [true] : [false, true];
}

for (const [first, one] of Object.entries(OPERATIONS)) {
  for (const [second, other] of Object.entries(OPERATIONS)) {
    test(`${first} against ${second} always ends and leaves nothing`, () => {
      for (const [state, victim] of Object.entries(VICTIMS)) {
        for (const inside of places(one, other)) {
          for (const processors of [1, 2]) {
            try {
              runCase({ operations: [one, other], victim, inside, processors });
            } catch (error) {
              const where = `a victim that is ${state}, actors ${inside ? "inside" : "outside"}, ${processors} processors`;
              throw new Error(`fails for ${where}`, { cause: error });
            }
          }
        }
      }
    });
  }
}
