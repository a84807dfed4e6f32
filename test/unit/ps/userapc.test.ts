/** User APCs: the order in which they run, who runs them, and what becomes of them when their thread dies. */
import { expect, test } from "vitest";
import { THREAD_TERMINATE } from "../../../src/abi/ps.ts";
import {
  STATUS_ACCESS_DENIED,
  STATUS_INVALID_HANDLE,
  STATUS_NO_MEMORY,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
  STATUS_UNSUCCESSFUL,
  STATUS_USER_APC,
  ntStatus,
} from "../../../src/abi/status.ts";
import { KernelMode } from "../../../src/abi/ke.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../../../src/ex/rundown.ts";
import type { ScriptApc } from "../../../src/guest/script/context.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { ObOpenObjectByPointer } from "../../../src/ob/handle.ts";
import { NtTerminateThread } from "../../../src/ps/killservices.ts";
import { listOwners } from "../../../src/rtl/list.ts";
import {
  Gate,
  joined,
  must,
  play,
  settle,
  sleepForever,
  spin,
  start,
  stepsOf,
  threadById,
} from "../../support/scene.ts";

const SELF = 0xfffffffe;

/** An APC routine that notes its context. */
function noting(log: unknown[]): ScriptApc {
  return function* (context) {
    log.push(context);
    yield* nt.NtTestAlert();
  };
}

test("T-UAP1: user APCs run first in, first out, all of them, at the next alertable wait, which answers USER_APC", () => {
  play(function* () {
    const log: unknown[] = [];
    for (const context of [1, 2, 3])
      expect(yield* nt.NtQueueApcThread(SELF, noting(log), context)).toBe(STATUS_SUCCESS);
    yield* nt.NtDelayExecution(false, 10_000);
    expect(log).toEqual([]);
    expect(yield* nt.NtDelayExecution(true, null)).toBe(STATUS_USER_APC);
    expect(log).toEqual([1, 2, 3]);
  });
});

test("T-UAP2: an alertable wait for the own thread answers USER_APC with APCs queued, and times out without", () => {
  play(function* () {
    const log: unknown[] = [];
    expect(yield* nt.NtWaitForSingleObject(SELF, true, 10_000)).toBe(STATUS_TIMEOUT);
    yield* nt.NtQueueApcThread(SELF, noting(log), 1);
    expect(yield* nt.NtWaitForSingleObject(SELF, true, 10_000)).toBe(STATUS_USER_APC);
    expect(log).toEqual([1]);
  });
});

test("T-UAP3: a thread is signaled after its function has returned", () => {
  play(function* () {
    let returned = false;
    const child = yield* start(function* () {
      yield* settle();
      returned = true;
    });
    expect(yield* nt.NtWaitForSingleObject(child.handle, false, 0)).toBe(STATUS_TIMEOUT);
    yield* joined(child.handle);
    expect(returned).toBe(true);
  });
});

test("an APC that is queued to an alertable wait ends it, one queued to another wait does not", () => {
  play(function* () {
    const log: unknown[] = [];
    const answers: number[] = [];
    const child = yield* start(function* () {
      answers.push(yield* nt.NtDelayExecution(false, 30_000));
      answers.push(yield* nt.NtDelayExecution(true, null));
    });
    yield* settle();
    yield* nt.NtQueueApcThread(child.handle, noting(log), 1);
    yield* settle();
    expect(log).toEqual([]);
    yield* joined(child.handle);
    expect(answers).toEqual([STATUS_SUCCESS, STATUS_USER_APC]);
    expect(log).toEqual([1]);
  });
});

test("E42: APCs that never ran are run down with their thread, and their memory is freed", () => {
  const scene = play(function* () {
    const log: unknown[] = [];
    const child = yield* start(sleepForever);
    yield* settle();
    for (const context of [1, 2, 3]) yield* nt.NtQueueApcThread(child.handle, noting(log), context);
    yield* nt.NtTerminateThread(child.handle, 7);
    expect(yield* joined(child.handle)).toBe(7);
    expect(log).toEqual([]);
  });
  const held = scene.events.flatMap((event) => (event.kind === "thread-held" ? [event.held.kind] : []));
  expect(held).toEqual(["apc", "apc", "apc"]);
});

test("E41: an APC for a thread that has exited answers UNSUCCESSFUL and leaks nothing", () => {
  play(function* () {
    const child = yield* start(function* () {
      yield* nt.NtTestAlert();
    });
    yield* joined(child.handle);
    expect(yield* nt.NtQueueApcThread(child.handle, noting([]), 1)).toBe(STATUS_UNSUCCESSFUL);
  });
});

test("an APC for a system thread answers INVALID_HANDLE", () => {
  play(function* () {
    const thread = yield* nt.call((k) =>
      k.ex.upcalls.createSystemThread(k, (kernel) => new Gate().pass(kernel), "keeper"),
    );
    const handle = must(yield* nt.call((k) => ObOpenObjectByPointer(k, thread, 0x1fffff, 0, KernelMode)));
    expect(yield* nt.NtQueueApcThread(handle, noting([]), 1)).toBe(STATUS_INVALID_HANDLE);
  });
});

test("an APC needs THREAD_SET_CONTEXT", () => {
  play(function* () {
    const child = yield* start(sleepForever);
    const weak = must(yield* nt.NtOpenThread(child.id, THREAD_TERMINATE));
    expect(yield* nt.NtQueueApcThread(weak, noting([]), 1)).toBe(STATUS_ACCESS_DENIED);
    yield* nt.NtTerminateThread(weak, 1);
  });
});

test("an APC for which there is no memory answers NO_MEMORY and is not queued", () => {
  play(function* () {
    const log: unknown[] = [];
    const child = yield* start(function* () {
      yield* nt.NtDelayExecution(true, 30_000);
    });
    yield* nt.call((k) => {
      k.ex.pool.failure = (_ordinal, tag) => tag === "Psap";
    });
    expect(yield* nt.NtQueueApcThread(child.handle, noting(log), 1)).toBe(STATUS_NO_MEMORY);
    yield* joined(child.handle);
    expect(log).toEqual([]);
  });
});

test("the kill goes before the user APCs that are queued already: none of them runs", () => {
  play(function* () {
    const log: unknown[] = [];
    const gate = new Gate();
    const child = yield* start(function* () {
      yield* nt.call((k) => gate.pass(k));
      yield* nt.NtDelayExecution(true, null);
    });
    yield* settle();
    for (const context of [1, 2]) yield* nt.NtQueueApcThread(child.handle, noting(log), context);
    yield* nt.NtTerminateThread(child.handle, 7);
    const kinds = yield* nt.call((k) => listOwners(threadById(k, child.id).apcState.userList).map((apc) => apc.isExit));
    expect(kinds).toEqual([true, false, false]);
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* joined(child.handle)).toBe(7);
    expect(log).toEqual([]);
  });
});

test("PsExitSpecialApc: the kill is queued twice, first for the kernel, then at the head of the user APCs", () => {
  const scene = play(function* () {
    const child = yield* start(sleepForever);
    yield* settle();
    yield* nt.NtQueueApcThread(child.handle, noting([]), 1);
    const apc = yield* nt.call((k) => threadById(k, child.id).exitApc!.id);
    yield* nt.NtTerminateThread(child.handle, 7);
    yield* joined(child.handle);
    return apc as never;
  });
  const passes = scene.events.flatMap((event) =>
    event.kind === "apc" && event.apc === scene.end.exitStatus ? [`${event.act} ${event.mode}`] : [],
  );
  expect(passes).toEqual(["queued 0", "delivered 0", "queued 1", "delivered 1"]);
});

test("a thread that is killed inside a user APC routine dies there", () => {
  play(function* () {
    const log: string[] = [];
    const child = yield* start(function* () {
      yield* nt.NtDelayExecution(true, null);
      log.push("after the wait");
    });
    yield* settle();
    yield* nt.NtQueueApcThread(child.handle, function* () {
      log.push("begin");
      yield* nt.NtDelayExecution(false, null);
      log.push("end");
    });
    yield* settle();
    yield* nt.NtTerminateThread(child.handle, 7);
    expect(yield* joined(child.handle)).toBe(7);
    expect(log).toEqual(["begin"]);
  });
});

test("a thread that ends itself inside a user APC routine does not return to what it interrupted", () => {
  play(function* () {
    const child = yield* start(function* () {
      yield* nt.NtDelayExecution(true, null);
      throw new Error("the thread lives on");
    });
    yield* settle();
    yield* nt.NtQueueApcThread(child.handle, function* () {
      yield* nt.NtTerminateThread(SELF, 8);
    });
    expect(yield* joined(child.handle)).toBe(8);
  });
});

test("K8: a kill that reaches a thread on its own way out changes nothing", () => {
  const scene = play(function* () {
    const child = yield* start(function* () {
      yield* nt.NtTestAlert();
      return 3 as never;
    });
    const thread = yield* nt.call((k) => threadById(k, child.id));
    // Held at E6 the thread has marked itself.
    expect(ExAcquireRundownProtection(thread.rundownProtect)).toBe(true);
    yield* settle();
    expect(yield* nt.NtTerminateThread(child.handle, 9)).toBe(STATUS_SUCCESS);
    yield* nt.call((k) => {
      ExReleaseRundownProtection(k, thread.rundownProtect);
    });
    expect(yield* joined(child.handle)).toBe(3);
  });
  expect(stepsOf(scene).filter((step) => step === "K8")).toHaveLength(1);
});

test("D24, Part D 13: a kill that comes first is run down by the exit that the thread begins by itself", () => {
  const scene = play(function* () {
    const gate = new Gate();
    const child = yield* start(() =>
      nt.call(function* (k) {
        yield* gate.pass(k);
        // Marked and with the kill queued as a user APC, it goes on to end itself: both lead to one exit.
        return yield* NtTerminateThread(k, SELF, ntStatus(4));
      }),
    );
    yield* settle();
    yield* nt.NtTerminateThread(child.handle, 9);
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* joined(child.handle)).toBe(4);
  });
  const exits = stepsOf(scene).filter((step) => step === "E1");
  expect(exits).toHaveLength(2);
});

test("a thread that tests for alerts runs its APCs", () => {
  play(function* () {
    const log: unknown[] = [];
    const child = yield* start(spin);
    yield* nt.NtQueueApcThread(child.handle, noting(log), 1);
    yield* settle();
    expect(log).toEqual([1]);
    yield* nt.NtTerminateThread(child.handle, 1);
  });
});
