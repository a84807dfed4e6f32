/** Mutants and kernel mutexes: ownership, recursion, abandonment. */
import { describe, expect, it } from "vitest";
import { BugCheckCode, MINLONG } from "../../../src/abi/ke.ts";
import {
  STATUS_ABANDONED_WAIT_0,
  STATUS_MUTANT_LIMIT_EXCEEDED,
  STATUS_MUTANT_NOT_OWNED,
  STATUS_SUCCESS,
} from "../../../src/abi/status.ts";
import {
  KeInitializeMutant,
  KeInitializeMutex,
  KeReleaseMutant,
  KeReleaseMutex,
  KeRundownThread,
  ownedMutants,
} from "../../../src/ke/mutant.ts";
import type { KMutant, KThread } from "../../../src/ke/objects.ts";
import { KeWaitForSingleObject, type WaitOptions } from "../../../src/ke/wait.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { giveWay, run, runThreads, runToEnd, spawn, statusOf, testKernel, valueOf } from "../../support/kernel.ts";

const forever: WaitOptions = { reason: 0, mode: 0, alertable: false, timeout100ns: null };

function acquire(k: Kernel, mutant: KMutant): Blocking<number> {
  return KeWaitForSingleObject(k, mutant, forever);
}

function current(k: Kernel): KThread {
  return k.ke.currentThread as KThread;
}

describe("kernel APCs (T-MUT1)", () => {
  it("a mutant leaves them on; a mutex turns them off once, however often it is acquired", () => {
    const k = testKernel();
    const mutant = KeInitializeMutant(k, { initialOwner: false });
    const mutex = KeInitializeMutex(k);
    expect([mutant.apcDisable, mutex.apcDisable]).toEqual([0, 1]);
    const counts = runToEnd(k, function* (kernel) {
      const trail: number[] = [];
      const note = (): number => trail.push(current(kernel).kernelApcDisable);
      yield* acquire(kernel, mutant);
      note();
      yield* acquire(kernel, mutex);
      note();
      yield* acquire(kernel, mutex);
      note();
      yield* KeReleaseMutex(kernel, mutex);
      note();
      yield* KeReleaseMutex(kernel, mutex);
      note();
      KeReleaseMutant(kernel, mutant, 0);
      return trail;
    });
    expect(counts).toEqual([0, -1, -1, -1, 0]);
  });

  it("a mutex that is handed on turns them off for its new owner", () => {
    const k = testKernel();
    const mutex = KeInitializeMutex(k);
    const counts: number[] = [];
    runThreads(
      k,
      function* (kernel) {
        yield* acquire(kernel, mutex);
        yield* giveWay(kernel);
        yield* KeReleaseMutex(kernel, mutex);
        counts.push(current(kernel).kernelApcDisable);
      },
      function* (kernel) {
        yield* acquire(kernel, mutex);
        counts.push(current(kernel).kernelApcDisable);
        yield* KeReleaseMutex(kernel, mutex);
      },
    );
    expect(counts).toEqual([0, -1]);
  });
});

describe("the signal state (T-MUT2)", () => {
  it("counts down from 1 with each acquisition and up with each release", () => {
    const k = testKernel();
    const mutant = KeInitializeMutant(k, { initialOwner: false });
    const states = runToEnd(k, function* (kernel) {
      const trail = [mutant.signalState];
      for (let depth = 0; depth < 3; depth++) {
        yield* acquire(kernel, mutant);
        trail.push(mutant.signalState);
      }
      for (let depth = 0; depth < 3; depth++) {
        trail.push(valueOf(KeReleaseMutant(kernel, mutant, 0)));
      }
      return [...trail, mutant.signalState];
    });
    expect(states).toEqual([1, 0, -1, -2, -2, -1, 0, 1]);
  });

  it("is 0 from the start for an initial owner", () => {
    const k = testKernel();
    const owned = runToEnd(k, function* (kernel) {
      const mutant = KeInitializeMutant(kernel, { initialOwner: true });
      return [mutant.signalState, mutant.ownerThread === current(kernel), ownedMutants(current(kernel)).length];
    });
    expect(owned).toEqual([0, true, 1]);
  });
});

describe("the owner's list (T-MUT3)", () => {
  it("holds a mutant from the first acquisition to the last release", () => {
    const k = testKernel();
    const mutant = KeInitializeMutant(k, { initialOwner: false });
    const lengths = runToEnd(k, function* (kernel) {
      const trail: number[] = [];
      const note = (): number => trail.push(ownedMutants(current(kernel)).length);
      yield* acquire(kernel, mutant);
      yield* acquire(kernel, mutant);
      note();
      KeReleaseMutant(kernel, mutant, 0);
      note();
      KeReleaseMutant(kernel, mutant, 0);
      note();
      return trail;
    });
    expect(lengths).toEqual([1, 1, 0]);
  });
});

describe("limits (T-MUT4)", () => {
  it("a thread that does not own it cannot release it", () => {
    const k = testKernel();
    const mutant = KeInitializeMutant(k, { initialOwner: false });
    const status = runToEnd(k, function* (kernel) {
      return statusOf(KeReleaseMutant(kernel, mutant, 0));
    });
    expect([status, mutant.signalState]).toEqual([STATUS_MUTANT_NOT_OWNED, 1]);
  });

  it("recursion ends at MINLONG", () => {
    const k = testKernel();
    const mutant = KeInitializeMutant(k, { initialOwner: false });
    const answers = runToEnd(k, function* (kernel) {
      yield* acquire(kernel, mutant);
      mutant.signalState = MINLONG + 1;
      return [yield* acquire(kernel, mutant), yield* acquire(kernel, mutant), mutant.signalState];
    });
    expect(answers).toEqual([STATUS_SUCCESS, STATUS_MUTANT_LIMIT_EXCEEDED, MINLONG]);
  });
});

describe("abandonment", () => {
  it("hands each mutant of the thread to its oldest waiter, which learns of it and really owns it", () => {
    const k = testKernel();
    const mutant = KeInitializeMutant(k, { initialOwner: false });
    const answers: unknown[] = [];
    const abandoned: number[] = [];
    runThreads(
      k,
      function* (kernel) {
        yield* acquire(kernel, mutant);
        yield* acquire(kernel, mutant);
        yield* giveWay(kernel);
        KeRundownThread(kernel, (left) => abandoned.push(left.id));
      },
      function* (kernel) {
        answers.push(yield* acquire(kernel, mutant), mutant.abandoned, mutant.ownerThread === current(kernel));
        answers.push(valueOf(KeReleaseMutant(kernel, mutant, 0)));
      },
      function* (kernel) {
        answers.push(yield* acquire(kernel, mutant));
        KeReleaseMutant(kernel, mutant, 0);
      },
    );
    expect(abandoned).toEqual([mutant.id]);
    expect(answers).toEqual([STATUS_ABANDONED_WAIT_0, false, true, 0, STATUS_SUCCESS]);
  });

  it("is remembered until somebody acquires the mutant", () => {
    const k = testKernel();
    const mutant = KeInitializeMutant(k, { initialOwner: false });
    runToEnd(k, function* (kernel) {
      yield* acquire(kernel, mutant);
      KeRundownThread(kernel, () => {});
    });
    expect([mutant.signalState, mutant.abandoned, mutant.ownerThread]).toEqual([1, true, null]);
    const answers = runToEnd(k, function* (kernel) {
      return [yield* acquire(kernel, mutant), yield* acquire(kernel, mutant)];
    });
    expect(answers).toEqual([STATUS_ABANDONED_WAIT_0, STATUS_SUCCESS]);
  });

  it("of a kernel mutex stops the machine", () => {
    const k = testKernel();
    const mutex = KeInitializeMutex(k);
    const owner = spawn(k, function* (kernel) {
      yield* acquire(kernel, mutex);
      KeRundownThread(kernel, () => {});
    });
    expect(run(k).end).toBe("bugcheck");
    expect(k.ke.bugCheck).toEqual({
      code: BugCheckCode.THREAD_TERMINATE_HELD_MUTEX,
      parameters: [owner.id, mutex.id, 0, 0],
    });
  });
});
