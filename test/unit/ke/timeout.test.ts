/** Timeouts of waits, and sleeping. */
import { describe, expect, it } from "vitest";
import { ThreadState } from "../../../src/abi/ke.ts";
import { STATUS_SUCCESS, STATUS_TIMEOUT, STATUS_USER_APC } from "../../../src/abi/status.ts";
import { KeInsertQueueApc, newApc, noKernelRoutine } from "../../../src/ke/apc.ts";
import { KeInitializeEvent, KeSetEvent } from "../../../src/ke/event.ts";
import { KeQueryInterruptTime } from "../../../src/ke/time.ts";
import { KeDelayExecutionThread, KeWaitForSingleObject, type WaitOptions } from "../../../src/ke/wait.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { run, runThreads, runToEnd, spawn, testKernel } from "../../support/kernel.ts";

const forever: WaitOptions = { reason: 0, mode: 0, alertable: false, timeout100ns: null };
const userWait: WaitOptions = { ...forever, mode: 1 };

/** A thread's routine made of steps that do not block. */
function doing(act: (k: Kernel) => void): (k: Kernel) => Blocking<void> {
  return function* (k) {
    act(k);
  };
}

describe("timeouts", () => {
  it("a wait ends when its time is over, and not before", () => {
    const k = testKernel();
    const event = KeInitializeEvent(k, "notification", false);
    const [answer, time] = runToEnd(k, function* (kernel) {
      const status = yield* KeWaitForSingleObject(kernel, event, { ...forever, timeout100ns: 12_345 });
      return [status, KeQueryInterruptTime(kernel)];
    });
    expect([answer, time]).toEqual([STATUS_TIMEOUT, 12_345]);
  });

  it("kernel APCs during a wait do not prolong it", () => {
    const k = testKernel();
    const event = KeInitializeEvent(k, "notification", false);
    let ended = -1;
    const waiter = spawn(k, function* (kernel) {
      yield* KeWaitForSingleObject(kernel, event, { ...forever, timeout100ns: 1000 });
      ended = KeQueryInterruptTime(kernel);
    });
    spawn(k, function* (kernel) {
      for (let round = 0; round < 3; round++) {
        yield* KeDelayExecutionThread(kernel, { ...forever, timeout100ns: 300 });
        const apc = newApc(kernel, waiter, {
          environment: 0,
          kernelRoutine: noKernelRoutine,
          normalRoutine: null,
          mode: 0,
        });
        KeInsertQueueApc(kernel, apc, null, null, 0);
      }
    });
    run(k);
    expect(ended).toBe(1000);
  });

  it("a wait that is satisfied leaves no timer behind", () => {
    const k = testKernel();
    const event = KeInitializeEvent(k, "notification", false);
    runThreads(
      k,
      function* (kernel) {
        yield* KeWaitForSingleObject(kernel, event, { ...forever, timeout100ns: 1_000_000 });
      },
      doing((kernel) => void KeSetEvent(kernel, event, 0)),
    );
    expect([k.ke.timers.length, k.ke.prcb.clock]).toEqual([0, 0]);
  });

  it("a sleep answers SUCCESS at its end and costs no more than its time", () => {
    const k = testKernel();
    const answer = runToEnd(k, (kernel) => KeDelayExecutionThread(kernel, { ...forever, timeout100ns: 6_000_000_000 }));
    expect([answer, k.ke.prcb.clock]).toEqual([STATUS_SUCCESS, 600_000_000_000]);
  });

  it("a sleep in user mode ends with USER_APC when the thread is to die", () => {
    const k = testKernel();
    let answer = -1;
    const sleeper = spawn(k, function* (kernel) {
      answer = yield* KeDelayExecutionThread(kernel, { ...userWait, timeout100ns: 1_000_000 });
    });
    spawn(
      k,
      doing((kernel) => {
        const apc = newApc(kernel, sleeper, {
          environment: 0,
          kernelRoutine: noKernelRoutine,
          normalRoutine: 1,
          mode: 1,
        });
        apc.isExit = true;
        KeInsertQueueApc(kernel, apc, null, null, 0);
      }),
    );
    run(k);
    expect([answer, sleeper.state]).toEqual([STATUS_USER_APC, ThreadState.Terminated]);
  });
});
