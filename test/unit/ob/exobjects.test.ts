/** The services of events, mutants, semaphores, timers and keyed events. */
import { describe, expect, it } from "vitest";
import { EVENT_QUERY_STATE, SEMAPHORE_QUERY_STATE } from "../../../src/abi/ob.ts";
import {
  STATUS_ABANDONED_WAIT_0,
  STATUS_ACCESS_DENIED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_INVALID_PARAMETER_1,
  STATUS_INVALID_PARAMETER_6,
  STATUS_MUTANT_NOT_OWNED,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SEMAPHORE_LIMIT_EXCEEDED,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
  STATUS_USER_APC,
} from "../../../src/abi/status.ts";
import type { ExThread } from "../../../src/ex/thread.ts";
import { ExTimerRundown } from "../../../src/ex/timer.ts";
import { KiDeliverApc } from "../../../src/ke/apc.ts";
import { KeRundownThread, ownedMutants } from "../../../src/ke/mutant.ts";
import type { KThread } from "../../../src/ke/objects.ts";
import { KeDelayExecutionThread } from "../../../src/ke/wait.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { isListEmpty, listOwners } from "../../../src/rtl/list.ts";
import { NtClose } from "../../../src/ob/close.ts";
import {
  NtClearEvent,
  NtCreateEvent,
  NtPulseEvent,
  NtQueryEvent,
  NtResetEvent,
  NtSetEvent,
} from "../../../src/ob/exobjects/event.ts";
import { NtCreateKeyedEvent, NtReleaseKeyedEvent, NtWaitForKeyedEvent } from "../../../src/ob/exobjects/keyedevent.ts";
import { NtCreateMutant, NtQueryMutant, NtReleaseMutant } from "../../../src/ob/exobjects/mutant.ts";
import { NtCreateSemaphore, NtQuerySemaphore, NtReleaseSemaphore } from "../../../src/ob/exobjects/semaphore.ts";
import {
  NtCancelTimer,
  NtCreateTimer,
  NtQueryTimer,
  NtSetTimer,
  type TimerSettings,
} from "../../../src/ob/exobjects/timer.ts";
import { headerOf } from "../../../src/ob/header.ts";
import { NtWaitForSingleObject } from "../../../src/ob/wait.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { newProcess, run, runToEnd, spawn, statusOf, testKernel, valueOf } from "../../support/kernel.ts";

const USER = { mode: 1 } as const;

function current(k: Kernel): ExThread {
  return k.ke.currentThread as ExThread;
}

describe("events", () => {
  it("are set, reset, cleared, pulsed and queried", () => {
    const trail = runToEnd(testKernel(), function* (k) {
      const { handle } = valueOf(yield* NtCreateEvent(k, 0x1f0003, null, "notification", true));
      return [
        valueOf(NtQueryEvent(k, handle)),
        valueOf(NtResetEvent(k, handle)),
        valueOf(NtSetEvent(k, handle)),
        valueOf(NtClearEvent(k, handle)),
        valueOf(NtPulseEvent(k, handle)),
        valueOf(NtQueryEvent(k, handle)),
      ];
    });
    expect(trail).toEqual([{ type: "notification", state: 1 }, 1, 0, 1, 0, { type: "notification", state: 0 }]);
  });

  it("need the access that each service names", () => {
    const trail = runToEnd(
      testKernel(),
      function* (k) {
        const { handle } = valueOf(yield* NtCreateEvent(k, EVENT_QUERY_STATE, null, "synchronization", false));
        return [NtQueryEvent(k, handle).ok, statusOf(NtSetEvent(k, handle))];
      },
      USER,
    );
    expect(trail).toEqual([true, STATUS_ACCESS_DENIED]);
  });

  it("are not what a handle to something else leads to", () => {
    const status = runToEnd(testKernel(), function* (k) {
      const { handle } = valueOf(yield* NtCreateMutant(k, 0x1f0001, null, false));
      return statusOf(NtSetEvent(k, handle));
    });
    expect(status).toBe(STATUS_OBJECT_TYPE_MISMATCH);
  });

  it("need pool", () => {
    const k = testKernel();
    const status = runToEnd(k, function* (kernel) {
      kernel.ex.pool.failure = () => true;
      return statusOf(yield* NtCreateEvent(kernel, 0, null, "notification", false));
    });
    expect([status, k.test.process.objectTable?.count]).toEqual([STATUS_INSUFFICIENT_RESOURCES, 0]);
  });
});

describe("mutants", () => {
  it("report their count, owner and abandonment", () => {
    const k = testKernel();
    const trail = runToEnd(k, function* (kernel) {
      const { handle } = valueOf(yield* NtCreateMutant(kernel, 0x1f0001, null, true));
      const owned = valueOf(NtQueryMutant(kernel, handle));
      yield* NtWaitForSingleObject(kernel, handle, false, null);
      const releases = [valueOf(NtReleaseMutant(kernel, handle)), valueOf(NtReleaseMutant(kernel, handle))];
      const free = valueOf(NtQueryMutant(kernel, handle));
      return [owned, releases, free, statusOf(NtReleaseMutant(kernel, handle))];
    });
    expect(trail).toEqual([
      { currentCount: 0, ownedByCaller: true, abandonedState: false },
      [-1, 0],
      { currentCount: 1, ownedByCaller: false, abandonedState: false },
      STATUS_MUTANT_NOT_OWNED,
    ]);
  });

  it("abandoned: the next wait says so once", () => {
    const k = testKernel();
    const trail = runToEnd(k, function* (kernel) {
      const { handle } = valueOf(yield* NtCreateMutant(kernel, 0x1f0001, null, true));
      KeRundownThread(kernel, () => {});
      return [
        valueOf(NtQueryMutant(kernel, handle)).abandonedState,
        yield* NtWaitForSingleObject(kernel, handle, false, 0),
        yield* NtWaitForSingleObject(kernel, handle, false, 0),
      ];
    });
    expect(trail).toEqual([true, STATUS_ABANDONED_WAIT_0, STATUS_SUCCESS]);
  });

  it("that go away while they are owned leave their owner's list", () => {
    const k = testKernel();
    const owned = runToEnd(k, function* (kernel) {
      const { handle } = valueOf(yield* NtCreateMutant(kernel, 0x1f0001, null, true));
      const before = ownedMutants(current(kernel)).length;
      yield* NtClose(kernel, handle);
      return [before, ownedMutants(current(kernel)).length];
    });
    expect(owned).toEqual([1, 0]);
  });
});

describe("semaphores", () => {
  it.each([
    [0, 0],
    [-1, 5],
    [6, 5],
  ])("cannot begin at %i of %i", (initial, maximum) => {
    const answer = runToEnd(testKernel(), (k) => NtCreateSemaphore(k, 0, null, initial, maximum));
    expect(statusOf(answer)).toBe(STATUS_INVALID_PARAMETER);
  });

  it("count, up to their maximum", () => {
    const trail = runToEnd(testKernel(), function* (k) {
      const { handle } = valueOf(yield* NtCreateSemaphore(k, 0x1f0003, null, 1, 3));
      return [
        valueOf(NtReleaseSemaphore(k, handle, 2)),
        statusOf(NtReleaseSemaphore(k, handle, 1)),
        statusOf(NtReleaseSemaphore(k, handle, 0)),
        yield* NtWaitForSingleObject(k, handle, false, 0),
        valueOf(NtQuerySemaphore(k, handle)),
      ];
    });
    expect(trail).toEqual([
      1,
      STATUS_SEMAPHORE_LIMIT_EXCEEDED,
      STATUS_INVALID_PARAMETER,
      STATUS_SUCCESS,
      { currentCount: 2, maximumCount: 3 },
    ]);
  });

  it("need access to be released", () => {
    const status = runToEnd(
      testKernel(),
      function* (k) {
        const { handle } = valueOf(yield* NtCreateSemaphore(k, SEMAPHORE_QUERY_STATE, null, 0, 3));
        return statusOf(NtReleaseSemaphore(k, handle, 1));
      },
      USER,
    );
    expect(status).toBe(STATUS_ACCESS_DENIED);
  });
});

describe("timers", () => {
  const once: TimerSettings = { due100ns: 100, periodMs: 0, apc: null };

  function* timer(k: Kernel): Blocking<number> {
    return valueOf(yield* NtCreateTimer(k, 0x1f0003, null, "notification")).handle;
  }

  /** Lets a user context note the user APCs that it is sent to. */
  function noteUserApcs(thread: KThread, entered: unknown[]): void {
    thread.user = {
      ...({} as NonNullable<KThread["user"]>),
      enterApc: (_k, _thread, apc) => {
        entered.push([apc.routine, apc.context]);
        return STATUS_SUCCESS;
      },
    };
  }

  it("are set, queried, waited for and cancelled", () => {
    const trail = runToEnd(testKernel(), function* (k) {
      const handle = yield* timer(k);
      return [
        valueOf(NtSetTimer(k, handle, once)),
        valueOf(NtQueryTimer(k, handle)),
        yield* NtWaitForSingleObject(k, handle, false, null),
        valueOf(NtQueryTimer(k, handle)),
        valueOf(NtCancelTimer(k, handle)),
        valueOf(NtSetTimer(k, handle, once)),
        statusOf(NtSetTimer(k, handle, { ...once, periodMs: -1 })),
      ];
    });
    expect(trail).toEqual([
      false,
      { remaining100ns: 100, signaled: false },
      STATUS_SUCCESS,
      { remaining100ns: 0, signaled: true },
      true,
      true,
      STATUS_INVALID_PARAMETER_6,
    ]);
  });

  it("queue a user APC to the thread that set them, which ends its alertable wait", () => {
    const k = testKernel();
    const entered: unknown[] = [];
    const answers = runToEnd(
      k,
      function* (kernel) {
        const self = current(kernel);
        noteUserApcs(self, entered);
        const handle = yield* timer(kernel);
        NtSetTimer(kernel, handle, { ...once, apc: { routine: 0x401000, context: 7 } });
        const { body } = { body: listOwners(self.activeTimerListHead)[0] ?? expect.fail() };
        const before = headerOf(body).pointerCount;
        const status = yield* KeDelayExecutionThread(kernel, { mode: 1, alertable: true, timeout100ns: null });
        const queued = headerOf(body).pointerCount;
        yield* KiDeliverApc(kernel, 1);
        yield* KeDelayExecutionThread(kernel, { mode: 0, alertable: false, timeout100ns: 1 });
        return [status, before, queued, headerOf(body).pointerCount, isListEmpty(self.activeTimerListHead)];
      },
      USER,
    );
    expect(answers).toEqual([STATUS_USER_APC, 2, 3, 1, true]);
    expect(entered).toEqual([[0x401000, 7]]);
  });

  it("that repeat queue one APC at a time and stay with their thread", () => {
    const k = testKernel();
    const answers = runToEnd(
      k,
      function* (kernel) {
        const handle = yield* timer(kernel);
        NtSetTimer(kernel, handle, { due100ns: 100, periodMs: 1, apc: { routine: 0x401000, context: 0 } });
        yield* KeDelayExecutionThread(kernel, { mode: 0, alertable: false, timeout100ns: 45_000 });
        const self = current(kernel);
        const trail = [listOwners(self.apcState.userList).length, listOwners(self.activeTimerListHead).length];
        NtCancelTimer(kernel, handle);
        return [...trail, listOwners(self.apcState.userList).length, listOwners(self.activeTimerListHead).length];
      },
      USER,
    );
    expect(answers).toEqual([1, 1, 0, 0]);
  });

  it("that are cancelled take their queued APC back, with the references", () => {
    const k = testKernel();
    const counts = runToEnd(
      k,
      function* (kernel) {
        const handle = yield* timer(kernel);
        NtSetTimer(kernel, handle, { ...once, apc: { routine: 1, context: 0 } });
        const body = listOwners(current(kernel).activeTimerListHead)[0] ?? expect.fail();
        yield* KeDelayExecutionThread(kernel, { mode: 0, alertable: false, timeout100ns: 200 });
        const queued = headerOf(body).pointerCount;
        NtCancelTimer(kernel, handle);
        return [queued, headerOf(body).pointerCount];
      },
      USER,
    );
    expect(counts).toEqual([3, 1]);
  });

  it("a dying thread's timers are run down: none is left armed, listed or queued, and those without handles go", () => {
    const k = testKernel();
    runToEnd(
      k,
      function* (kernel) {
        const self = current(kernel);
        for (let index = 0; index < 3; index++) {
          const handle = yield* timer(kernel);
          const due100ns = index === 0 ? 10 : 1_000_000;
          NtSetTimer(kernel, handle, { due100ns, periodMs: index, apc: { routine: 1, context: 0 } });
          yield* NtClose(kernel, handle);
        }
        yield* KeDelayExecutionThread(kernel, { mode: 0, alertable: false, timeout100ns: 20 });
        expect(kernel.ob.timerType.totalObjects).toBe(3);
        ExTimerRundown(kernel, self);
        expect([isListEmpty(self.activeTimerListHead), isListEmpty(self.apcState.userList)]).toEqual([true, true]);
        expect(kernel.ke.timers).toEqual([]);
      },
      USER,
    );
    expect(k.ob.timerType.totalObjects).toBe(0);
  });

  it("closed while armed are disarmed", () => {
    const k = testKernel();
    runToEnd(k, function* (kernel) {
      const handle = yield* timer(kernel);
      NtSetTimer(kernel, handle, once);
      yield* NtClose(kernel, handle);
    });
    expect([k.ke.timers.length, k.ob.timerType.totalObjects]).toEqual([0, 0]);
  });
});

describe("keyed events", () => {
  const meeting = { handle: 0, key: 0x1000, alertable: false, timeout100ns: null };

  it("whoever comes first waits for the other", () => {
    for (const waiterFirst of [true, false]) {
      const k = testKernel();
      const log: unknown[] = [];
      const wait = function* (kernel: Kernel): Blocking<void> {
        log.push(["wait", yield* NtWaitForKeyedEvent(kernel, meeting)]);
      };
      const release = function* (kernel: Kernel): Blocking<void> {
        log.push(["release", yield* NtReleaseKeyedEvent(kernel, meeting)]);
      };
      spawn(k, waiterFirst ? wait : release);
      run(k);
      expect(log).toEqual([]);
      spawn(k, waiterFirst ? release : wait);
      run(k);
      expect(log).toHaveLength(2);
      expect(log).toEqual(
        expect.arrayContaining([
          ["wait", STATUS_SUCCESS],
          ["release", STATUS_SUCCESS],
        ]),
      );
    }
  });

  it("only the same key in the same process meets", () => {
    const k = testKernel();
    const other = newProcess(k, { parent: null });
    spawn(k, (kernel) => ignore(NtWaitForKeyedEvent(kernel, meeting)), { name: "waiter" });
    spawn(k, (kernel) => ignore(NtReleaseKeyedEvent(kernel, { ...meeting, key: 0x2000 })), { name: "other key" });
    spawn(k, (kernel) => ignore(NtReleaseKeyedEvent(kernel, meeting)), { name: "other process", process: other });
    expect(run(k).unfinished).toEqual(["waiter", "other key", "other process"]);
    spawn(k, (kernel) => ignore(NtReleaseKeyedEvent(kernel, meeting)), { name: "match" });
    expect(run(k).unfinished).toEqual(["other key", "other process"]);
  });

  it("who gives up leaves the line", () => {
    const k = testKernel();
    const trail = runToEnd(k, function* (kernel) {
      const { handle } = valueOf(yield* NtCreateKeyedEvent(kernel, 0xf0003, null));
      const short = { ...meeting, handle, timeout100ns: 10 };
      return [
        yield* NtWaitForKeyedEvent(kernel, short),
        yield* NtReleaseKeyedEvent(kernel, short),
        yield* NtWaitForKeyedEvent(kernel, short),
      ];
    });
    expect(trail).toEqual([STATUS_TIMEOUT, STATUS_TIMEOUT, STATUS_TIMEOUT]);
  });

  it("a key is even", () => {
    const answer = runToEnd(testKernel(), (k) => NtWaitForKeyedEvent(k, { ...meeting, key: 0x1001 }));
    expect(answer).toBe(STATUS_INVALID_PARAMETER_1);
  });

  function* ignore(routine: Blocking<unknown>): Blocking<void> {
    yield* routine;
  }
});
