/** Work queues. */
import { describe, expect, it } from "vitest";
import { APC_LEVEL, BugCheckCode, DISPATCH_LEVEL, PASSIVE_LEVEL } from "../../../src/abi/ke.ts";
import { ExQueueWorkItem, ExWorkItem, WorkQueueType } from "../../../src/ex/work.ts";
import { KeInitializeEvent, KeSetEvent } from "../../../src/ke/event.ts";
import { KeLowerIrql, KeRaiseIrql } from "../../../src/ke/irql.ts";
import { waitInKernel } from "../../../src/ke/wait.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { run, runToEnd, spawn, type TestKernel, type TestThread, testKernel } from "../../support/kernel.ts";

const { Critical, Delayed, HyperCritical } = WorkQueueType;

function item(routine: (k: Kernel, parameter: unknown) => void, parameter: unknown = null): ExWorkItem {
  return new ExWorkItem(function* (k, given) {
    routine(k, given);
  }, parameter);
}

function workers(k: TestKernel): TestThread[] {
  return k.test.threads.filter((thread) => thread.name.endsWith("worker"));
}

describe("work items", () => {
  it("are carried out at PASSIVE_LEVEL by a system thread, with their parameter", () => {
    const k = testKernel();
    const seen: unknown[] = [];
    ExQueueWorkItem(
      k,
      item((kernel, parameter) => seen.push(kernel.ke.prcb.irql, parameter), "parameter"),
      Delayed,
    );
    run(k);
    expect(seen).toEqual([PASSIVE_LEVEL, "parameter"]);
    expect(workers(k).map((worker) => [worker.name, worker.activeExWorker, worker.enableStackSwap])).toEqual([
      ["delayed worker", true, false],
    ]);
  });

  it("are carried out in order", () => {
    const k = testKernel();
    const log: number[] = [];
    for (let index = 0; index < 5; index++)
      ExQueueWorkItem(
        k,
        item(() => log.push(index)),
        Critical,
      );
    run(k);
    expect(log).toEqual([0, 1, 2, 3, 4]);
  });

  it("can be queued at DISPATCH_LEVEL", () => {
    const k = testKernel();
    const log: string[] = [];
    runToEnd(k, function* (kernel) {
      KeRaiseIrql(kernel, DISPATCH_LEVEL);
      ExQueueWorkItem(
        kernel,
        item(() => log.push("done")),
        HyperCritical,
      );
      yield* KeLowerIrql(kernel, PASSIVE_LEVEL);
    });
    expect(log).toEqual(["done"]);
  });

  it("can be queued again from their own routine", () => {
    const k = testKernel();
    let rounds = 0;
    const again: ExWorkItem = item((kernel) => {
      if (++rounds < 3) ExQueueWorkItem(kernel, again, Critical);
    });
    ExQueueWorkItem(k, again, Critical);
    run(k);
    expect(rounds).toBe(3);
  });

  it("are in one queue at most", () => {
    const k = testKernel();
    const twice = item(() => {});
    ExQueueWorkItem(k, twice, Critical);
    expect(() => ExQueueWorkItem(k, twice, Delayed)).toThrow("a work item is queued once at a time");
  });
});

describe("workers", () => {
  it("do not exist before the first item", () => {
    const k = testKernel();
    run(k);
    expect(workers(k)).toEqual([]);
  });

  it("one is enough for items that do not block", () => {
    const k = testKernel();
    for (let round = 0; round < 10; round++) {
      ExQueueWorkItem(
        k,
        item(() => {}),
        Critical,
      );
      run(k);
    }
    expect(workers(k)).toHaveLength(1);
  });

  it("an item that blocks does not keep the next one waiting", () => {
    const k = testKernel();
    const gate = KeInitializeEvent(k, "notification", false);
    const log: string[] = [];
    const blocking = new ExWorkItem(function* (kernel): Blocking<void> {
      yield* waitInKernel(kernel, gate, 0);
      log.push("first");
    });
    ExQueueWorkItem(k, blocking, Critical);
    ExQueueWorkItem(
      k,
      item(() => log.push("second")),
      Critical,
    );
    run(k);
    expect(log).toEqual(["second"]);
    KeSetEvent(k, gate, 0);
    run(k);
    expect(log).toEqual(["second", "first"]);
  });

  it("the queues do not wait for each other", () => {
    const k = testKernel();
    const gate = KeInitializeEvent(k, "notification", false);
    for (let count = 0; count < 40; count++) {
      const stuck = new ExWorkItem(function* (kernel): Blocking<void> {
        yield* waitInKernel(kernel, gate, 0);
      });
      ExQueueWorkItem(k, stuck, Critical);
    }
    const log: string[] = [];
    ExQueueWorkItem(
      k,
      item(() => log.push("reaped")),
      HyperCritical,
    );
    run(k);
    expect([log, k.ex.workQueues[Critical].workers]).toEqual([["reaped"], 16]);
  });
});

describe("broken items", () => {
  it("one that returns at a raised level stops the machine", () => {
    const k = testKernel();
    ExQueueWorkItem(
      k,
      item((kernel) => void KeRaiseIrql(kernel, APC_LEVEL)),
      Delayed,
    );
    expect(run(k).end).toBe("bugcheck");
    expect(k.ke.bugCheck?.code).toBe(BugCheckCode.WORKER_THREAD_RETURNED_AT_BAD_IRQL);
  });

  it("one that returns impersonating stops the machine", () => {
    const k = testKernel();
    k.ex.upcalls.isImpersonating = () => true;
    ExQueueWorkItem(
      k,
      item(() => {}),
      Delayed,
    );
    expect(run(k).end).toBe("bugcheck");
    expect(k.ke.bugCheck?.code).toBe(BugCheckCode.IMPERSONATING_WORKER_THREAD);
  });

  it("one whose thread is created while another works runs on its own", () => {
    const k = testKernel({ processors: 2 });
    const log: string[] = [];
    spawn(k, function* (kernel) {
      ExQueueWorkItem(
        kernel,
        item(() => log.push("a")),
        Critical,
      );
      ExQueueWorkItem(
        kernel,
        item(() => log.push("b")),
        Delayed,
      );
    });
    run(k);
    expect(log.toSorted()).toEqual(["a", "b"]);
  });
});
