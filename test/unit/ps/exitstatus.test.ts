/** With which status threads and processes end. */
import { expect, test } from "vitest";
import { CURRENT_PROCESS_HANDLE, CURRENT_THREAD_HANDLE } from "../../../src/abi/ps.ts";
import { ntStatus, STATUS_PENDING, STATUS_THREAD_IS_TERMINATING } from "../../../src/abi/status.ts";
import type { ScriptProgram } from "../../../src/guest/script/context.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { NtTerminateThread } from "../../../src/ps/killservices.ts";
import {
  ended,
  Gate,
  joined,
  must,
  play,
  processById,
  settle,
  sleepForever,
  spawn,
  start,
} from "../../support/scene.ts";

/** The exit status of a process that runs `program`. */
function statusOf(program: ScriptProgram): number {
  return play(program).end.exitStatus;
}

test("T-TP1: a program that returns ends with what it returned, and what it signaled before is signaled", () => {
  play(function* () {
    const event = must(yield* nt.NtCreateEvent("notification", "before the end"));
    const child = yield* spawn(function* () {
      const same = must(yield* nt.NtCreateEvent("notification", "before the end"));
      yield* nt.NtSetEvent(same);
      return 0 as never;
    });
    expect(yield* ended(child.handle)).toBe(0);
    expect(yield* nt.NtWaitForSingleObject(event, false, 0)).toBe(0);
  });
});

test("T-WP3, T-WT4: a running process and a running thread say STILL_ACTIVE", () => {
  play(function* () {
    const child = yield* spawn(sleepForever, { suspended: true });
    expect(must(yield* nt.queryProcess(child.handle)).exitStatus).toBe(STATUS_PENDING);
    expect(must(yield* nt.queryThread(child.thread)).exitStatus).toBe(STATUS_PENDING);
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
    expect(must(yield* nt.queryThread(child.thread)).exitStatus).toBe(1);
  });
});

test("a process may end with STILL_ACTIVE, and is signaled all the same", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    yield* nt.NtTerminateProcess(child.handle, STATUS_PENDING);
    expect(yield* ended(child.handle)).toBe(STATUS_PENDING);
  });
});

test("statuses are kept as unsigned 32-bit numbers", () => {
  expect(
    statusOf(function* () {
      yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, -1);
    }),
  ).toBe(0xffffffff);
});

test("T-ET1: the last thread to run decides the status, although the object of another one still lives", () => {
  expect(
    statusOf(function* () {
      const child = yield* start(function* () {
        yield* nt.NtTestAlert();
        return 1 as never;
      });
      yield* joined(child.handle);
      yield* nt.NtTerminateThread(CURRENT_THREAD_HANDLE, 42);
    }),
  ).toBe(42);
});

test("E12: the first thread may leave first; the process ends with the last thread's status", () => {
  expect(
    statusOf(function* () {
      yield* start(function* () {
        yield* settle();
        return 17 as never;
      });
      yield* nt.NtTerminateThread(CURRENT_THREAD_HANDLE, 3);
    }),
  ).toBe(17);
});

test("D14a: a thread that ends itself last overrules the status of a kill that came before", () => {
  play(function* () {
    const gate = new Gate();
    const child = yield* spawn(function* () {
      yield* start(sleepForever);
      yield* nt.call(function* (k) {
        yield* gate.pass(k);
        // Told to die with 5, it is still in the kernel, on its way to end itself with 7.
        return yield* NtTerminateThread(k, CURRENT_THREAD_HANDLE, ntStatus(7));
      });
    });
    yield* settle();
    yield* nt.NtTerminateProcess(child.handle, 5);
    yield* settle();
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* ended(child.handle)).toBe(7);
  });
});

test("E12, E14: a last thread that says THREAD_IS_TERMINATING leaves the status of the thread before", () => {
  expect(
    statusOf(function* () {
      const child = yield* start(function* () {
        yield* nt.NtTestAlert();
        return 23 as never;
      });
      yield* joined(child.handle);
      yield* nt.NtTerminateThread(CURRENT_THREAD_HANDLE, STATUS_THREAD_IS_TERMINATING);
    }),
  ).toBe(23);
});

test("E14: a thread that says THREAD_IS_TERMINATING records no status for those after it", () => {
  expect(
    statusOf(function* () {
      for (const status of [23, STATUS_THREAD_IS_TERMINATING]) {
        const child = yield* start(function* () {
          yield* nt.NtTestAlert();
          return status as never;
        });
        yield* joined(child.handle);
      }
      yield* nt.NtTerminateThread(CURRENT_THREAD_HANDLE, STATUS_THREAD_IS_TERMINATING);
    }),
  ).toBe(23);
});

test("D14b: if no thread ever recorded a status the process does not claim success", () => {
  expect(
    statusOf(function* () {
      yield* nt.NtTerminateThread(CURRENT_THREAD_HANDLE, STATUS_THREAD_IS_TERMINATING);
    }),
  ).toBe(STATUS_THREAD_IS_TERMINATING);
});

test("D14b: an earlier thread's success is a recorded status", () => {
  expect(
    statusOf(function* () {
      const child = yield* start(function* () {
        yield* nt.NtTestAlert();
      });
      yield* joined(child.handle);
      yield* nt.NtTerminateThread(CURRENT_THREAD_HANDLE, STATUS_THREAD_IS_TERMINATING);
    }),
  ).toBe(0);
});

test("E12: a status that the process has already is not replaced by THREAD_IS_TERMINATING", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    yield* settle();
    yield* nt.call((k) => {
      // A debugger's exit message records the status early.
      processById(k, child.id).exitStatus = ntStatus(31);
    });
    yield* nt.NtTerminateProcess(child.handle, STATUS_THREAD_IS_TERMINATING);
    expect(yield* ended(child.handle)).toBe(31);
  });
});

test("E34: the process's exit time is its last thread's, and not before any other's", () => {
  const { events } = play(function* () {
    const child = yield* spawn(function* () {
      yield* start(sleepForever);
      yield* start(sleepForever);
      yield* sleepForever();
    });
    yield* settle();
    yield* nt.NtTerminateProcess(child.handle, 5);
    yield* ended(child.handle);
    const { exitTime, createTime } = yield* nt.call((k) => processById(k, child.id));
    expect(exitTime).toBeGreaterThan(createTime);
    return exitTime as never;
  });
  const threads = events.flatMap((event) => (event.kind === "thread-exited" && event.status === 5 ? [event.time] : []));
  const process = events.flatMap((event) =>
    event.kind === "process-exiting" && event.status === 5 ? [event.time] : [],
  );
  expect(threads).toHaveLength(3);
  expect(process).toEqual([Math.max(...threads)]);
});
