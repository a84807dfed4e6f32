/** The end of debugging: debuggers that close their object, let go or die, and debuggees that are killed meanwhile. */
import { expect, test } from "vitest";
import { DEBUG_KILL_ON_CLOSE } from "../../../src/abi/dbgk.ts";
import { DUPLICATE_SAME_ACCESS } from "../../../src/abi/ob.ts";
import { CURRENT_PROCESS_HANDLE, PROCESS_ALL_ACCESS } from "../../../src/abi/ps.ts";
import {
  DBG_TERMINATE_PROCESS,
  ntStatus,
  STATUS_ACCESS_VIOLATION,
  STATUS_DEBUGGER_INACTIVE,
  STATUS_PORT_NOT_SET,
  STATUS_SUCCESS,
} from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { debugServices as dbg } from "../../../src/guest/script/debugservices.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { NtDuplicateObject } from "../../../src/ob/duplicate.ts";
import { PsTerminateProcess } from "../../../src/ps/kill.ts";
import { answer, debugged, expectEvent, follow, kindsOf, pass } from "../../support/debugger.ts";
import {
  ended,
  joined,
  must,
  play,
  processById,
  settle,
  sleepForever,
  spawn,
  spin,
  start,
  stepsOf,
} from "../../support/scene.ts";

function* shortLife(): Script<void> {
  yield* nt.NtDelayExecution(false, 50_000);
}

/** A handle to the caller's object, for a process (the caller's own by default). */
function* duplicate(handle: number, targetProcess: number = CURRENT_PROCESS_HANDLE): Script<number> {
  const request = {
    sourceProcess: CURRENT_PROCESS_HANDLE,
    sourceHandle: handle,
    targetProcess,
    desiredAccess: 0,
    attributes: 0,
    options: DUPLICATE_SAME_ACCESS,
  };
  return must(yield* nt.call((k) => NtDuplicateObject(k, request)));
}

test("T-DBG1: closing an object without kill-on-close lets the debuggee run to its own end", () => {
  play(function* () {
    const child = yield* debugged(shortLife, 0);
    yield* pass(child.debug, "create-process");
    expect(yield* nt.NtClose(child.debug)).toBe(STATUS_SUCCESS);
    expect(yield* ended(child.handle)).toBe(0);
  });
});

test("T-DBG2: with kill-on-close the debuggee dies with DEBUGGER_INACTIVE", () => {
  play(function* () {
    const child = yield* debugged(spin);
    yield* pass(child.debug, "create-process");
    expect(yield* nt.NtClose(child.debug)).toBe(STATUS_SUCCESS);
    expect(yield* ended(child.handle)).toBe(STATUS_DEBUGGER_INACTIVE);
  });
});

test("T-DBG2: kill-on-close can be set later", () => {
  play(function* () {
    const child = yield* debugged(sleepForever, 0);
    expect(yield* dbg.NtSetInformationDebugObject(child.debug, DEBUG_KILL_ON_CLOSE)).toMatchObject({ ok: true });
    yield* nt.NtClose(child.debug);
    expect(yield* ended(child.handle)).toBe(STATUS_DEBUGGER_INACTIVE);
  });
});

test("T-DBG2: kill-on-close can be cleared later", () => {
  play(function* () {
    const child = yield* debugged(shortLife);
    expect(yield* dbg.NtSetInformationDebugObject(child.debug, 0)).toMatchObject({ ok: true });
    yield* nt.NtClose(child.debug);
    expect(yield* ended(child.handle)).toBe(0);
  });
});

test("only the last handle counts", () => {
  play(function* () {
    const child = yield* debugged(sleepForever);
    const second = yield* duplicate(child.debug);
    yield* nt.NtClose(child.debug);
    yield* pass(second, "create-process");
    expect(must(yield* nt.queryProcess(child.handle)).signaled).toBe(false);
    yield* nt.NtClose(second);
    expect(yield* ended(child.handle)).toBe(STATUS_DEBUGGER_INACTIVE);
  });
});

test("T-DBG2: a debugger process that is killed takes its debuggees along", () => {
  play(function* () {
    let pid = 0;
    const debugger_ = yield* spawn(function* () {
      const child = yield* debugged(sleepForever);
      pid = child.id;
      yield* pass(child.debug, "create-process");
      yield* sleepForever();
    });
    yield* settle();
    const child = must(yield* nt.NtOpenProcess(pid));
    yield* nt.NtTerminateProcess(debugger_.handle, 9);
    expect(yield* ended(child)).toBe(STATUS_DEBUGGER_INACTIVE);
    expect(yield* ended(debugger_.handle)).toBe(9);
  });
});

test("T-WS3: a debuggee is killed from outside, and its debugger hears of it", () => {
  play(function* () {
    const child = yield* debugged(spin);
    yield* pass(child.debug, "create-process");
    yield* settle();
    expect(yield* nt.NtTerminateProcess(child.handle, 42)).toBe(STATUS_SUCCESS);
    const last = yield* pass(child.debug, "exit-process");
    expect(last.message).toEqual({ kind: "exit-process", exitStatus: 42 });
    expect(yield* ended(child.handle)).toBe(42);
  });
});

test("T-WS3: a debuggee that waits for its debugger is killed, and ends when it is answered", () => {
  play(function* () {
    const child = yield* debugged(function* () {
      yield* start(sleepForever);
      yield* nt.NtDelayExecution(false, 10_000);
      yield* nt.NtRaiseException(STATUS_ACCESS_VIOLATION);
    });
    yield* pass(child.debug, "create-process");
    yield* pass(child.debug, "create-thread");
    const change = yield* expectEvent(child.debug, "exception");
    expect(yield* nt.NtTerminateProcess(child.handle, 43)).toBe(STATUS_SUCCESS);
    yield* settle();
    expect(must(yield* nt.queryProcess(child.handle)).signaled).toBe(false);
    yield* answer(child.debug, change);
    const kinds = kindsOf(yield* follow(child.debug));
    expect(kinds).toEqual(["exit-thread", "exit-process"]);
    expect(yield* ended(child.handle)).toBe(43);
  });
});

/** A debuggee with a thread that waits in E17 and a last one that waits for it in E13. */
function* stuckInE13(debug: number): Script<void> {
  yield* pass(debug, "create-process");
  yield* pass(debug, "create-thread");
  yield* expectEvent(debug, "exit-thread");
}

function* twoThatEnd(): Script<void> {
  yield* start(function* () {
    yield* nt.NtDelayExecution(false, 10_000);
  });
  yield* nt.NtDelayExecution(false, 10_000);
}

test("D13: closing the debug object releases the thread in E17, and with it the last thread in E13", () => {
  const scene = play(function* () {
    const child = yield* debugged(twoThatEnd);
    yield* stuckInE13(child.debug);
    yield* nt.NtTerminateProcess(child.handle, 5);
    yield* settle();
    expect(must(yield* nt.queryProcess(child.handle)).signaled).toBe(false);
    yield* nt.NtClose(child.debug);
    yield* ended(child.handle);
  });
  expect(stepsOf(scene)).toContain("E13");
});

test("D13, NP11: a termination with DBG_TERMINATE_PROCESS takes the debugger away and releases the threads", () => {
  const scene = play(function* () {
    const child = yield* debugged(twoThatEnd);
    yield* stuckInE13(child.debug);
    yield* nt.NtTerminateProcess(child.handle, 5);
    yield* settle();
    expect(must(yield* nt.queryProcess(child.handle)).signaled).toBe(false);
    expect(yield* nt.NtTerminateProcess(child.handle, DBG_TERMINATE_PROCESS)).toBe(STATUS_SUCCESS);
    yield* ended(child.handle);
  });
  expect(stepsOf(scene)).toContain("NP11");
});

test("D13, NP12: a debuggee that holds the only handle to its own debug object can be killed", () => {
  const scene = play(function* () {
    const child = yield* debugged(sleepForever, 0);
    yield* pass(child.debug, "create-process");
    yield* duplicate(child.debug, child.handle);
    yield* nt.NtClose(child.debug);
    expect(yield* nt.NtTerminateProcess(child.handle, 6)).toBe(STATUS_SUCCESS);
    expect(yield* ended(child.handle)).toBe(6);
  });
  expect(stepsOf(scene)).toContain("NP12");
});

test("D13, PT4: the same for a debuggee that the kernel kills", () => {
  const scene = play(function* () {
    const child = yield* debugged(sleepForever, 0);
    yield* pass(child.debug, "create-process");
    yield* duplicate(child.debug, child.handle);
    yield* nt.NtClose(child.debug);
    expect(yield* nt.call((k) => PsTerminateProcess(k, processById(k, child.id), ntStatus(7)))).toBe(STATUS_SUCCESS);
    expect(yield* ended(child.handle)).toBe(7);
  });
  expect(stepsOf(scene)).toContain("PT4");
});

test("letting go of a process wakes the thread that waits, and it is not debugged any more", () => {
  play(function* () {
    const child = yield* debugged(function* () {
      yield* nt.NtTestAlert();
      return ntStatus(11);
    });
    yield* expectEvent(child.debug, "create-process");
    expect(yield* dbg.NtRemoveProcessDebug(child.handle, child.debug)).toBe(STATUS_SUCCESS);
    expect(yield* dbg.NtRemoveProcessDebug(child.handle, child.debug)).toBe(STATUS_PORT_NOT_SET);
    expect(yield* ended(child.handle)).toBe(11);
    yield* nt.NtClose(child.debug);
  });
});

test("an object can be asked to let go only of what it debugs", () => {
  play(function* () {
    const child = yield* debugged(sleepForever);
    const other = must(yield* dbg.NtCreateDebugObject());
    expect(yield* dbg.NtRemoveProcessDebug(child.handle, other)).toBe(STATUS_PORT_NOT_SET);
    yield* pass(child.debug, "create-process");
    yield* nt.NtClose(child.debug);
    yield* ended(child.handle);
  });
});

test("a debugger thread that waits for events hears that the object was closed", () => {
  play(function* () {
    const debug = must(yield* dbg.NtCreateDebugObject());
    const waiter = yield* start(function* () {
      const result = yield* dbg.NtWaitForDebugEvent(debug);
      return result.ok ? STATUS_SUCCESS : result.status;
    });
    yield* settle();
    yield* nt.NtClose(debug);
    expect(yield* joined(waiter.handle)).toBe(STATUS_DEBUGGER_INACTIVE);
  });
});

test("a debugger thread that is killed while it waits for events dies", () => {
  play(function* () {
    const debug = must(yield* dbg.NtCreateDebugObject());
    const waiter = yield* start(function* () {
      yield* dbg.NtWaitForDebugEvent(debug);
    });
    yield* settle();
    yield* nt.NtTerminateThread(waiter.handle, 3);
    expect(yield* joined(waiter.handle)).toBe(3);
  });
});

test("D42: a debuggee that is let go of while the object is being closed is not killed", () => {
  play(function* () {
    const first = yield* debugged(sleepForever);
    const second = must(yield* dbg.createDebuggedProcess(shortLife, { debug: first.debug }));
    yield* pass(first.debug, "create-process");
    yield* pass(first.debug, "create-process");
    expect(yield* dbg.NtRemoveProcessDebug(second.handle, first.debug)).toBe(STATUS_SUCCESS);
    yield* nt.NtClose(first.debug);
    expect(yield* ended(first.handle)).toBe(STATUS_DEBUGGER_INACTIVE);
    expect(yield* ended(second.handle)).toBe(0);
  });
});

test("a debugger that waits for its debuggee instead of answering it is a deadlock, and the wait graph says so", () => {
  const { machine } = play(
    function* () {
      const child = yield* debugged(function* () {
        yield* start(sleepForever);
        yield* nt.NtDelayExecution(false, 10_000);
        yield* nt.NtRaiseException(STATUS_ACCESS_VIOLATION);
      });
      yield* pass(child.debug, "create-process");
      yield* pass(child.debug, "create-thread");
      yield* expectEvent(child.debug, "exception");
      yield* ended(child.handle);
    },
    { outcome: "deadlock" },
  );
  const edges = machine.waitGraph().threads.map(({ waitsFor }) => waitsFor.map(({ kind, note }) => [kind, note]));
  expect(edges).toEqual([
    [["process", ""]],
    [["the answer of its debugger", "process 8"]],
    [["its own resumption", "frozen while its debugger has an event"]],
  ]);
});

test("a thread that is killed while it waits for its debugger executes no further instruction of its own", () => {
  play(function* () {
    const ran: string[] = [];
    const child = yield* debugged(function* () {
      const worker = yield* start(function* () {
        ran.push("worker");
        yield* nt.NtTestAlert();
      });
      expect(yield* joined(worker.handle)).toBe(12);
    });
    yield* pass(child.debug, "create-process");
    const change = yield* expectEvent(child.debug, "create-thread");
    const thread = must(yield* nt.NtOpenThread(change.clientId.tid));
    yield* nt.NtTerminateThread(thread, 12);
    yield* settle();
    expect(must(yield* nt.queryThread(thread)).signaled).toBe(false);
    yield* answer(child.debug, change);
    expect(kindsOf(yield* follow(child.debug))).toEqual(["exit-thread", "exit-process"]);
    expect(ran).toEqual([]);
  });
});

test("closing and killing at once: one of the two statuses, never both, and nothing is left", () => {
  for (let delay = 0; delay < 12; delay++) {
    play(function* () {
      const child = yield* debugged(spin);
      yield* pass(child.debug, "create-process");
      const killer = yield* start(function* () {
        yield* nt.NtDelayExecution(false, 100 + 10 * delay);
        yield* nt.NtTerminateProcess(child.handle, 21);
      });
      yield* nt.NtDelayExecution(false, 150);
      yield* nt.NtClose(child.debug);
      yield* joined(killer.handle);
      expect([21, STATUS_DEBUGGER_INACTIVE]).toContain(yield* ended(child.handle));
    });
  }
});

test("a debuggee that closes the last handle to its own object dies by it", () => {
  play(function* () {
    const given = { handle: 0 };
    const child = yield* debugged(function* () {
      while (given.handle === 0) yield* nt.NtDelayExecution(false, 1_000);
      yield* nt.NtClose(given.handle);
      yield* sleepForever();
    });
    yield* pass(child.debug, "create-process");
    given.handle = yield* duplicate(child.debug, child.handle);
    yield* nt.NtClose(child.debug);
    expect(yield* ended(child.handle)).toBe(STATUS_DEBUGGER_INACTIVE);
  });
});

test("the port of a process whose debugger is gone is a debug object's no more", () => {
  play(function* () {
    const child = yield* debugged(shortLife, 0);
    yield* nt.NtClose(child.debug);
    const port = yield* nt.call((k) => processById(k, child.id).debugPort);
    expect(port).toBeNull();
    expect(yield* nt.NtOpenProcess(child.id, PROCESS_ALL_ACCESS)).toMatchObject({ ok: true });
    yield* ended(child.handle);
  });
});
