/** Rundown protection. */
import { describe, expect, it } from "vitest";
import {
  ExAcquireRundownProtection,
  ExReInitializeRundownProtection,
  ExReleaseRundownProtection,
  ExRundown,
  ExRundownCompleted,
  ExWaitForRundownProtectionRelease,
} from "../../../src/ex/rundown.ts";
import { WaitReason } from "../../../src/abi/ke.ts";
import { giveWay, run, runThreads, runToEnd, spawn, testKernel } from "../../support/kernel.ts";

describe("rundown protection", () => {
  it("with no user inside, rundown begins and ends at once", () => {
    const k = testKernel();
    const rundown = new ExRundown();
    expect(runToEnd(k, (kernel) => ExWaitForRundownProtectionRelease(kernel, rundown))).toBeUndefined();
    expect(ExAcquireRundownProtection(rundown)).toBe(false);
  });

  it("rundown waits for the last user", () => {
    const k = testKernel();
    const rundown = new ExRundown();
    const log: string[] = [];
    const end = runThreads(
      k,
      function* (kernel) {
        expect([ExAcquireRundownProtection(rundown), ExAcquireRundownProtection(rundown)]).toEqual([true, true]);
        yield* giveWay(kernel);
        ExReleaseRundownProtection(kernel, rundown);
        log.push("one left");
        yield* giveWay(kernel);
        ExReleaseRundownProtection(kernel, rundown);
        log.push("both left");
      },
      function* (kernel) {
        yield* ExWaitForRundownProtectionRelease(kernel, rundown);
        log.push("run down");
      },
    );
    expect([log, end.unfinished]).toEqual([["one left", "both left", "run down"], []]);
  });

  it("nobody gets in while rundown waits", () => {
    const k = testKernel();
    const rundown = new ExRundown();
    ExAcquireRundownProtection(rundown);
    const waiter = spawn(k, (kernel) => ExWaitForRundownProtectionRelease(kernel, rundown));
    run(k);
    expect([ExAcquireRundownProtection(rundown), waiter.waitReason]).toEqual([false, WaitReason.WrRundown]);
  });

  it("a second rundown of the same object returns at once", () => {
    const k = testKernel();
    const rundown = new ExRundown();
    const end = runThreads(k, function* (kernel) {
      yield* ExWaitForRundownProtectionRelease(kernel, rundown);
      ExRundownCompleted(rundown);
      yield* ExWaitForRundownProtectionRelease(kernel, rundown);
    });
    expect(end.unfinished).toEqual([]);
  });

  it("is open again after it was initialised anew", () => {
    const rundown = new ExRundown();
    ExRundownCompleted(rundown);
    expect(ExAcquireRundownProtection(rundown)).toBe(false);
    ExReInitializeRundownProtection(rundown);
    expect(ExAcquireRundownProtection(rundown)).toBe(true);
  });
});

describe("misuse", () => {
  it("a release without an acquisition is detected", () => {
    expect(() => ExReleaseRundownProtection(testKernel(), new ExRundown())).toThrow("released once for each time");
  });

  it("a second waiter is detected", () => {
    const k = testKernel();
    const rundown = new ExRundown();
    ExAcquireRundownProtection(rundown);
    for (let count = 0; count < 2; count++) {
      spawn(k, (kernel) => ExWaitForRundownProtectionRelease(kernel, rundown));
    }
    expect(() => run(k)).toThrow("one thread at most waits for rundown");
  });

  it("completion with somebody inside is detected", () => {
    const rundown = new ExRundown();
    ExAcquireRundownProtection(rundown);
    expect(() => ExRundownCompleted(rundown)).toThrow("nobody is left inside");
  });
});
