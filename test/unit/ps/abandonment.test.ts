/** Mutants whose owner dies: who gets them, and what they are told. */
import { expect, test } from "vitest";
import { CURRENT_PROCESS_HANDLE } from "../../../src/abi/ps.ts";
import { STATUS_ABANDONED_WAIT_0, STATUS_SUCCESS, STATUS_TIMEOUT } from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { ended, joined, must, play, settle, sleepForever, spawn, start } from "../../support/scene.ts";

/** A thread that takes the mutants and sleeps for ever. */
function* owner(...mutants: number[]): Script<number> {
  const { handle } = yield* start(function* () {
    for (const mutant of mutants) expect(yield* nt.NtWaitForSingleObject(mutant)).toBe(STATUS_SUCCESS);
    yield* sleepForever();
  });
  yield* settle();
  return handle;
}

/** A thread that waits as given and notes the answer. */
function* waiter(answers: number[], wait: () => Script<number>): Script<number> {
  const { handle } = yield* start(function* () {
    answers.push(yield* wait());
  });
  yield* settle();
  return handle;
}

test("E29: a waiter gets the mutant of a killed thread with ABANDONED, and owns it", () => {
  play(function* () {
    const mutant = must(yield* nt.NtCreateMutant(false));
    const killed = yield* owner(mutant);
    const waiting = yield* start(function* () {
      expect(yield* nt.NtWaitForSingleObject(mutant)).toBe(STATUS_ABANDONED_WAIT_0);
      expect(must(yield* nt.NtQueryMutant(mutant))).toMatchObject({ ownedByCaller: true, abandonedState: false });
      expect(must(yield* nt.NtReleaseMutant(mutant))).toBe(0);
    });
    yield* settle();
    yield* nt.NtTerminateThread(killed, 1);
    expect(yield* joined(waiting.handle)).toBe(0);
  });
});

test("without a waiter the next one to come learns of it, and only that one", () => {
  play(function* () {
    const mutant = must(yield* nt.NtCreateMutant(false));
    const killed = yield* owner(mutant);
    yield* nt.NtTerminateThread(killed, 1);
    yield* joined(killed);
    expect(must(yield* nt.NtQueryMutant(mutant))).toEqual({
      currentCount: 1,
      ownedByCaller: false,
      abandonedState: true,
    });
    expect(yield* nt.NtWaitForSingleObject(mutant)).toBe(STATUS_ABANDONED_WAIT_0);
    must(yield* nt.NtReleaseMutant(mutant));
    expect(yield* nt.NtWaitForSingleObject(mutant)).toBe(STATUS_SUCCESS);
  });
});

test("of several waiters the first gets the mutant abandoned, the next one gets it in order", () => {
  play(function* () {
    const mutant = must(yield* nt.NtCreateMutant(false));
    const killed = yield* owner(mutant);
    const answers: number[] = [];
    const waiters: number[] = [];
    for (let index = 0; index < 3; index++) {
      waiters.push(
        yield* waiter(answers, function* () {
          const answer = yield* nt.NtWaitForSingleObject(mutant);
          must(yield* nt.NtReleaseMutant(mutant));
          return answer;
        }),
      );
    }
    yield* nt.NtTerminateThread(killed, 1);
    for (const handle of waiters) yield* joined(handle);
    expect(answers).toEqual([STATUS_ABANDONED_WAIT_0, STATUS_SUCCESS, STATUS_SUCCESS]);
  });
});

test("a wait for any of several answers ABANDONED plus the index", () => {
  play(function* () {
    const event = must(yield* nt.NtCreateEvent("notification"));
    const mutant = must(yield* nt.NtCreateMutant(false));
    const killed = yield* owner(mutant);
    const answers: number[] = [];
    const waiting = yield* waiter(answers, () => nt.NtWaitForMultipleObjects([event, event, mutant], "any"));
    yield* nt.NtTerminateThread(killed, 1);
    yield* joined(waiting);
    expect(answers).toEqual([STATUS_ABANDONED_WAIT_0 + 2]);
  });
});

test("a wait for all that includes an abandoned mutant answers ABANDONED once everything is there", () => {
  play(function* () {
    const event = must(yield* nt.NtCreateEvent("notification"));
    const mutant = must(yield* nt.NtCreateMutant(false));
    const killed = yield* owner(mutant);
    const answers: number[] = [];
    const waiting = yield* waiter(answers, () => nt.NtWaitForMultipleObjects([event, mutant], "all"));
    yield* nt.NtTerminateThread(killed, 1);
    yield* joined(killed);
    yield* settle();
    expect(answers).toEqual([]);
    yield* nt.NtSetEvent(event);
    yield* joined(waiting);
    expect(answers).toEqual([STATUS_ABANDONED_WAIT_0]);
  });
});

test("a wait for all does not take the abandoned mutant until it gets everything", () => {
  play(function* () {
    const event = must(yield* nt.NtCreateEvent("notification"));
    const mutant = must(yield* nt.NtCreateMutant(false));
    const killed = yield* owner(mutant);
    const answers: number[] = [];
    const waiting = yield* waiter(answers, () => nt.NtWaitForMultipleObjects([event, mutant], "all"));
    yield* nt.NtTerminateThread(killed, 1);
    yield* joined(killed);
    expect(yield* nt.NtWaitForSingleObject(mutant, false, 0)).toBe(STATUS_ABANDONED_WAIT_0);
    must(yield* nt.NtReleaseMutant(mutant));
    yield* nt.NtSetEvent(event);
    yield* joined(waiting);
    expect(answers).toEqual([STATUS_SUCCESS]);
  });
});

test("every mutant of a dying thread is abandoned, whatever the depth of its ownership", () => {
  play(function* () {
    const mutants = [must(yield* nt.NtCreateMutant(false)), must(yield* nt.NtCreateMutant(false))];
    const killed = yield* owner(mutants[0]!, mutants[1]!, mutants[0]!, mutants[0]!);
    yield* nt.NtTerminateThread(killed, 1);
    yield* joined(killed);
    for (const mutant of mutants) {
      expect(must(yield* nt.NtQueryMutant(mutant))).toMatchObject({ currentCount: 1, abandonedState: true });
      expect(yield* nt.NtWaitForSingleObject(mutant)).toBe(STATUS_ABANDONED_WAIT_0);
    }
  });
});

test("a thread that releases its mutant before it ends abandons nothing", () => {
  play(function* () {
    const mutant = must(yield* nt.NtCreateMutant(false));
    const { handle } = yield* start(function* () {
      yield* nt.NtWaitForSingleObject(mutant);
      must(yield* nt.NtReleaseMutant(mutant));
    });
    yield* joined(handle);
    expect(yield* nt.NtWaitForSingleObject(mutant)).toBe(STATUS_SUCCESS);
  });
});

test("a thread that returns while it owns a mutant abandons it like one that is killed", () => {
  play(function* () {
    const mutant = must(yield* nt.NtCreateMutant(false));
    const { handle } = yield* start(function* () {
      yield* nt.NtWaitForSingleObject(mutant);
    });
    yield* joined(handle);
    expect(yield* nt.NtWaitForSingleObject(mutant)).toBe(STATUS_ABANDONED_WAIT_0);
  });
});

test("a mutant passes from dying thread to dying thread, abandoned each time", () => {
  play(function* () {
    const mutant = must(yield* nt.NtCreateMutant(false));
    const first = yield* owner(mutant);
    const answers: number[] = [];
    const second = yield* waiter(answers, () => nt.NtWaitForSingleObject(mutant));
    const third = yield* waiter(answers, () => nt.NtWaitForSingleObject(mutant));
    yield* nt.NtTerminateThread(first, 1);
    yield* joined(second);
    yield* joined(third);
    expect(answers).toEqual([STATUS_ABANDONED_WAIT_0, STATUS_ABANDONED_WAIT_0]);
  });
});

test("the end of a process abandons its mutants for other processes, before it is signaled", () => {
  play(function* () {
    const mutant = must(yield* nt.NtCreateMutant(false, "shared"));
    const child = yield* spawn(function* () {
      const same = must(yield* nt.NtCreateMutant(false, "shared"));
      yield* nt.NtWaitForSingleObject(same);
      yield* sleepForever();
    });
    yield* settle();
    expect(yield* nt.NtWaitForSingleObject(mutant, false, 0)).toBe(STATUS_TIMEOUT);
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
    expect(yield* nt.NtWaitForSingleObject(mutant, false, 0)).toBe(STATUS_ABANDONED_WAIT_0);
  });
});

test("a mutant that is deleted while somebody owns it leaves nothing to abandon", () => {
  play(function* () {
    const { handle } = yield* start(function* () {
      const mutant = must(yield* nt.NtCreateMutant(true));
      yield* nt.NtClose(mutant);
    });
    expect(yield* joined(handle)).toBe(0);
  });
});

test("the deaths that abandon mutants say so in the record, with the handle by which the process knew them", () => {
  let mutant = 0;
  const { events } = play(function* () {
    mutant = must(yield* nt.NtCreateMutant(true));
    yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 1);
  });
  const held = events.flatMap((event) => (event.kind === "thread-held" ? [event.held] : []));
  expect(held).toEqual([{ kind: "mutant", id: mutant, note: "abandoned" }]);
});
