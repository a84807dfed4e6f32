/** Suspension, resumption, freezing, and the forced resume of a kill. */
import { describe, expect, it } from "vitest";
import { MAXIMUM_SUSPEND_COUNT, ThreadState, WaitReason } from "../../../src/abi/ke.ts";
import { STATUS_SUSPEND_COUNT_EXCEEDED } from "../../../src/abi/status.ts";
import { KeInsertQueueApc, newApc, noKernelRoutine } from "../../../src/ke/apc.ts";
import { KeInitializeEvent, KeSetEvent } from "../../../src/ke/event.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../../../src/ke/region.ts";
import {
  KeForceResumeThread,
  KeFreezeAllThreads,
  KeResumeThread,
  KeSuspendThread,
  KeThawAllThreads,
} from "../../../src/ke/suspend.ts";
import { KeWaitForSingleObject, type WaitOptions } from "../../../src/ke/wait.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import {
  newThread,
  run,
  runToEnd,
  spawn,
  statusOf,
  type TestKernel,
  type TestThread,
  testKernel,
  valueOf,
} from "../../support/kernel.ts";

const forever: WaitOptions = { reason: 0, mode: 0, alertable: false, timeout100ns: null };

/** A thread that waits for an event, and notes its name when it has it. */
function sleeper(k: TestKernel, log: string[]): { thread: TestThread; wake: () => void } {
  const event = KeInitializeEvent(k, "notification", false);
  const thread = spawn(k, function* (kernel) {
    yield* KeWaitForSingleObject(kernel, event, forever);
    log.push("woke");
  });
  run(k);
  return { thread, wake: () => void KeSetEvent(k, event, 0) };
}

/** Does something in a thread of its own and lets the machine come to rest. */
function act(k: TestKernel, routine: (k: Kernel) => void): void {
  spawn(k, function* (kernel) {
    routine(kernel);
  });
  run(k);
}

describe("suspending", () => {
  it("holds a waiting thread inside its suspend APC until it is resumed", () => {
    const k = testKernel();
    const log: string[] = [];
    const { thread, wake } = sleeper(k, log);
    act(k, (kernel) => expect(valueOf(KeSuspendThread(kernel, thread))).toBe(0));
    expect([thread.waitReason, thread.apcState.kernelApcInProgress]).toEqual([WaitReason.Suspended, true]);
    act(k, wake);
    expect(log).toEqual([]);
    act(k, (kernel) => expect(KeResumeThread(kernel, thread)).toBe(1));
    expect([log, thread.apcState.kernelApcInProgress]).toEqual([["woke"], false]);
  });

  it("counts: a thread runs only when it was resumed as often as suspended", () => {
    const k = testKernel();
    const log: string[] = [];
    const { thread, wake } = sleeper(k, log);
    act(k, (kernel) => {
      expect([valueOf(KeSuspendThread(kernel, thread)), valueOf(KeSuspendThread(kernel, thread))]).toEqual([0, 1]);
    });
    act(k, wake);
    act(k, (kernel) => expect(KeResumeThread(kernel, thread)).toBe(2));
    expect(log).toEqual([]);
    act(k, (kernel) => expect(KeResumeThread(kernel, thread)).toBe(1));
    expect(log).toEqual(["woke"]);
    expect(KeResumeThread(k, thread)).toBe(0);
  });

  it("fails at a count of 127", () => {
    const k = testKernel();
    const thread = newThread(k);
    for (let count = 0; count < MAXIMUM_SUSPEND_COUNT; count++) valueOf(KeSuspendThread(k, thread));
    expect(statusOf(KeSuspendThread(k, thread))).toBe(STATUS_SUSPEND_COUNT_EXCEEDED);
    expect(thread.suspendCount).toBe(127);
  });

  it("leaves a thread alone that takes no more APCs", () => {
    const k = testKernel();
    const thread = newThread(k);
    thread.apcQueueable = false;
    expect([valueOf(KeSuspendThread(k, thread)), thread.suspendCount]).toEqual([0, 0]);
  });

  it("that is undone before it took effect holds nobody up", () => {
    const k = testKernel();
    const log: string[] = [];
    const { thread, wake } = sleeper(k, log);
    act(k, (kernel) => {
      KeSuspendThread(kernel, thread);
      KeResumeThread(kernel, thread);
    });
    act(k, wake);
    expect(log).toEqual(["woke"]);
  });

  it("that is undone and repeated before it took effect holds the thread", () => {
    const k = testKernel();
    const log: string[] = [];
    const { thread, wake } = sleeper(k, log);
    act(k, (kernel) => {
      KeSuspendThread(kernel, thread);
      KeResumeThread(kernel, thread);
      KeSuspendThread(kernel, thread);
    });
    act(k, wake);
    expect([log, thread.suspendSemaphore.signalState]).toEqual([[], 0]);
    act(k, (kernel) => void KeResumeThread(kernel, thread));
    expect(log).toEqual(["woke"]);
  });

  it("takes effect when the thread leaves its critical region, not before", () => {
    const k = testKernel();
    const log: string[] = [];
    const event = KeInitializeEvent(k, "notification", false);
    const thread = spawn(k, function* (kernel) {
      KeEnterCriticalRegion(kernel);
      yield* KeWaitForSingleObject(kernel, event, forever);
      log.push("in the region");
      yield* KeLeaveCriticalRegion(kernel);
      log.push("out of it");
    });
    run(k);
    act(k, (kernel) => {
      KeSuspendThread(kernel, thread);
      KeSetEvent(kernel, event, 0);
    });
    expect(log).toEqual(["in the region"]);
    act(k, (kernel) => void KeResumeThread(kernel, thread));
    expect(log).toEqual(["in the region", "out of it"]);
  });

  it("keeps other normal kernel APCs out until the thread is resumed", () => {
    const k = testKernel();
    const log: string[] = [];
    const { thread } = sleeper(k, []);
    act(k, (kernel) => void KeSuspendThread(kernel, thread));
    act(k, (kernel) => {
      const apc = newApc(kernel, thread, {
        environment: 0,
        kernelRoutine: noKernelRoutine,

        normalRoutine: function* (): Blocking<void> {
          log.push("normal APC");
        },
        mode: 0,
      });
      KeInsertQueueApc(kernel, apc, null, null, 0);
    });
    expect(log).toEqual([]);
    act(k, (kernel) => void KeResumeThread(kernel, thread));
    expect(log).toEqual(["normal APC"]);
  });
});

describe("the forced resume", () => {
  it("zeroes both counts and answers their sum", () => {
    const k = testKernel();
    const log: string[] = [];
    const { thread, wake } = sleeper(k, log);
    act(k, (kernel) => {
      KeSuspendThread(kernel, thread);
      KeSuspendThread(kernel, thread);
      thread.freezeCount = 1;
    });
    act(k, wake);
    act(k, (kernel) => expect(KeForceResumeThread(kernel, thread)).toBe(3));
    expect([log, thread.suspendCount, thread.freezeCount]).toEqual([["woke"], 0, 0]);
  });

  it("of a thread that is not suspended changes nothing", () => {
    const k = testKernel();
    const thread = newThread(k);
    expect([KeForceResumeThread(k, thread), thread.suspendSemaphore.signalState]).toEqual([0, 0]);
  });
});

describe("freezing", () => {
  it("holds all other threads of the process, which a resume does not free, until they are thawed", () => {
    const k = testKernel();
    const log: string[] = [];
    const { thread, wake } = sleeper(k, log);
    const gate = KeInitializeEvent(k, "notification", false);
    const freezer = spawn(k, function* (kernel) {
      KeFreezeAllThreads(kernel);
      log.push(`frozen, ${freezer.kernelApcDisable}`);
      yield* KeWaitForSingleObject(kernel, gate, forever);
      yield* KeThawAllThreads(kernel);
      log.push(`thawed, ${freezer.kernelApcDisable}`);
    });
    run(k);
    wake();
    run(k);
    expect([thread.freezeCount, KeResumeThread(k, thread)]).toEqual([1, 0]);
    expect([log, thread.state]).toEqual([["frozen, -1"], ThreadState.Waiting]);
    KeSetEvent(k, gate, 0);
    run(k);
    expect(log).toEqual(["frozen, -1", "thawed, 0", "woke"]);
  });

  it("adds to suspension: both must be undone", () => {
    const k = testKernel();
    const log: string[] = [];
    const { thread, wake } = sleeper(k, log);
    runToEnd(k, function* (kernel) {
      KeSuspendThread(kernel, thread);
      KeFreezeAllThreads(kernel);
      yield* KeThawAllThreads(kernel);
    });
    act(k, wake);
    expect(log).toEqual([]);
    act(k, (kernel) => void KeResumeThread(kernel, thread));
    expect(log).toEqual(["woke"]);
  });

  it("skips threads that take no more APCs", () => {
    const k = testKernel();
    const { thread, wake } = sleeper(k, []);
    thread.apcQueueable = false;
    runToEnd(k, function* (kernel) {
      KeFreezeAllThreads(kernel);
      expect(thread.freezeCount).toBe(0);
      yield* KeThawAllThreads(kernel);
    });
    wake();
    expect(run(k).unfinished).toEqual([]);
  });

  it("is undone by a forced resume, and thawing tolerates that", () => {
    const k = testKernel();
    const log: string[] = [];
    const { thread, wake } = sleeper(k, log);
    runToEnd(k, function* (kernel) {
      KeFreezeAllThreads(kernel);
      KeForceResumeThread(kernel, thread);
      yield* KeThawAllThreads(kernel);
    });
    act(k, wake);
    expect([log, thread.freezeCount]).toEqual([["woke"], 0]);
  });
});
