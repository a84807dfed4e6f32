/** Callback slots. */
import { describe, expect, it } from "vitest";
import { CallbackSlots, invokeCallbacks, registerCallback, unregisterCallback } from "../../../src/ex/callback.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { giveWay, runThreads, runToEnd, testKernel } from "../../support/kernel.ts";

type Routine = (k: Kernel) => Blocking<void>;

function noting(log: string[], what: string): Routine {
  return function* () {
    log.push(what);
  };
}

describe("callback slots", () => {
  it("every registered routine is called, in the order of the slots, and none after its removal", () => {
    const k = testKernel();
    const table = new CallbackSlots<Routine>();
    const log: string[] = [];
    const [a, b, c] = [noting(log, "a"), noting(log, "b"), noting(log, "c")];
    for (const routine of [a, b, c]) registerCallback(table, routine);
    runToEnd(k, function* (kernel) {
      yield* invokeCallbacks(kernel, table, (routine) => routine(kernel));
      expect(yield* unregisterCallback(kernel, table, b)).toBe(true);
      yield* invokeCallbacks(kernel, table, (routine) => routine(kernel));
    });
    expect([log, table.count]).toEqual([["a", "b", "c", "a", "c"], 2]);
  });

  it("there are 64, and a freed one is used again", () => {
    const k = testKernel();
    const table = new CallbackSlots<number>();
    for (let index = 0; index < 64; index++) expect(registerCallback(table, index)).toBe(true);
    expect(registerCallback(table, 64)).toBe(false);
    expect(runToEnd(k, (kernel) => unregisterCallback(kernel, table, 7))).toBe(true);
    expect([registerCallback(table, 64), table.slots[7]?.routine]).toEqual([true, 64]);
  });

  it("an unknown routine is not removed", () => {
    const k = testKernel();
    expect(runToEnd(k, (kernel) => unregisterCallback(kernel, new CallbackSlots<number>(), 1))).toBe(false);
  });

  it("what a routine is, the table does not care (T-NOT2)", () => {
    const k = testKernel();
    const table = new CallbackSlots<Routine | null>();
    expect(registerCallback(table, null)).toBe(true);
    expect(runToEnd(k, (kernel) => unregisterCallback(kernel, table, null))).toBe(true);
  });

  it("removal waits for a call that is running", () => {
    const k = testKernel();
    const table = new CallbackSlots<Routine>();
    const log: string[] = [];
    const slow: Routine = function* (kernel) {
      log.push("begins");
      yield* giveWay(kernel);
      yield* giveWay(kernel);
      log.push("ends");
    };
    registerCallback(table, slow);
    runThreads(
      k,
      (kernel) => invokeCallbacks(kernel, table, (routine) => routine(kernel)),
      function* (kernel) {
        yield* unregisterCallback(kernel, table, slow);
        log.push("removed");
      },
    );
    expect(log).toEqual(["begins", "ends", "removed"]);
  });
});
