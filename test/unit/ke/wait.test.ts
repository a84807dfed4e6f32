/** Waits: what satisfies them, what interrupts them, in which order, and for how long they last. */
import { describe, expect, it } from "vitest";
import { BugCheckCode, WaitAll, WaitAny } from "../../../src/abi/ke.ts";
import {
  STATUS_ABANDONED_WAIT_0,
  STATUS_ALERTED,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
  STATUS_USER_APC,
} from "../../../src/abi/status.ts";
import { KeInsertQueueApc, newApc, noKernelRoutine } from "../../../src/ke/apc.ts";
import { KeInitializeEvent, KePulseEvent, KeResetEvent, KeSetEvent } from "../../../src/ke/event.ts";
import { KeInitializeMutant } from "../../../src/ke/mutant.ts";
import type { DispatcherHeader, KThread } from "../../../src/ke/objects.ts";
import { KeSetProcess } from "../../../src/ke/process.ts";
import { KeInitializeSemaphore, KeReleaseSemaphore } from "../../../src/ke/semaphore.ts";
import { KeWaitForMultipleObjects, KeWaitForSingleObject, type WaitOptions } from "../../../src/ke/wait.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { run, runThreads, runToEnd, spawn, statusOf, testKernel, valueOf } from "../../support/kernel.ts";

const forever: WaitOptions = { reason: 0, mode: 0, alertable: false, timeout100ns: null };
const noWait: WaitOptions = { ...forever, timeout100ns: 0 };
const userWait: WaitOptions = { ...forever, mode: 1 };

/** A thread's routine made of steps that do not block. */
function doing(act: (k: Kernel) => void): (k: Kernel) => Blocking<void> {
  return function* (k) {
    act(k);
  };
}

function waiting(object: DispatcherHeader, log: string[], name: string): (k: Kernel) => Blocking<void> {
  return function* (k) {
    yield* KeWaitForSingleObject(k, object, forever);
    log.push(name);
  };
}

describe("objects", () => {
  it("a notification event wakes everybody and stays signaled", () => {
    const k = testKernel();
    const event = KeInitializeEvent(k, "notification", false);
    const log: string[] = [];
    const end = runThreads(
      k,
      waiting(event, log, "a"),
      waiting(event, log, "b"),
      doing((kernel) => expect(KeSetEvent(kernel, event, 0)).toBe(0)),
    );
    expect([log, end.unfinished, event.signalState]).toEqual([["a", "b"], [], 1]);
  });

  it("a synchronization event wakes the oldest waiter and resets", () => {
    const k = testKernel();
    const event = KeInitializeEvent(k, "synchronization", false);
    const log: string[] = [];
    const end = runThreads(
      k,
      waiting(event, log, "a"),
      waiting(event, log, "b"),
      doing((kernel) => void KeSetEvent(kernel, event, 0)),
    );
    expect([log, end.unfinished, event.signalState]).toEqual([["a"], ["thread 1"], 0]);
  });

  it("setting a synchronization event twice before anybody waits lets one thread through", () => {
    const k = testKernel();
    const event = KeInitializeEvent(k, "synchronization", false);
    const answers = runToEnd(k, function* (kernel) {
      KeSetEvent(kernel, event, 0);
      KeSetEvent(kernel, event, 0);
      return [yield* KeWaitForSingleObject(kernel, event, noWait), yield* KeWaitForSingleObject(kernel, event, noWait)];
    });
    expect(answers).toEqual([STATUS_SUCCESS, STATUS_TIMEOUT]);
  });

  it("a pulse wakes those who wait now and leaves the event unsignaled", () => {
    const k = testKernel();
    const event = KeInitializeEvent(k, "notification", false);
    const log: string[] = [];
    runThreads(
      k,
      waiting(event, log, "a"),
      waiting(event, log, "b"),
      doing((kernel) => void KePulseEvent(kernel, event, 0)),
    );
    expect([log, event.signalState]).toEqual([["a", "b"], 0]);
  });

  it("resetting an event answers its state before", () => {
    const event = KeInitializeEvent(testKernel(), "notification", true);
    expect([KeResetEvent(event), KeResetEvent(event)]).toEqual([1, 0]);
  });

  it("a semaphore lets as many through as were released", () => {
    const k = testKernel();
    const semaphore = KeInitializeSemaphore(k, 0, 5);
    const log: string[] = [];
    const end = runThreads(
      k,
      waiting(semaphore, log, "a"),
      waiting(semaphore, log, "b"),
      waiting(semaphore, log, "c"),
      doing((kernel) => expect(valueOf(KeReleaseSemaphore(kernel, semaphore, 0, 2))).toBe(0)),
    );
    expect([log, end.unfinished, semaphore.signalState]).toEqual([["a", "b"], ["thread 2"], 0]);
  });

  it("a semaphore is not released beyond its limit, and keeps its count then", () => {
    const k = testKernel();
    const semaphore = KeInitializeSemaphore(k, 1, 2);
    expect(statusOf(KeReleaseSemaphore(k, semaphore, 0, 2))).toBe(0xc0000047);
    expect(semaphore.signalState).toBe(1);
  });

  it("a thread and a process stay signaled for every waiter, before and after", () => {
    const k = testKernel();
    const dying = spawn(
      k,
      doing(() => {}),
    );
    const answers = runToEnd(k, function* (kernel) {
      const first = yield* KeWaitForSingleObject(kernel, dying, forever);
      const second = yield* KeWaitForSingleObject(kernel, dying, forever);
      expect([KeSetProcess(kernel, k.test.process, 0), KeSetProcess(kernel, k.test.process, 0)]).toEqual([0, 1]);
      return [first, second, yield* KeWaitForSingleObject(kernel, k.test.process, forever)];
    });
    expect(answers).toEqual([STATUS_SUCCESS, STATUS_SUCCESS, STATUS_SUCCESS]);
  });
});

describe("waiting for several objects", () => {
  it("any: the answer is the index of the first one that is signaled", () => {
    const k = testKernel();
    const events = [false, true, true].map((signaled) => KeInitializeEvent(k, "synchronization", signaled));
    const answer = runToEnd(k, (kernel) => KeWaitForMultipleObjects(kernel, events, WaitAny, forever));
    expect([answer, events.map((event) => event.signalState)]).toEqual([1, [0, 0, 1]]);
  });

  it("any: a later signal answers with its own index", () => {
    const k = testKernel();
    const events = [1, 2, 3].map(() => KeInitializeEvent(k, "synchronization", false));
    let answer = -1;
    runThreads(
      k,
      function* (kernel) {
        answer = yield* KeWaitForMultipleObjects(kernel, events, WaitAny, forever);
      },
      doing((kernel) => void KeSetEvent(kernel, events[2] ?? expect.fail(), 0)),
    );
    expect(answer).toBe(2);
  });

  it("all: nothing is taken until everything is there", () => {
    const k = testKernel();
    const a = KeInitializeEvent(k, "synchronization", true);
    const b = KeInitializeEvent(k, "synchronization", false);
    const seen: number[][] = [];
    runThreads(
      k,
      function* (kernel) {
        yield* KeWaitForMultipleObjects(kernel, [a, b], WaitAll, forever);
        seen.push([a.signalState, b.signalState]);
      },
      doing((kernel) => {
        seen.push([a.signalState, b.signalState]);
        KeSetEvent(kernel, b, 0);
      }),
    );
    expect(seen).toEqual([
      [1, 0],
      [0, 0],
    ]);
  });

  it("all: a competitor may take one of the objects meanwhile", () => {
    const k = testKernel();
    const a = KeInitializeEvent(k, "synchronization", true);
    const b = KeInitializeEvent(k, "synchronization", false);
    const end = runThreads(
      k,
      function* (kernel) {
        yield* KeWaitForMultipleObjects(kernel, [a, b], WaitAll, forever);
      },
      function* (kernel) {
        yield* KeWaitForSingleObject(kernel, a, forever);
        KeSetEvent(kernel, b, 0);
      },
    );
    expect([end.unfinished, b.signalState]).toEqual([["thread 0"], 1]);
  });

  it("more than 64 objects stop the machine", () => {
    const k = testKernel();
    const events = Array.from({ length: 65 }, () => KeInitializeEvent(k, "notification", true));
    spawn(k, function* (kernel) {
      yield* KeWaitForMultipleObjects(kernel, events, WaitAny, forever);
    });
    expect([run(k).end, k.ke.bugCheck?.code]).toEqual(["bugcheck", BugCheckCode.MAXIMUM_WAIT_OBJECTS_EXCEEDED]);
  });

  it("all: one abandoned mutant makes the answer ABANDONED_WAIT_0", () => {
    const k = testKernel();
    const mutant = KeInitializeMutant(k, { initialOwner: false });
    mutant.abandoned = true;
    const event = KeInitializeEvent(k, "notification", true);
    const answer = runToEnd(k, (kernel) => KeWaitForMultipleObjects(kernel, [event, mutant], WaitAll, forever));
    expect(answer).toBe(STATUS_ABANDONED_WAIT_0);
  });

  it("any: an abandoned mutant adds its index to ABANDONED_WAIT_0", () => {
    const k = testKernel();
    const mutant = KeInitializeMutant(k, { initialOwner: false });
    mutant.abandoned = true;
    const event = KeInitializeEvent(k, "notification", false);
    const answer = runToEnd(k, (kernel) => KeWaitForMultipleObjects(kernel, [event, mutant], WaitAny, forever));
    expect(answer).toBe(STATUS_ABANDONED_WAIT_0 + 1);
  });
});

/** Queues a user APC to the current thread, of the kind that ends it if `exit`. */
function queueUserApc(k: Kernel, options: { readonly exit: boolean }): void {
  const self = k.ke.currentThread as KThread;
  const apc = newApc(k, self, { environment: 0, kernelRoutine: noKernelRoutine, normalRoutine: 1, mode: 1 });
  apc.isExit = options.exit;
  KeInsertQueueApc(k, apc, null, null, 0);
}

describe("the alertability test", () => {
  /** What a wait for an unsignaled event answers after `prepare`. */
  function answerOf(options: WaitOptions, prepare: (k: Kernel, self: KThread) => void): number {
    const k = testKernel();
    const event = KeInitializeEvent(k, "notification", false);
    return runToEnd(k, function* (kernel) {
      prepare(kernel, kernel.ke.currentThread as KThread);
      return yield* KeWaitForSingleObject(kernel, event, { ...options, timeout100ns: 10 });
    });
  }

  it("an alert for the mode of the wait ends an alertable wait, and is consumed", () => {
    const alerted: boolean[] = [];
    const answer = answerOf({ ...userWait, alertable: true }, (_k, self) => {
      self.alerted[1] = true;
      alerted.push(self.alerted[1]);
    });
    expect([answer, alerted]).toEqual([STATUS_ALERTED, [true]]);
  });

  it("an alert for user mode does not end a wait in kernel mode", () => {
    const answer = answerOf({ ...forever, alertable: true }, (_k, self) => void (self.alerted[1] = true));
    expect(answer).toBe(STATUS_TIMEOUT);
  });

  it("an alert for kernel mode ends an alertable wait in user mode", () => {
    const answer = answerOf({ ...userWait, alertable: true }, (_k, self) => void (self.alerted[0] = true));
    expect(answer).toBe(STATUS_ALERTED);
  });

  it("an alert does not end a wait that is not alertable", () => {
    const answer = answerOf(userWait, (_k, self) => void (self.alerted[1] = true));
    expect(answer).toBe(STATUS_TIMEOUT);
  });

  it("an alert for the mode of the wait comes before a user APC", () => {
    const answer = answerOf({ ...userWait, alertable: true }, (k, self) => {
      queueUserApc(k, { exit: false });
      self.alerted[1] = true;
    });
    expect(answer).toBe(STATUS_ALERTED);
  });

  it("a user APC comes before an alert for kernel mode, and becomes pending", () => {
    const pending: boolean[] = [];
    const k = testKernel();
    const event = KeInitializeEvent(k, "notification", false);
    const answer = runToEnd(k, function* (kernel) {
      const self = kernel.ke.currentThread as KThread;
      queueUserApc(kernel, { exit: false });
      self.alerted[0] = true;
      const status = yield* KeWaitForSingleObject(kernel, event, { ...userWait, alertable: true });
      pending.push(self.apcState.userApcPending, self.alerted[0]);
      return status;
    });
    expect([answer, pending]).toEqual([STATUS_USER_APC, [true, true]]);
  });

  it("a pending user APC ends a wait in user mode that is not alertable", () => {
    expect(answerOf(userWait, (k) => queueUserApc(k, { exit: true }))).toBe(STATUS_USER_APC);
  });

  it("a user APC that is queued but not pending does not", () => {
    expect(answerOf(userWait, (k) => queueUserApc(k, { exit: false }))).toBe(STATUS_TIMEOUT);
  });

  it("a pending user APC does not end a wait in kernel mode", () => {
    expect(answerOf(forever, (k) => queueUserApc(k, { exit: true }))).toBe(STATUS_TIMEOUT);
  });

  it("an object that is signaled beats every interruption", () => {
    const k = testKernel();
    const event = KeInitializeEvent(k, "notification", true);
    const answer = runToEnd(k, function* (kernel) {
      (kernel.ke.currentThread as KThread).alerted[1] = true;
      queueUserApc(kernel, { exit: true });
      return yield* KeWaitForSingleObject(kernel, event, { ...userWait, alertable: true });
    });
    expect(answer).toBe(STATUS_SUCCESS);
  });

  it("an interruption beats a timeout of 0", () => {
    const k = testKernel();
    const event = KeInitializeEvent(k, "notification", false);
    const answer = runToEnd(k, function* (kernel) {
      queueUserApc(kernel, { exit: true });
      return yield* KeWaitForSingleObject(kernel, event, { ...userWait, timeout100ns: 0 });
    });
    expect(answer).toBe(STATUS_USER_APC);
  });
});
