/** The scheduler: priorities, quanta, affinity, several processors, determinism. */
import { describe, expect, it } from "vitest";
import { KeInitializeEvent, KeSetEvent } from "../../../src/ke/event.ts";
import { KeDelayExecutionThread, KeWaitForSingleObject, type WaitOptions } from "../../../src/ke/wait.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { KernelEvent } from "../../../src/sim/record.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { run, spawn, testKernel, work } from "../../support/kernel.ts";

const forever: WaitOptions = { reason: 0, mode: 0, alertable: false, timeout100ns: null };

/** Works in slices and notes each of them, with the processor that did it. */
function worker(log: string[], name: string, slices: number, sliceNs: number): (k: Kernel) => Blocking<void> {
  return function* (k) {
    for (let slice = 0; slice < slices; slice++) {
      log.push(`${name}${k.ke.prcb.number}`);
      yield* work(k, sliceNs);
    }
  };
}

describe("one processor", () => {
  it("equals take turns by quantum, in the order in which they became ready", () => {
    const k = testKernel({ quantumNs: 100 });
    const log: string[] = [];
    for (const name of ["a", "b"]) spawn(k, worker(log, name, 4, 50));
    run(k);
    expect(log.join(" ")).toBe("a0 a0 b0 b0 a0 a0 b0 b0");
  });

  it("the better thread goes first and is not interrupted by a worse one", () => {
    const k = testKernel({ quantumNs: 10 });
    const log: string[] = [];
    spawn(k, worker(log, "low", 2, 50), { priority: 7 });
    spawn(k, worker(log, "high", 3, 50), { priority: 9 });
    run(k);
    expect(log).toEqual(["high0", "high0", "high0", "low0", "low0"]);
  });

  it("a better thread that becomes ready preempts, and the preempted one goes on before its equals", () => {
    const k = testKernel({ quantumNs: 1000 });
    const log: string[] = [];
    const event = KeInitializeEvent(k, "synchronization", false);
    spawn(
      k,
      function* (kernel) {
        yield* KeWaitForSingleObject(kernel, event, forever);
        log.push("high");
      },
      { priority: 12 },
    );
    run(k);
    spawn(k, function* (kernel) {
      yield* work(kernel, 1);
      log.push("a sets");
      KeSetEvent(kernel, event, 0);
      yield* work(kernel, 1);
      log.push("a goes on");
    });
    spawn(k, worker(log, "b", 1, 1));
    run(k);
    expect(log).toEqual(["a sets", "high", "a goes on", "b0"]);
  });

  it("an equal does not cut a turn short, even if the better thread that should have is gone", () => {
    const k = testKernel({ quantumNs: 1000 });
    const log: string[] = [];
    spawn(k, function* (kernel) {
      log.push("a");
      // As when another processor has taken the better thread meanwhile.
      kernel.ke.prcb.reschedule = true;
      yield* work(kernel, 10);
      log.push("a");
    });
    spawn(k, worker(log, "b", 1, 10));
    run(k);
    expect([log, k.ke.contextSwitches]).toEqual([["a", "a", "b0"], 2]);
  });

  it("a boost raises a woken thread above its equals and decays with its quanta", () => {
    const k = testKernel({ quantumNs: 10 });
    const event = KeInitializeEvent(k, "synchronization", false);
    const priorities: number[] = [];
    const woken = spawn(k, function* (kernel) {
      yield* KeWaitForSingleObject(kernel, event, forever);
      for (let slice = 0; slice < 4; slice++) {
        priorities.push(woken.priority);
        yield* work(kernel, 10);
      }
    });
    run(k);
    spawn(k, function* (kernel) {
      KeSetEvent(kernel, event, 2);
    });
    run(k);
    expect(priorities).toEqual([10, 9, 8, 8]);
  });

  it("a real-time priority is neither boosted nor decayed", () => {
    const k = testKernel({ quantumNs: 10 });
    const event = KeInitializeEvent(k, "synchronization", false);
    const thread = spawn(
      k,
      function* (kernel) {
        yield* KeWaitForSingleObject(kernel, event, forever);
        yield* work(kernel, 50);
      },
      { priority: 20 },
    );
    run(k);
    KeSetEvent(k, event, 5);
    run(k);
    expect(thread.priority).toBe(20);
  });
});

describe("several processors", () => {
  it.each([1, 2, 3, 4])("%i processors share independent work evenly", (processors) => {
    const k = testKernel({ processors, quantumNs: 100 });
    for (let index = 0; index < 12; index++) spawn(k, worker([], "t", 10, 100));
    run(k);
    const clocks = k.ke.prcbs.map((prcb) => prcb.clock);
    expect(clocks.reduce((sum, clock) => sum + clock, 0)).toBe(12 * 10 * 100);
    expect(Math.max(...clocks) - Math.min(...clocks)).toBeLessThanOrEqual(1000);
  });

  it("the processor that is furthest behind runs next", () => {
    const k = testKernel({ processors: 2, quantumNs: 1000 });
    const log: string[] = [];
    spawn(k, worker(log, "a", 2, 300));
    spawn(k, worker(log, "b", 6, 100));
    run(k);
    expect(log.join(" ")).toBe("a0 b1 b1 b1 a0 b1 b1 b1");
  });

  it("a thread runs only where its affinity lets it", () => {
    const k = testKernel({ processors: 4, quantumNs: 50 });
    const log: string[] = [];
    spawn(k, worker(log, "x", 5, 100), { affinity: 0b0100 });
    spawn(k, worker(log, "y", 5, 100), { affinity: 0b0100 });
    spawn(k, worker(log, "z", 5, 100), { affinity: 0b0010 });
    run(k);
    expect(new Set(log)).toEqual(new Set(["x2", "y2", "z1"]));
  });

  it("a thread that wakes preempts the processor with the worst thread", () => {
    const k = testKernel({ processors: 2, quantumNs: 10_000 });
    const log: string[] = [];
    const event = KeInitializeEvent(k, "synchronization", false);
    spawn(
      k,
      function* (kernel) {
        yield* KeWaitForSingleObject(kernel, event, forever);
        log.push(`woken on ${kernel.ke.prcb.number}`);
      },
      { priority: 15 },
    );
    run(k);
    spawn(k, worker([], "good", 50, 10), { priority: 10, affinity: 0b01 });
    spawn(k, worker([], "bad", 50, 10), { priority: 4, affinity: 0b10 });
    spawn(
      k,
      function* (kernel) {
        yield* work(kernel, 20);
        KeSetEvent(kernel, event, 0);
        log.push("set");
        for (let slice = 0; slice < 50; slice++) yield* work(kernel, 10);
        log.push("setter ends");
      },
      { priority: 11, affinity: 0b01 },
    );
    run(k);
    expect(log).toEqual(["set", "woken on 1", "setter ends"]);
  });
});

describe("determinism", () => {
  /** The whole trace of a busy machine. */
  function traceOf(processors: number): KernelEvent[] {
    const events: KernelEvent[] = [];
    const k = testKernel({ processors, quantumNs: 70, trace: (event) => events.push(event) });
    const gates = [1, 2, 3].map(() => KeInitializeEvent(k, "synchronization", true));
    for (let index = 0; index < 9; index++) {
      spawn(k, function* (kernel) {
        for (let round = 0; round < 6; round++) {
          const gate = gates[(index + round) % 3] ?? expect.fail();
          yield* KeWaitForSingleObject(kernel, gate, forever);
          yield* work(kernel, 13 + 7 * index);
          KeSetEvent(kernel, gate, index % 3);
          yield* KeDelayExecutionThread(kernel, { ...forever, timeout100ns: index + round });
        }
      });
    }
    expect(run(k).unfinished).toEqual([]);
    return events;
  }

  it.each([1, 2, 4])("two runs on %i processors give the same record", (processors) => {
    const first = traceOf(processors);
    expect(first.length).toBeGreaterThan(100);
    expect(traceOf(processors)).toEqual(first);
  });
});
