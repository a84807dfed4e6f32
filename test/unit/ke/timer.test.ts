/** Timer objects and their DPCs. */
import { describe, expect, it } from "vitest";
import { DISPATCH_LEVEL, PASSIVE_LEVEL } from "../../../src/abi/ke.ts";
import { STATUS_SUCCESS, STATUS_TIMEOUT } from "../../../src/abi/status.ts";
import { KDpc } from "../../../src/ke/objects.ts";
import { KeQueryInterruptTime } from "../../../src/ke/time.ts";
import { KeCancelTimer, KeInitializeTimer, KeSetTimer } from "../../../src/ke/timer.ts";
import { KeDelayExecutionThread, KeWaitForSingleObject, type WaitOptions } from "../../../src/ke/wait.ts";
import { run, runToEnd, spawn, testKernel } from "../../support/kernel.ts";

const forever: WaitOptions = { reason: 0, mode: 0, alertable: false, timeout100ns: null };
const noWait: WaitOptions = { ...forever, timeout100ns: 0 };

describe("timers", () => {
  it("go off at their time and wake who waits", () => {
    const k = testKernel();
    const timer = KeInitializeTimer(k, "notification");
    const seen = runToEnd(k, function* (kernel) {
      expect(KeSetTimer(kernel, timer, { due100ns: 700, period100ns: 0, dpc: null })).toBe(false);
      const status = yield* KeWaitForSingleObject(kernel, timer, forever);
      return [status, KeQueryInterruptTime(kernel), timer.signalState];
    });
    expect(seen).toEqual([STATUS_SUCCESS, 700, 1]);
  });

  it("that are due now are signaled at once", () => {
    const k = testKernel();
    const timer = KeInitializeTimer(k, "synchronization");
    const seen = runToEnd(k, function* (kernel) {
      KeSetTimer(kernel, timer, { due100ns: 0, period100ns: 0, dpc: null });
      return [yield* KeWaitForSingleObject(kernel, timer, noWait), yield* KeWaitForSingleObject(kernel, timer, noWait)];
    });
    expect(seen).toEqual([STATUS_SUCCESS, STATUS_TIMEOUT]);
  });

  it("that repeat go off at multiples of their period", () => {
    const k = testKernel();
    const timer = KeInitializeTimer(k, "synchronization");
    const times = runToEnd(k, function* (kernel) {
      KeSetTimer(kernel, timer, { due100ns: 50, period100ns: 200, dpc: null });
      const trail: number[] = [];
      for (let round = 0; round < 3; round++) {
        yield* KeWaitForSingleObject(kernel, timer, forever);
        trail.push(KeQueryInterruptTime(kernel));
      }
      KeCancelTimer(kernel, timer);
      return trail;
    });
    expect(times).toEqual([50, 250, 450]);
  });

  it("that are cancelled never go off", () => {
    const k = testKernel();
    const timer = KeInitializeTimer(k, "notification");
    const seen = runToEnd(k, function* (kernel) {
      KeSetTimer(kernel, timer, { due100ns: 100, period100ns: 0, dpc: null });
      const answers = [KeCancelTimer(kernel, timer), KeCancelTimer(kernel, timer)];
      return [...answers, yield* KeWaitForSingleObject(kernel, timer, { ...forever, timeout100ns: 1000 })];
    });
    expect(seen).toEqual([true, false, STATUS_TIMEOUT]);
  });

  it("that are set again forget their first time and their signal", () => {
    const k = testKernel();
    const timer = KeInitializeTimer(k, "notification");
    const seen = runToEnd(k, function* (kernel) {
      KeSetTimer(kernel, timer, { due100ns: 0, period100ns: 0, dpc: null });
      const wasSet = KeSetTimer(kernel, timer, { due100ns: 100, period100ns: 0, dpc: null });
      const again = KeSetTimer(kernel, timer, { due100ns: 300, period100ns: 0, dpc: null });
      yield* KeWaitForSingleObject(kernel, timer, forever);
      return [wasSet, again, KeQueryInterruptTime(kernel)];
    });
    expect(seen).toEqual([false, true, 300]);
  });

  it("with equal times go off in the order in which they were set", () => {
    const k = testKernel();
    const log: number[] = [];
    runToEnd(k, function* (kernel) {
      for (let index = 0; index < 20; index++) {
        const dpc = new KDpc(() => log.push(index), null);
        const timer = KeInitializeTimer(kernel, "notification");
        KeSetTimer(kernel, timer, { due100ns: index % 2 === 0 ? 100 : 50, period100ns: 0, dpc });
      }
      yield* KeDelayExecutionThread(kernel, { ...forever, timeout100ns: 200 });
    });
    const odd = Array.from({ length: 10 }, (_, index) => 2 * index + 1);
    const even = Array.from({ length: 10 }, (_, index) => 2 * index);
    expect(log).toEqual([...odd, ...even]);
  });
});

describe("DPCs", () => {
  it("run at DISPATCH_LEVEL, and the level is what it was afterwards", () => {
    const k = testKernel();
    const levels: number[] = [];
    const timer = KeInitializeTimer(k, "notification");
    spawn(k, function* (kernel) {
      const dpc = new KDpc((inner) => levels.push(inner.ke.prcb.irql), null);
      KeSetTimer(kernel, timer, { due100ns: 10, period100ns: 0, dpc });
      yield* KeWaitForSingleObject(kernel, timer, forever);
      levels.push(kernel.ke.prcb.irql);
    });
    run(k);
    expect(levels).toEqual([DISPATCH_LEVEL, PASSIVE_LEVEL]);
  });
});
