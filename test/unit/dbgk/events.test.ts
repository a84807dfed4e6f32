/** What a debugger is told of a process that it debugs from its beginning, and what its answers do. */
import { expect, test } from "vitest";
import { DBG_EXCEPTION_HANDLED, DBG_REPLY_LATER } from "../../../src/abi/dbgk.ts";
import {
  DBG_EXCEPTION_NOT_HANDLED,
  ntStatus,
  STATUS_ACCESS_VIOLATION,
  STATUS_INVALID_HANDLE,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
} from "../../../src/abi/status.ts";
import { debugServices as dbg } from "../../../src/guest/script/debugservices.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { answer, debugged, expectEvent, follow, kindsOf, next, pass } from "../../support/debugger.ts";
import { ended, joined, must, play, processById, settle, sleepForever, spawn, start } from "../../support/scene.ts";

const ACCESS_VIOLATION = STATUS_ACCESS_VIOLATION;

test("E17: a process that begins and ends tells of both, with its exit status", () => {
  play(function* () {
    const child = yield* debugged(function* () {
      yield* nt.NtTestAlert();
      return ntStatus(7);
    });
    const seen = yield* follow(child.debug);
    expect(kindsOf(seen)).toEqual(["create-process", "exit-process"]);
    expect(seen[1]?.message).toEqual({ kind: "exit-process", exitStatus: 7 });
    expect(seen.map(({ clientId }) => clientId.pid)).toEqual([child.id, child.id]);
    expect(yield* ended(child.handle)).toBe(7);
  });
});

test("E17, T-DBG5: every thread that ends tells of it, and the process's end comes last", () => {
  play(function* () {
    const child = yield* debugged(function* () {
      const workers: number[] = [];
      for (let index = 0; index < 5; index++) {
        workers.push(
          (yield* start(function* () {
            yield* nt.NtTestAlert();
            return ntStatus(10 + index);
          })).handle,
        );
      }
      yield* nt.NtWaitForMultipleObjects(workers, "all");
    });
    const kinds = kindsOf(yield* follow(child.debug));
    expect(kinds.filter((kind) => kind === "create-thread")).toHaveLength(5);
    expect(kinds.filter((kind) => kind === "exit-thread")).toHaveLength(5);
    expect(kinds[0]).toBe("create-process");
    expect(kinds.at(-1)).toBe("exit-process");
  });
});

test("the debugger gets handles to the new process and thread, and none for what has no file", () => {
  play(function* () {
    const child = yield* debugged(sleepForever);
    const change = must(yield* dbg.NtWaitForDebugEvent(child.debug));
    expect(change.fileHandle).toBe(0);
    expect(must(yield* nt.queryProcess(change.processHandle)).pid).toBe(child.id);
    expect(must(yield* nt.queryThread(change.threadHandle)).tid).toBe(change.clientId.tid);
    expect(yield* nt.NtTerminateProcess(change.processHandle, 3)).toBe(STATUS_SUCCESS);
    yield* answer(child.debug, change);
    expect(kindsOf(yield* follow(child.debug))).toEqual(["exit-process"]);
    expect(yield* ended(child.handle)).toBe(3);
  });
});

test("a thread that reports does not run before it is answered", () => {
  play(function* () {
    const ran: string[] = [];
    const child = yield* debugged(function* () {
      ran.push("child");
      yield* nt.NtTestAlert();
    });
    const change = yield* expectEvent(child.debug, "create-process");
    yield* settle();
    expect(ran).toEqual([]);
    yield* answer(child.debug, change);
    yield* settle();
    expect(ran).toEqual(["child"]);
    yield* pass(child.debug, "exit-process");
  });
});

test("of one process the debugger gets one event at a time, of several each its own", () => {
  play(function* () {
    const child = yield* debugged(function* () {
      yield* start(sleepForever);
      yield* start(sleepForever);
      yield* nt.NtDelayExecution(false, null);
    });
    const other = must(yield* dbg.createDebuggedProcess(sleepForever, { debug: child.debug }));
    const first = yield* expectEvent(child.debug, "create-process");
    const second = yield* expectEvent(child.debug, "create-process");
    expect([first.clientId.pid, second.clientId.pid]).toEqual([child.id, other.id]);
    const nothing = yield* dbg.NtWaitForDebugEvent(child.debug, 0);
    expect(nothing).toEqual({ ok: false, status: STATUS_TIMEOUT });
    yield* answer(child.debug, second);
    yield* answer(child.debug, first);
    const created = yield* expectEvent(child.debug, "create-thread");
    yield* settle();
    expect(yield* dbg.NtWaitForDebugEvent(child.debug, 0)).toEqual({ ok: false, status: STATUS_TIMEOUT });
    yield* answer(child.debug, created);
    yield* pass(child.debug, "create-thread");
  });
});

test("an exception that the debugger handles at its first chance goes no further", () => {
  play(function* () {
    const child = yield* debugged(function* () {
      yield* nt.NtRaiseException(ACCESS_VIOLATION);
      return ntStatus(5);
    });
    yield* pass(child.debug, "create-process");
    const change = yield* expectEvent(child.debug, "exception");
    expect(change.message).toMatchObject({ firstChance: true, record: { code: ACCESS_VIOLATION } });
    yield* answer(child.debug, change, DBG_EXCEPTION_HANDLED);
    yield* pass(child.debug, "exit-process");
    expect(yield* ended(child.handle)).toBe(5);
  });
});

test("an exception that nobody handles comes a second time, and then ends the process", () => {
  play(function* () {
    const child = yield* debugged(function* () {
      yield* nt.NtRaiseException(ACCESS_VIOLATION);
    });
    yield* pass(child.debug, "create-process");
    for (const firstChance of [true, false]) {
      const change = yield* expectEvent(child.debug, "exception");
      expect(change.message).toMatchObject({ firstChance });
      yield* answer(child.debug, change, DBG_EXCEPTION_NOT_HANDLED);
    }
    const last = yield* pass(child.debug, "exit-process");
    expect(last.message).toMatchObject({ exitStatus: ACCESS_VIOLATION });
    expect(yield* ended(child.handle)).toBe(ACCESS_VIOLATION);
  });
});

test("a second chance that the debugger handles lets the thread go on", () => {
  play(function* () {
    const child = yield* debugged(function* () {
      yield* nt.NtRaiseException(ACCESS_VIOLATION);
      return ntStatus(6);
    });
    yield* pass(child.debug, "create-process");
    yield* answer(child.debug, yield* expectEvent(child.debug, "exception"), DBG_EXCEPTION_NOT_HANDLED);
    yield* answer(child.debug, yield* expectEvent(child.debug, "exception"));
    yield* pass(child.debug, "exit-process");
    expect(yield* ended(child.handle)).toBe(6);
  });
});

test("DBG_REPLY_LATER: the event comes again when the suspended thread is resumed, and the others run meanwhile", () => {
  play(function* () {
    const ran: string[] = [];
    const child = yield* debugged(function* () {
      yield* start(function* () {
        for (let tick = 0; tick < 3; tick++) {
          yield* nt.NtDelayExecution(false, 5_000);
          ran.push("worker");
        }
      });
      yield* nt.NtRaiseException(ACCESS_VIOLATION);
      return ntStatus(8);
    });
    yield* pass(child.debug, "create-process");
    let change = yield* next(child.debug);
    while (change.message.kind !== "exception") {
      yield* answer(child.debug, change);
      change = yield* next(child.debug);
    }
    expect(must(yield* nt.NtSuspendThread(child.thread))).toBe(0);
    yield* answer(child.debug, change, DBG_REPLY_LATER);
    let worker = yield* next(child.debug);
    while (worker.message.kind !== "exit-thread") {
      expect(worker.message.kind).toBe("create-thread");
      yield* answer(child.debug, worker);
      worker = yield* next(child.debug);
    }
    expect(ran).toEqual(["worker", "worker", "worker"]);
    yield* answer(child.debug, worker);
    yield* settle();
    expect(yield* dbg.NtWaitForDebugEvent(child.debug, 0)).toMatchObject({ ok: false });
    yield* nt.NtResumeThread(child.thread);
    const again = yield* expectEvent(child.debug, "exception");
    expect(again.message).toMatchObject({ firstChance: true });
    yield* answer(child.debug, again);
    yield* pass(child.debug, "exit-process");
    expect(yield* ended(child.handle)).toBe(8);
  });
});

test("T-WN1: a thread hidden from debuggers tells nothing of its birth, its exceptions and its death", () => {
  play(function* () {
    const child = yield* debugged(function* () {
      const hidden = yield* start(
        function* () {
          yield* nt.NtTestAlert();
          return ntStatus(4);
        },
        { hidden: true },
      );
      expect(yield* joined(hidden.handle)).toBe(4);
    });
    expect(kindsOf(yield* follow(child.debug))).toEqual(["create-process", "exit-process"]);
  });
});

test("closing a handle that is none raises an exception in a debugged process only", () => {
  play(function* () {
    expect(yield* nt.NtClose(0x1234)).toBe(STATUS_INVALID_HANDLE);
    const child = yield* debugged(function* () {
      return yield* nt.NtClose(0x1234);
    });
    yield* pass(child.debug, "create-process");
    const change = yield* pass(child.debug, "exception");
    expect(change.message).toMatchObject({ record: { code: STATUS_INVALID_HANDLE } });
    yield* pass(child.debug, "exit-process");
    expect(yield* ended(child.handle)).toBe(STATUS_INVALID_HANDLE);
  });
});

function* parentOfOne(): ReturnType<typeof sleepForever> {
  const child = yield* spawn(function* () {
    yield* nt.NtTestAlert();
  });
  yield* ended(child.handle);
}

test("the children of a debuggee are debugged by the same object", () => {
  play(function* () {
    const child = yield* debugged(parentOfOne);
    const first = yield* follow(child.debug);
    const second = yield* follow(child.debug);
    expect(kindsOf([...first, ...second])).toEqual([
      "create-process",
      "create-process",
      "exit-process",
      "exit-process",
    ]);
  });
});

test("a process created for its debugger alone has children of its own", () => {
  play(function* () {
    const debug = must(yield* dbg.NtCreateDebugObject());
    const child = must(yield* dbg.createDebuggedProcess(parentOfOne, { debug, noInherit: true }));
    expect(kindsOf(yield* follow(debug))).toEqual(["create-process", "exit-process"]);
    yield* ended(child.handle);
  });
});

test("the time of exit is known while the debugger has the exit event", () => {
  play(function* () {
    const child = yield* debugged(function* () {
      yield* nt.NtDelayExecution(false, 10_000);
    });
    yield* pass(child.debug, "create-process");
    const change = yield* expectEvent(child.debug, "exit-process");
    const time = yield* nt.call((k) => processById(k, child.id).exitTime);
    expect(time).toBeGreaterThan(0);
    expect(must(yield* nt.queryProcess(child.handle)).signaled).toBe(false);
    yield* answer(child.debug, change);
  });
});
