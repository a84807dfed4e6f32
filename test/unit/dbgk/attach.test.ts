/** Attaching to a process that runs: what the debugger is told of its past, and who is refused. */
import { expect, test } from "vitest";
import { DEBUG_READ_EVENT } from "../../../src/abi/dbgk.ts";
import { CURRENT_PROCESS_HANDLE, PROCESS_QUERY_INFORMATION, PSF_NO_DEBUG_INHERIT } from "../../../src/abi/ps.ts";
import {
  ntStatus,
  STATUS_ACCESS_DENIED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_HANDLE,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PORT_ALREADY_SET,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  STATUS_UNSUCCESSFUL,
} from "../../../src/abi/status.ts";
import { TAG_DEBUG_EVENT } from "../../../src/dbgk/objects.ts";
import { debugServices as dbg } from "../../../src/guest/script/debugservices.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { PspSetProcessFlag } from "../../../src/ps/flags.ts";
import { PSF_PROCESS_DELETE } from "../../../src/abi/ps.ts";
import { answer, expectEvent, follow, kindsOf, pass } from "../../support/debugger.ts";
import {
  ended,
  joined,
  must,
  play,
  processById,
  settle,
  sleepForever,
  spawn,
  start,
  stepsOf,
  threadById,
} from "../../support/scene.ts";

test("the debugger is told of the process and of each thread, in their order, one at a time", () => {
  play(function* () {
    const tids: number[] = [];
    const child = yield* spawn(function* () {
      for (let index = 0; index < 3; index++) tids.push((yield* start(sleepForever)).id);
      yield* sleepForever();
    });
    yield* settle();
    const debug = must(yield* dbg.NtCreateDebugObject(1));
    expect(yield* dbg.NtDebugActiveProcess(child.handle, debug)).toBe(STATUS_SUCCESS);
    yield* pass(debug, "create-process");
    for (const tid of tids) expect((yield* pass(debug, "create-thread")).clientId.tid).toBe(tid);
    expect(yield* dbg.NtWaitForDebugEvent(debug, 0)).toMatchObject({ ok: false });
    yield* nt.NtClose(debug);
    yield* ended(child.handle);
  });
});

test("a thread runs on when its event is answered, and not before", () => {
  play(function* () {
    let ticks = 0;
    const child = yield* spawn(function* () {
      for (;;) {
        yield* nt.NtDelayExecution(false, 1_000);
        ticks++;
      }
    });
    yield* settle();
    const debug = must(yield* dbg.NtCreateDebugObject(1));
    yield* dbg.NtDebugActiveProcess(child.handle, debug);
    const change = yield* expectEvent(debug, "create-process");
    const before = ticks;
    yield* settle();
    expect(ticks).toBe(before);
    yield* answer(debug, change);
    yield* settle();
    expect(ticks).toBeGreaterThan(before);
    yield* nt.NtClose(debug);
    yield* ended(child.handle);
  });
});

test("a thread that was told of and has not begun tells of itself no second time", () => {
  play(function* () {
    const child = yield* spawn(
      function* () {
        yield* nt.NtTestAlert();
      },
      { suspended: true },
    );
    const debug = must(yield* dbg.NtCreateDebugObject(1));
    expect(yield* dbg.NtDebugActiveProcess(child.handle, debug)).toBe(STATUS_SUCCESS);
    yield* pass(debug, "create-process");
    yield* nt.NtResumeThread(child.thread);
    expect(kindsOf(yield* follow(debug))).toEqual(["exit-process"]);
    yield* ended(child.handle);
  });
});

test("the children of a process that was attached to are not debugged", () => {
  play(function* () {
    const child = yield* spawn(function* () {
      yield* nt.NtDelayExecution(false, 20_000);
      const own = yield* spawn(function* () {
        yield* nt.NtTestAlert();
      });
      yield* ended(own.handle);
    });
    yield* settle();
    const debug = must(yield* dbg.NtCreateDebugObject(1));
    yield* dbg.NtDebugActiveProcess(child.handle, debug);
    expect(yield* nt.call((k) => processById(k, child.id).flags & PSF_NO_DEBUG_INHERIT)).not.toBe(0);
    expect(kindsOf(yield* follow(debug))).toEqual(["create-process", "exit-process"]);
  });
});

test("a process has one debugger", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    const debug = must(yield* dbg.NtCreateDebugObject(1));
    const other = must(yield* dbg.NtCreateDebugObject(1));
    expect(yield* dbg.NtDebugActiveProcess(child.handle, debug)).toBe(STATUS_SUCCESS);
    expect(yield* dbg.NtDebugActiveProcess(child.handle, other)).toBe(STATUS_PORT_ALREADY_SET);
    expect(yield* dbg.NtWaitForDebugEvent(other, 0)).toMatchObject({ ok: false });
    yield* pass(debug, "create-process");
    yield* nt.NtClose(debug);
    yield* ended(child.handle);
  });
});

test("the caller's own process is refused, before its handle of the object is looked at", () => {
  play(function* () {
    expect(yield* dbg.NtDebugActiveProcess(CURRENT_PROCESS_HANDLE, 0x9999)).toBe(STATUS_ACCESS_DENIED);
    expect(yield* dbg.NtDebugActiveProcess(0x9999, 0x9999)).toBe(STATUS_INVALID_HANDLE);
  });
});

test("the System process is refused", () => {
  play(function* () {
    const pid = yield* nt.call((k) => k.ps.initialSystemProcess?.pid ?? 0);
    const system = must(yield* nt.NtOpenProcess(pid));
    const debug = must(yield* dbg.NtCreateDebugObject());
    expect(yield* dbg.NtDebugActiveProcess(system, debug)).toBe(STATUS_ACCESS_DENIED);
  });
});

test("both handles are checked for type and access", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    const weak = must(yield* nt.NtOpenProcess(child.id, PROCESS_QUERY_INFORMATION));
    const debug = must(yield* dbg.NtCreateDebugObject());
    const reader = must(yield* dbg.NtCreateDebugObject(0, DEBUG_READ_EVENT));
    const event = must(yield* nt.NtCreateEvent("notification"));
    expect(yield* dbg.NtDebugActiveProcess(weak, debug)).toBe(STATUS_ACCESS_DENIED);
    expect(yield* dbg.NtDebugActiveProcess(child.handle, reader)).toBe(STATUS_ACCESS_DENIED);
    expect(yield* dbg.NtDebugActiveProcess(child.handle, event)).toBe(STATUS_OBJECT_TYPE_MISMATCH);
    expect(yield* dbg.NtRemoveProcessDebug(weak, debug)).toBe(STATUS_ACCESS_DENIED);
    yield* nt.NtTerminateProcess(child.handle, 0);
  });
});

test("a process without a thread is refused, and nothing is left of the attempt", () => {
  play(function* () {
    const child = yield* spawn(null);
    const debug = must(yield* dbg.NtCreateDebugObject());
    expect(yield* dbg.NtDebugActiveProcess(child.handle, debug)).toBe(STATUS_UNSUCCESSFUL);
  });
});

test("a process that has ended is refused", () => {
  play(function* () {
    const child = yield* spawn(function* () {
      yield* nt.NtTestAlert();
    });
    yield* ended(child.handle);
    const debug = must(yield* dbg.NtCreateDebugObject());
    expect(yield* dbg.NtDebugActiveProcess(child.handle, debug)).toBe(STATUS_PROCESS_IS_TERMINATING);
  });
});

test("D27: a process that is marked for its end gets no debugger any more", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    const debug = must(yield* dbg.NtCreateDebugObject());
    yield* nt.call((k) => {
      PspSetProcessFlag(processById(k, child.id), PSF_PROCESS_DELETE);
    });
    expect(yield* dbg.NtDebugActiveProcess(child.handle, debug)).toBe(STATUS_PROCESS_IS_TERMINATING);
    expect(yield* nt.call((k) => processById(k, child.id).debugPort)).toBeNull();
    yield* settle();
    expect(yield* nt.call((k) => threadById(k, child.id + 4).suspendCount)).toBe(0);
    yield* nt.NtTerminateProcess(child.handle, 0);
    yield* ended(child.handle);
  });
});

test("D34: a thread that is killed before the debugger has read of it waits in E6 until it is answered", () => {
  const scene = play(function* () {
    let victim = { handle: 0, id: 0 };
    const child = yield* spawn(function* () {
      victim = yield* start(sleepForever);
      yield* sleepForever();
    });
    yield* settle();
    const thread = must(yield* nt.NtOpenThread(victim.id));
    const debug = must(yield* dbg.NtCreateDebugObject(1));
    yield* dbg.NtDebugActiveProcess(child.handle, debug);
    expect(yield* nt.NtTerminateThread(thread, 5)).toBe(STATUS_SUCCESS);
    yield* settle();
    expect(must(yield* nt.queryThread(thread)).signaled).toBe(false);
    yield* pass(debug, "create-process");
    yield* settle();
    expect(must(yield* nt.queryThread(thread)).signaled).toBe(false);
    yield* pass(debug, "create-thread");
    yield* pass(debug, "exit-thread");
    expect(yield* joined(thread)).toBe(5);
    yield* nt.NtClose(debug);
    yield* ended(child.handle);
  });
  expect(stepsOf(scene)).toContain("E6");
});

for (const way of ["closing the object", "letting go of the process"] as const) {
  test(`D34: ${way} releases a thread that waits in E6`, () => {
    play(function* () {
      const child = yield* spawn(sleepForever);
      yield* settle();
      const debug = must(yield* dbg.NtCreateDebugObject(0));
      yield* dbg.NtDebugActiveProcess(child.handle, debug);
      yield* nt.NtTerminateProcess(child.handle, 6);
      yield* settle();
      expect(must(yield* nt.queryProcess(child.handle)).signaled).toBe(false);
      if (way === "closing the object") yield* nt.NtClose(debug);
      else expect(yield* dbg.NtRemoveProcessDebug(child.handle, debug)).toBe(STATUS_SUCCESS);
      expect(yield* ended(child.handle)).toBe(6);
    });
  });
}

test("a thread that was exiting when the debugger came tells it nothing", () => {
  play(function* () {
    const child = yield* spawn(function* () {
      const worker = yield* start(function* () {
        yield* nt.NtTestAlert();
        return ntStatus(2);
      });
      yield* joined(worker.handle);
      yield* sleepForever();
    });
    yield* settle();
    const debug = must(yield* dbg.NtCreateDebugObject(1));
    expect(yield* dbg.NtDebugActiveProcess(child.handle, debug)).toBe(STATUS_SUCCESS);
    yield* pass(debug, "create-process");
    expect(yield* dbg.NtWaitForDebugEvent(debug, 0)).toMatchObject({ ok: false });
    yield* nt.NtClose(debug);
    yield* ended(child.handle);
  });
});

test("an attachment that runs out of memory leaves the process as it was", () => {
  for (let failing = 1; failing <= 3; failing++) {
    play(function* () {
      const child = yield* spawn(function* () {
        yield* start(sleepForever);
        yield* start(sleepForever);
        yield* sleepForever();
      });
      yield* settle();
      const debug = must(yield* dbg.NtCreateDebugObject(1));
      let count = 0;
      yield* nt.call((k) => {
        k.ex.pool.failure = (_ordinal, tag) => tag === TAG_DEBUG_EVENT && ++count === failing;
      });
      expect(yield* dbg.NtDebugActiveProcess(child.handle, debug)).toBe(STATUS_INSUFFICIENT_RESOURCES);
      expect(yield* nt.call((k) => processById(k, child.id).debugPort)).toBeNull();
      expect(yield* dbg.NtWaitForDebugEvent(debug, 0)).toMatchObject({ ok: false });
      expect(yield* dbg.NtDebugActiveProcess(child.handle, debug)).toBe(STATUS_SUCCESS);
      yield* nt.NtClose(debug);
      yield* ended(child.handle);
    });
  }
});

test("attaching, detaching and killing in every order of a few microseconds leaves nothing behind", () => {
  for (let delay = 0; delay < 16; delay++) {
    play(function* () {
      const child = yield* spawn(function* () {
        yield* start(sleepForever);
        for (;;) yield* nt.NtTestAlert();
      });
      const debug = must(yield* dbg.NtCreateDebugObject(0));
      const killer = yield* start(function* () {
        yield* nt.NtDelayExecution(false, 5 * delay);
        yield* nt.NtTerminateProcess(child.handle, 7);
      });
      yield* nt.NtDelayExecution(false, 30);
      yield* dbg.NtDebugActiveProcess(child.handle, debug);
      yield* dbg.NtRemoveProcessDebug(child.handle, debug);
      yield* joined(killer.handle);
      yield* nt.NtClose(debug);
      expect(yield* ended(child.handle)).toBe(7);
    });
  }
});
