/** The wait services. */
import { describe, expect, it } from "vitest";
import { WaitAll, WaitAny } from "../../../src/abi/ke.ts";
import { EVENT_MODIFY_STATE } from "../../../src/abi/ob.ts";
import { CURRENT_THREAD_HANDLE, SYNCHRONIZE } from "../../../src/abi/ps.ts";
import {
  STATUS_ACCESS_DENIED,
  STATUS_INVALID_HANDLE,
  STATUS_INVALID_PARAMETER_1,
  STATUS_INVALID_PARAMETER_3,
  STATUS_INVALID_PARAMETER_MIX,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_SEMAPHORE_LIMIT_EXCEEDED,
  STATUS_MUTANT_NOT_OWNED,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
  STATUS_USER_APC,
} from "../../../src/abi/status.ts";
import { KeInsertQueueApc, newApc, noKernelRoutine } from "../../../src/ke/apc.ts";
import { KeDelayExecutionThread } from "../../../src/ke/wait.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { NtClose } from "../../../src/ob/close.ts";
import { NtCreateEvent, NtQueryEvent, NtSetEvent } from "../../../src/ob/exobjects/event.ts";
import { NtCreateMutant } from "../../../src/ob/exobjects/mutant.ts";
import { NtCreateSemaphore } from "../../../src/ob/exobjects/semaphore.ts";
import { ObInsertObject } from "../../../src/ob/insert.ts";
import { liveObjects } from "../../../src/ob/ledger.ts";
import {
  NtSignalAndWaitForSingleObject,
  NtWaitForMultipleObjects,
  NtWaitForSingleObject,
} from "../../../src/ob/wait.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { giveWay, run, runToEnd, spawn, testKernel, valueOf } from "../../support/kernel.ts";
import { newThing, THING_ALL, thingType } from "../../support/objects.ts";

const USER = { mode: 1 } as const;

function* event(k: Kernel, signaled = false, access = 0x1f0003): Blocking<number> {
  return valueOf(yield* NtCreateEvent(k, access, null, "synchronization", signaled)).handle;
}

/** Events that are alive. */
function liveEvents(k: Kernel): number {
  return liveObjects(k).filter((object) => object.type === "Event").length;
}

describe("waiting for one object", () => {
  it("needs SYNCHRONIZE in user mode (T-SYN1)", () => {
    const answers = runToEnd(
      testKernel(),
      function* (k) {
        return [
          yield* NtWaitForSingleObject(k, yield* event(k, true, EVENT_MODIFY_STATE), false, 0),
          yield* NtWaitForSingleObject(k, yield* event(k, true, SYNCHRONIZE), false, 0),
          yield* NtWaitForSingleObject(k, 0x1234, false, 0),
        ];
      },
      USER,
    );
    expect(answers).toEqual([STATUS_ACCESS_DENIED, STATUS_SUCCESS, STATUS_INVALID_HANDLE]);
  });

  it("takes what a wait takes", () => {
    const answers = runToEnd(testKernel(), function* (k) {
      const handle = yield* event(k, true);
      return [
        yield* NtWaitForSingleObject(k, handle, false, 0),
        yield* NtWaitForSingleObject(k, handle, false, 0),
        yield* NtWaitForSingleObject(k, CURRENT_THREAD_HANDLE, false, 10),
      ];
    });
    expect(answers).toEqual([STATUS_SUCCESS, STATUS_TIMEOUT, STATUS_TIMEOUT]);
  });

  it("for something that has no dispatcher part succeeds at once", () => {
    const k = testKernel();
    const answer = runToEnd(k, function* (kernel) {
      const options = { desiredAccess: THING_ALL, attributes: 0, mode: 0 } as const;
      const { handle } = valueOf(yield* ObInsertObject(kernel, newThing(k, thingType(k, [])), options));
      return yield* NtWaitForSingleObject(kernel, handle, false, null);
    });
    expect(answer).toBe(STATUS_SUCCESS);
  });

  it("keeps the object although its handle is closed meanwhile, and drops it afterwards", () => {
    const k = testKernel();
    const log: unknown[] = [];
    spawn(k, function* (kernel) {
      const handle = yield* event(kernel);
      spawn(k, function* (inner) {
        yield* NtClose(inner, handle);
        log.push("closed", liveEvents(inner));
      });
      log.push(yield* NtWaitForSingleObject(kernel, handle, false, 500), liveEvents(kernel));
    });
    run(k);
    expect(log).toEqual(["closed", 1, STATUS_TIMEOUT, 0]);
  });

  it("a thread that is to die leaves the wait with USER_APC and without the reference", () => {
    const k = testKernel();
    let answer = -1;
    let handle = 0;
    const waiter = spawn(
      k,
      function* (kernel) {
        handle = yield* event(kernel);
        answer = yield* NtWaitForSingleObject(kernel, handle, false, null);
        yield* NtClose(kernel, handle);
      },
      USER,
    );
    spawn(k, function* (kernel) {
      const apc = newApc(kernel, waiter, { environment: 0, kernelRoutine: noKernelRoutine, normalRoutine: 1, mode: 1 });
      apc.isExit = true;
      KeInsertQueueApc(kernel, apc, null, null, 0);
    });
    expect(run(k).unfinished).toEqual([]);
    expect([answer, liveEvents(k)]).toEqual([STATUS_USER_APC, 0]);
  });
});

describe("waiting for several objects", () => {
  it.each([
    ["none", 0, WaitAny, STATUS_INVALID_PARAMETER_1],
    ["65", 65, WaitAny, STATUS_INVALID_PARAMETER_1],
    ["64", 64, WaitAny, STATUS_SUCCESS],
    ["a bad wait type", 1, 2, STATUS_INVALID_PARAMETER_3],
  ])("%s", (_name, count, waitType, status) => {
    const answer = runToEnd(testKernel(), function* (k) {
      const handles: number[] = [];
      for (let index = 0; index < count; index++) handles.push(yield* event(k, true));
      return yield* NtWaitForMultipleObjects(k, handles, waitType, false, 0);
    });
    expect(answer).toBe(status);
  });

  it("all: the same object twice does not mix, any: it does", () => {
    const answers = runToEnd(testKernel(), function* (k) {
      const handle = yield* event(k, true);
      return [
        yield* NtWaitForMultipleObjects(k, [handle, handle], WaitAll, false, 0),
        yield* NtWaitForMultipleObjects(k, [handle, handle], WaitAny, false, 0),
      ];
    });
    expect(answers).toEqual([STATUS_INVALID_PARAMETER_MIX, STATUS_SUCCESS]);
  });

  it("one bad handle spoils it, and no reference stays behind", () => {
    const k = testKernel();
    const answers = runToEnd(
      k,
      function* (kernel) {
        const good = yield* event(kernel, true);
        const weak = yield* event(kernel, true, EVENT_MODIFY_STATE);
        const trail = [
          yield* NtWaitForMultipleObjects(kernel, [good, 0x1234], WaitAny, false, 0),
          yield* NtWaitForMultipleObjects(kernel, [good, weak], WaitAll, false, 0),
          valueOf(NtQueryEvent(kernel, good)).state,
        ];
        yield* NtClose(kernel, good);
        yield* NtClose(kernel, weak);
        return trail;
      },
      USER,
    );
    expect([answers, liveEvents(k)]).toEqual([[STATUS_INVALID_HANDLE, STATUS_ACCESS_DENIED, 1], 0]);
  });
});

describe("signalling one object and waiting for another", () => {
  it("hands over without a gap", () => {
    const k = testKernel();
    const log: string[] = [];
    spawn(k, function* (kernel) {
      const ping = yield* event(kernel);
      const pong = yield* event(kernel);
      spawn(k, function* (inner) {
        for (let round = 0; round < 3; round++) {
          yield* NtWaitForSingleObject(inner, ping, false, null);
          log.push("ping");
          NtSetEvent(inner, pong);
        }
      });
      for (let round = 0; round < 3; round++) {
        expect(yield* NtSignalAndWaitForSingleObject(kernel, ping, pong, false, null)).toBe(STATUS_SUCCESS);
        log.push("pong");
      }
    });
    expect(run(k).unfinished).toEqual([]);
    expect(log).toEqual(["ping", "pong", "ping", "pong", "ping", "pong"]);
  });

  it("signals nothing if either handle is bad or lacks access (T-SYN2)", () => {
    const answers = runToEnd(
      testKernel(),
      function* (k) {
        const signal = yield* event(k);
        const weak = yield* event(k, false, SYNCHRONIZE);
        return [
          yield* NtSignalAndWaitForSingleObject(k, 0, signal, false, 0),
          yield* NtSignalAndWaitForSingleObject(k, signal, 0, false, 0),
          yield* NtSignalAndWaitForSingleObject(k, weak, signal, false, 0),
          valueOf(NtQueryEvent(k, signal)).state,
        ];
      },
      USER,
    );
    expect(answers).toEqual([STATUS_INVALID_HANDLE, STATUS_INVALID_HANDLE, STATUS_ACCESS_DENIED, 0]);
  });

  it("a full semaphore, somebody else's mutant, and a thread cannot be signaled", () => {
    const answers = runToEnd(testKernel(), function* (k) {
      const full = valueOf(yield* NtCreateSemaphore(k, 0x1f0003, null, 1, 1)).handle;
      const free = valueOf(yield* NtCreateMutant(k, 0x1f0001, null, false)).handle;
      const wait = yield* event(k, true);
      return [
        yield* NtSignalAndWaitForSingleObject(k, full, wait, false, 0),
        yield* NtSignalAndWaitForSingleObject(k, free, wait, false, 0),
        yield* NtSignalAndWaitForSingleObject(k, CURRENT_THREAD_HANDLE, wait, false, 0),
      ];
    });
    expect(answers).toEqual([STATUS_SEMAPHORE_LIMIT_EXCEEDED, STATUS_MUTANT_NOT_OWNED, STATUS_OBJECT_TYPE_MISMATCH]);
  });

  it("releases a mutant that the caller owns", () => {
    const answers = runToEnd(testKernel(), function* (k) {
      const mutant = valueOf(yield* NtCreateMutant(k, 0x1f0001, null, true)).handle;
      const wait = yield* event(k, true);
      const first = yield* NtSignalAndWaitForSingleObject(k, mutant, wait, false, 0);
      yield* giveWay(k);
      yield* KeDelayExecutionThread(k, { mode: 0, alertable: false, timeout100ns: 1 });
      return [first, yield* NtSignalAndWaitForSingleObject(k, mutant, wait, false, 0)];
    });
    expect(answers).toEqual([STATUS_SUCCESS, STATUS_MUTANT_NOT_OWNED]);
  });
});
