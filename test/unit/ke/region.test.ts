/** Critical and guarded regions: what the two counts do, and what they hold back. */
import { describe, expect, it } from "vitest";
import { APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL } from "../../../src/abi/ke.ts";
import { KeInsertQueueApc, newApc, noKernelRoutine } from "../../../src/ke/apc.ts";
import { KeGetCurrentThread } from "../../../src/ke/current.ts";
import { KeLowerIrql, KeRaiseIrql } from "../../../src/ke/irql.ts";
import {
  KeAreAllApcsDisabled,
  KeAreApcsDisabled,
  KeEnterCriticalRegion,
  KeEnterGuardedRegion,
  KeLeaveCriticalRegion,
  KeLeaveGuardedRegion,
} from "../../../src/ke/region.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { runToEnd, testKernel } from "../../support/kernel.ts";

function counts(k: Kernel): [number, number] {
  const thread = KeGetCurrentThread(k);
  return [thread.kernelApcDisable, thread.specialApcDisable];
}

describe("critical regions (T-APC1)", () => {
  it("count nested entries down and leaves up, and leave the special count alone", () => {
    const seen = runToEnd(testKernel(), function* (k) {
      const trail: [number, number][] = [];
      for (let depth = 0; depth < 3; depth++) {
        KeEnterCriticalRegion(k);
        trail.push(counts(k));
      }
      for (let depth = 0; depth < 3; depth++) {
        yield* KeLeaveCriticalRegion(k);
        trail.push(counts(k));
      }
      return trail;
    });
    expect(seen).toEqual([
      [-1, 0],
      [-2, 0],
      [-3, 0],
      [-2, 0],
      [-1, 0],
      [0, 0],
    ]);
  });
});

describe("guarded regions (T-APC2)", () => {
  it("count in the special count and leave the kernel count alone", () => {
    const seen = runToEnd(testKernel(), function* (k) {
      const trail: [number, number][] = [];
      KeEnterGuardedRegion(k);
      KeEnterGuardedRegion(k);
      trail.push(counts(k));
      yield* KeLeaveGuardedRegion(k);
      trail.push(counts(k));
      yield* KeLeaveGuardedRegion(k);
      trail.push(counts(k));
      return trail;
    });
    expect(seen).toEqual([
      [0, -2],
      [0, -1],
      [0, 0],
    ]);
  });
});

describe("what counts as disabled (T-APC3)", () => {
  it("a critical region turns APCs off, but not all of them", () => {
    const seen = runToEnd(testKernel(), function* (k) {
      KeEnterCriticalRegion(k);
      const inside = [KeAreApcsDisabled(k), KeAreAllApcsDisabled(k)];
      yield* KeLeaveCriticalRegion(k);
      return [inside, [KeAreApcsDisabled(k), KeAreAllApcsDisabled(k)]];
    });
    expect(seen).toEqual([
      [true, false],
      [false, false],
    ]);
  });

  it("a guarded region turns all APCs off", () => {
    const seen = runToEnd(testKernel(), function* (k) {
      KeEnterGuardedRegion(k);
      const inside = [KeAreApcsDisabled(k), KeAreAllApcsDisabled(k)];
      yield* KeLeaveGuardedRegion(k);
      return inside;
    });
    expect(seen).toEqual([true, true]);
  });
});

describe("unbalanced and mixed nesting (T-APC4)", () => {
  it("an unbalanced leave counts up to +1 and still reads as disabled", () => {
    const seen = runToEnd(testKernel(), function* (k) {
      yield* KeLeaveCriticalRegion(k);
      const answer = [...counts(k), KeAreApcsDisabled(k)];
      KeEnterCriticalRegion(k);
      return answer;
    });
    expect(seen).toEqual([1, 0, true]);
  });

  it("the two kinds nest independently", () => {
    const seen = runToEnd(testKernel(), function* (k) {
      KeEnterCriticalRegion(k);
      KeEnterGuardedRegion(k);
      yield* KeLeaveCriticalRegion(k);
      const answer = counts(k);
      yield* KeLeaveGuardedRegion(k);
      return answer;
    });
    expect(seen).toEqual([0, -1]);
  });
});

describe("raised levels (T-APC5)", () => {
  it.each([APC_LEVEL, DISPATCH_LEVEL])("level %i leaves the counts alone and disables all APCs", (level) => {
    const seen = runToEnd(testKernel(), function* (k) {
      KeRaiseIrql(k, level);
      const answer = [...counts(k), KeAreApcsDisabled(k), KeAreAllApcsDisabled(k)];
      yield* KeLowerIrql(k, PASSIVE_LEVEL);
      return answer;
    });
    expect(seen).toEqual([0, 0, false, true]);
  });
});

describe("delivery on leaving", () => {
  /** Queues a normal kernel APC to the current thread. */
  function queueToSelf(k: Kernel, log: string[]): void {
    const thread = KeGetCurrentThread(k);
    const apc = newApc(k, thread, {
      environment: 0,
      kernelRoutine: noKernelRoutine,

      normalRoutine: function* (): Blocking<void> {
        log.push("delivered");
      },
      mode: 0,
    });
    KeInsertQueueApc(k, apc, null, null, 0);
  }

  it("a normal APC waits for the outermost critical region to be left", () => {
    const log: string[] = [];
    runToEnd(testKernel(), function* (k) {
      KeEnterCriticalRegion(k);
      KeEnterCriticalRegion(k);
      queueToSelf(k, log);
      yield* KeLeaveCriticalRegion(k);
      log.push("one left");
      yield* KeLeaveCriticalRegion(k);
      log.push("both left");
    });
    expect(log).toEqual(["one left", "delivered", "both left"]);
  });

  it("leaving a guarded region inside a critical one delivers no normal APC", () => {
    const log: string[] = [];
    runToEnd(testKernel(), function* (k) {
      KeEnterCriticalRegion(k);
      KeEnterGuardedRegion(k);
      queueToSelf(k, log);
      yield* KeLeaveGuardedRegion(k);
      log.push("guarded left");
      yield* KeLeaveCriticalRegion(k);
    });
    expect(log).toEqual(["guarded left", "delivered"]);
  });

  it("lowering the level below APC_LEVEL delivers what came meanwhile", () => {
    const log: string[] = [];
    runToEnd(testKernel(), function* (k) {
      KeRaiseIrql(k, APC_LEVEL);
      queueToSelf(k, log);
      log.push("raised");
      yield* KeLowerIrql(k, PASSIVE_LEVEL);
      log.push("lowered");
    });
    expect(log).toEqual(["raised", "delivered", "lowered"]);
  });
});
