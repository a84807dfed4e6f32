/** Suspend counts of threads and processes, and what suspension means to those who end. */
import { expect, test } from "vitest";
import { MAXIMUM_SUSPEND_COUNT } from "../../../src/abi/ke.ts";
import { THREAD_TERMINATE } from "../../../src/abi/ps.ts";
import {
  STATUS_ACCESS_DENIED,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  STATUS_SUSPEND_COUNT_EXCEEDED,
  STATUS_THREAD_IS_TERMINATING,
  STATUS_TIMEOUT,
} from "../../../src/abi/status.ts";
import { nt } from "../../../src/guest/script/services.ts";
import {
  ended,
  Gate,
  joined,
  must,
  play,
  settle,
  sleepForever,
  spawn,
  spin,
  start,
  threadById,
} from "../../support/scene.ts";

test("T-WT1: a thread that is created suspended counts 1, and runs when it is resumed as often as it was suspended", () => {
  play(function* () {
    let ran = false;
    const program = function* () {
      ran = true;
      yield* nt.NtTestAlert();
    };
    const { handle } = yield* start(program, { suspended: true });
    expect(must(yield* nt.NtSuspendThread(handle))).toBe(1);
    expect(must(yield* nt.NtResumeThread(handle))).toBe(2);
    yield* settle();
    expect(ran).toBe(false);
    expect(must(yield* nt.NtResumeThread(handle))).toBe(1);
    yield* joined(handle);
    expect(ran).toBe(true);
  });
});

test("a suspended thread stops where it is, also in the middle of a wait whose object is signaled", () => {
  play(function* () {
    const log: string[] = [];
    const event = must(yield* nt.NtCreateEvent("notification"));
    const { handle } = yield* start(function* () {
      yield* nt.NtWaitForSingleObject(event);
      log.push("woken");
    });
    yield* settle();
    expect(must(yield* nt.NtSuspendThread(handle))).toBe(0);
    yield* nt.NtSetEvent(event);
    yield* settle();
    expect(log).toEqual([]);
    must(yield* nt.NtResumeThread(handle));
    yield* joined(handle);
    expect(log).toEqual(["woken"]);
  });
});

test("resuming a thread that is not suspended answers 0 and changes nothing", () => {
  play(function* () {
    const { handle } = yield* start(sleepForever);
    expect(must(yield* nt.NtResumeThread(handle))).toBe(0);
    expect(must(yield* nt.NtSuspendThread(handle))).toBe(0);
    yield* nt.NtTerminateThread(handle, 1);
    yield* joined(handle);
  });
});

test("a thread that suspends itself stops before it sees the answer", () => {
  play(function* () {
    const log: number[] = [];
    const { handle } = yield* start(function* () {
      log.push(must(yield* nt.NtSuspendThread(0xfffffffe)));
    });
    yield* settle();
    expect(log).toEqual([]);
    expect(must(yield* nt.NtResumeThread(handle))).toBe(1);
    yield* joined(handle);
    expect(log).toEqual([0]);
  });
});

test("suspending more than 127 times answers SUSPEND_COUNT_EXCEEDED and does not count", () => {
  play(function* () {
    const { handle } = yield* start(spin);
    for (let count = 0; count < MAXIMUM_SUSPEND_COUNT; count++) must(yield* nt.NtSuspendThread(handle));
    expect(yield* nt.NtSuspendThread(handle)).toMatchObject({ status: STATUS_SUSPEND_COUNT_EXCEEDED });
    expect(must(yield* nt.NtResumeThread(handle))).toBe(MAXIMUM_SUSPEND_COUNT);
    yield* nt.NtTerminateThread(handle, 1);
  });
});

test("a handle without THREAD_SUSPEND_RESUME answers ACCESS_DENIED", () => {
  play(function* () {
    const child = yield* start(sleepForever);
    const weak = must(yield* nt.NtOpenThread(child.id, THREAD_TERMINATE));
    expect(yield* nt.NtSuspendThread(weak)).toMatchObject({ status: STATUS_ACCESS_DENIED });
    expect(yield* nt.NtResumeThread(weak)).toMatchObject({ status: STATUS_ACCESS_DENIED });
    yield* nt.NtTerminateThread(weak, 1);
  });
});

test("T-WT2: suspending a thread that has ended answers THREAD_IS_TERMINATING, resuming it answers 0", () => {
  play(function* () {
    const { handle } = yield* start(function* () {
      yield* nt.NtTestAlert();
    });
    yield* joined(handle);
    expect(yield* nt.NtSuspendThread(handle)).toMatchObject({ status: STATUS_THREAD_IS_TERMINATING });
    expect(must(yield* nt.NtResumeThread(handle))).toBe(0);
  });
});

test("Part D 7: suspending a thread that was told to die answers THREAD_IS_TERMINATING and leaves it to die", () => {
  play(function* () {
    const gate = new Gate();
    const child = yield* start(() => nt.call((k) => gate.pass(k)));
    yield* settle();
    yield* nt.NtTerminateThread(child.handle, 7);
    expect(yield* nt.NtSuspendThread(child.handle)).toMatchObject({ status: STATUS_THREAD_IS_TERMINATING });
    expect(yield* nt.call((k) => threadById(k, child.id).suspendCount)).toBe(0);
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* joined(child.handle)).toBe(7);
  });
});

test("a thread that is suspended while it waits in the kernel for its own end of a call dies when it is killed", () => {
  play(function* () {
    const gate = new Gate();
    const child = yield* start(() => nt.call((k) => gate.pass(k)));
    yield* settle();
    must(yield* nt.NtSuspendThread(child.handle));
    yield* settle();
    yield* nt.call((k) => {
      gate.open(k);
    });
    yield* settle();
    expect(must(yield* nt.queryThread(child.handle)).signaled).toBe(false);
    yield* nt.NtTerminateThread(child.handle, 7);
    expect(yield* joined(child.handle)).toBe(7);
  });
});

test("T-WS1: suspending a process adds one to each thread's count, resuming it takes one from each", () => {
  play(function* () {
    let turns = 0;
    const child = yield* spawn(function* () {
      for (;;) {
        turns++;
        yield* nt.NtTestAlert();
      }
    });
    yield* settle();
    expect(yield* nt.NtSuspendProcess(child.handle)).toBe(STATUS_SUCCESS);
    const before = turns;
    yield* settle();
    expect(turns).toBe(before);
    expect(must(yield* nt.NtResumeThread(child.thread))).toBe(1);
    yield* settle();
    expect(turns).toBeGreaterThan(before);
    expect(yield* nt.NtResumeProcess(child.handle)).toBe(STATUS_SUCCESS);
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
  });
});

test("T-WS1: a thread that counts 2 needs two resumes of its process", () => {
  play(function* () {
    const child = yield* spawn(spin, { suspended: true });
    expect(yield* nt.NtSuspendProcess(child.handle)).toBe(STATUS_SUCCESS);
    expect(yield* nt.NtResumeProcess(child.handle)).toBe(STATUS_SUCCESS);
    expect(must(yield* nt.NtSuspendThread(child.thread))).toBe(1);
    must(yield* nt.NtResumeThread(child.thread));
    expect(yield* nt.NtResumeProcess(child.handle)).toBe(STATUS_SUCCESS);
    expect(must(yield* nt.NtSuspendThread(child.thread))).toBe(0);
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
  });
});

test("a process that has ended answers PROCESS_IS_TERMINATING to suspending and resuming", () => {
  play(function* () {
    const child = yield* spawn(function* () {
      yield* nt.NtTestAlert();
    });
    yield* ended(child.handle);
    expect(yield* nt.NtSuspendProcess(child.handle)).toBe(STATUS_PROCESS_IS_TERMINATING);
    expect(yield* nt.NtResumeProcess(child.handle)).toBe(STATUS_PROCESS_IS_TERMINATING);
  });
});

test("a process can suspend itself and is resumed from outside", () => {
  play(function* () {
    const child = yield* spawn(function* () {
      yield* nt.NtSuspendProcess(0xffffffff);
      return 6 as never;
    });
    yield* settle();
    expect(yield* nt.NtWaitForSingleObject(child.handle, false, 0)).toBe(STATUS_TIMEOUT);
    yield* nt.NtResumeProcess(child.handle);
    expect(yield* ended(child.handle)).toBe(6);
  });
});
