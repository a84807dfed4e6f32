/** Push locks (T-PSH3) and executive resources: exclusion, order, recursion, misuse. */
import { describe, expect, it } from "vitest";
import {
  ExAcquirePushLockExclusive,
  ExAcquirePushLockShared,
  ExPushLock,
  ExReleasePushLock,
  tryAcquirePushLockExclusive,
  tryAcquirePushLockShared,
} from "../../../src/ex/pushlock.ts";
import {
  EResource,
  ExAcquireResourceExclusiveLite,
  ExAcquireResourceSharedLite,
  ExIsResourceAcquiredExclusiveLite,
  ExReleaseResourceLite,
} from "../../../src/ex/resource.ts";
import { LockEvent } from "../../../src/ke/lockevent.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../../../src/ke/region.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { giveWay, run, runThreads, runToEnd, spawn, testKernel, type TestKernel } from "../../support/kernel.ts";

/** What the tests need to know of either kind of lock. */
interface LockKind {
  readonly name: string;
  readonly make: () => { exclusive: Acquire; shared: Acquire; release: (k: Kernel) => void; lock: object };
}
type Acquire = (k: Kernel) => Blocking<void>;

const kinds: LockKind[] = [
  {
    name: "push locks",
    make: () => {
      const lock = new ExPushLock();
      return {
        lock,
        exclusive: (k) => ExAcquirePushLockExclusive(k, lock),
        shared: (k) => ExAcquirePushLockShared(k, lock),
        release: (k) => ExReleasePushLock(k, lock),
      };
    },
  },
  {
    name: "executive resources",
    make: () => {
      const lock = new EResource();
      return {
        lock,
        exclusive: (k) => ExAcquireResourceExclusiveLite(k, lock),
        shared: (k) => ExAcquireResourceSharedLite(k, lock),
        release: (k) => ExReleaseResourceLite(k, lock),
      };
    },
  },
];

describe.each(kinds)("$name", ({ make }) => {
  /** Runs one thread for each letter, W a writer and R a reader; each holds the lock for `rounds` turns. */
  function traceOf(k: TestKernel, roles: string, rounds: number): string {
    const { exclusive, shared, release } = make();
    const log: string[] = [];
    let inside = "";
    const end = runThreads(
      k,
      ...[...roles].map(
        (role, index) =>
          function* (kernel: Kernel): Blocking<void> {
            KeEnterCriticalRegion(kernel);
            yield* (role === "W" ? exclusive : shared)(kernel);
            inside += role;
            expect(inside).toMatch(/^(W|R+)$/);
            log.push(`${role}${index}`);
            for (let round = 0; round < rounds; round++) yield* giveWay(kernel);
            inside = inside.replace(role, "");
            release(kernel);
            yield* KeLeaveCriticalRegion(kernel);
          },
      ),
    );
    expect(end.unfinished).toEqual([]);
    return log.join(" ");
  }

  it("never let a writer in with anybody else, and serve in the order of arrival", () => {
    expect(traceOf(testKernel(), "WWRRWRW", 3)).toBe("W0 W1 R2 R3 W4 R5 W6");
  });

  it("let readers in together", () => {
    expect(traceOf(testKernel(), "RRR", 3)).toBe("R0 R1 R2");
  });

  it("do not let a reader overtake a writer that waits", () => {
    expect(traceOf(testKernel(), "RWR", 3)).toBe("R0 W1 R2");
  });

  it.each([2, 3, 4])("exclude on %i processors", (processors) => {
    traceOf(testKernel({ processors }), "RWRRWWRWRR", 5);
  });

  it("are acquired in a critical region only", () => {
    const k = testKernel();
    const { exclusive } = make();
    spawn(k, exclusive);
    expect(() => run(k)).toThrow("is acquired in a critical region");
  });

  it("are released by a thread that holds them only", () => {
    const k = testKernel();
    const { release } = make();
    spawn(k, function* (kernel) {
      release(kernel);
    });
    expect(() => run(k)).toThrow("released by a thread that holds it");
  });

  it("lead from a waiting thread to the one that holds them", () => {
    const k = testKernel();
    const { exclusive, lock } = make();
    const holder = spawn(k, function* (kernel) {
      KeEnterCriticalRegion(kernel);
      yield* exclusive(kernel);
    });
    const waiter = spawn(k, function* (kernel) {
      KeEnterCriticalRegion(kernel);
      yield* exclusive(kernel);
    });
    run(k);
    const awaited = waiter.waitBlocks[0]?.object;
    expect(awaited).toBeInstanceOf(LockEvent);
    expect((awaited as LockEvent).lock).toBe(lock);
    expect((awaited as LockEvent).lock.holders()).toEqual([holder]);
  });
});

describe("push locks only", () => {
  it("can be tried without blocking", () => {
    const k = testKernel();
    const lock = new ExPushLock();
    const answers = runToEnd(k, function* (kernel) {
      KeEnterCriticalRegion(kernel);
      const first = tryAcquirePushLockShared(kernel, lock);
      ExReleasePushLock(kernel, lock);
      const second = tryAcquirePushLockExclusive(kernel, lock);
      ExReleasePushLock(kernel, lock);
      yield* KeLeaveCriticalRegion(kernel);
      return [first, second, lock.holders().length];
    });
    expect(answers).toEqual([true, true, 0]);
  });

  it("are not recursive", () => {
    const k = testKernel();
    const lock = new ExPushLock();
    spawn(k, function* (kernel) {
      KeEnterCriticalRegion(kernel);
      yield* ExAcquirePushLockShared(kernel, lock);
      yield* ExAcquirePushLockShared(kernel, lock);
    });
    expect(() => run(k)).toThrow("a push lock is not acquired twice");
  });
});

describe("executive resources only", () => {
  it("are recursive for their writer, also when it reads", () => {
    const k = testKernel();
    const resource = new EResource();
    const held = runToEnd(k, function* (kernel) {
      KeEnterCriticalRegion(kernel);
      yield* ExAcquireResourceExclusiveLite(kernel, resource);
      yield* ExAcquireResourceExclusiveLite(kernel, resource);
      yield* ExAcquireResourceSharedLite(kernel, resource);
      const trail = [ExIsResourceAcquiredExclusiveLite(kernel, resource)];
      for (let depth = 0; depth < 3; depth++) {
        ExReleaseResourceLite(kernel, resource);
        trail.push(ExIsResourceAcquiredExclusiveLite(kernel, resource));
      }
      yield* KeLeaveCriticalRegion(kernel);
      return trail;
    });
    expect(held).toEqual([true, true, true, false]);
  });

  it("let a reader in again although a writer waits", () => {
    const k = testKernel();
    const resource = new EResource();
    const log: string[] = [];
    const end = runThreads(
      k,
      function* (kernel) {
        KeEnterCriticalRegion(kernel);
        yield* ExAcquireResourceSharedLite(kernel, resource);
        yield* giveWay(kernel);
        yield* ExAcquireResourceSharedLite(kernel, resource);
        log.push("reads twice");
        ExReleaseResourceLite(kernel, resource);
        ExReleaseResourceLite(kernel, resource);
        yield* KeLeaveCriticalRegion(kernel);
      },
      function* (kernel) {
        KeEnterCriticalRegion(kernel);
        yield* ExAcquireResourceExclusiveLite(kernel, resource);
        log.push("writes");
        ExReleaseResourceLite(kernel, resource);
        yield* KeLeaveCriticalRegion(kernel);
      },
    );
    expect([log, end.unfinished]).toEqual([["reads twice", "writes"], []]);
  });
});
