/** Guarded mutexes. */
import { describe, expect, it } from "vitest";
import { AssertionFailure } from "../../../src/rtl/assert.ts";
import { KeGetCurrentThread } from "../../../src/ke/current.ts";
import { KeAcquireGuardedMutex, KeReleaseGuardedMutex, KGuardedMutex } from "../../../src/ke/gmutex.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { giveWay, run, runThreads, runToEnd, spawn, testKernel } from "../../support/kernel.ts";

function holder(mutex: KGuardedMutex, log: string[], name: string): (k: Kernel) => Blocking<void> {
  return function* (k) {
    yield* KeAcquireGuardedMutex(k, mutex);
    log.push(`${name} in, ${KeGetCurrentThread(k).specialApcDisable}`);
    yield* giveWay(k);
    yield* giveWay(k);
    log.push(`${name} out`);
    yield* KeReleaseGuardedMutex(k, mutex);
  };
}

describe("guarded mutexes", () => {
  it("let one thread in at a time, in the order in which they came, with all APCs off", () => {
    const k = testKernel();
    const mutex = new KGuardedMutex();
    const log: string[] = [];
    const end = runThreads(k, holder(mutex, log, "a"), holder(mutex, log, "b"), holder(mutex, log, "c"));
    expect(log).toEqual(["a in, -1", "a out", "b in, -1", "b out", "c in, -1", "c out"]);
    expect([end.unfinished, mutex.owner, mutex.holders()]).toEqual([[], null, []]);
  });

  it("leave the guarded region on release", () => {
    const k = testKernel();
    const counts = runToEnd(k, function* (kernel) {
      const mutex = new KGuardedMutex();
      yield* KeAcquireGuardedMutex(kernel, mutex);
      yield* KeReleaseGuardedMutex(kernel, mutex);
      return KeGetCurrentThread(kernel).specialApcDisable;
    });
    expect(counts).toBe(0);
  });

  it("are not recursive", () => {
    const k = testKernel();
    const mutex = new KGuardedMutex();
    spawn(k, function* (kernel) {
      yield* KeAcquireGuardedMutex(kernel, mutex);
      yield* KeAcquireGuardedMutex(kernel, mutex);
    });
    expect(() => run(k)).toThrow(AssertionFailure);
  });

  it("are released by their owner alone", () => {
    const k = testKernel();
    const mutex = new KGuardedMutex();
    spawn(k, holder(mutex, [], "a"));
    spawn(k, (kernel) => KeReleaseGuardedMutex(kernel, mutex));
    expect(() => run(k)).toThrow("only its owner releases a guarded mutex");
  });
});
