/** The pool: accounting, limits, injected failure, misuse. */
import { describe, expect, it } from "vitest";
import { BugCheckCode } from "../../../src/abi/ke.ts";
import { ExAllocatePoolWithTag, ExFreePool, ExFreePoolWithTag, type PoolBlock } from "../../../src/ex/pool.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { run, spawn, testKernel } from "../../support/kernel.ts";

function allocate(k: Kernel, bytes: number, tag: string): PoolBlock {
  return ExAllocatePoolWithTag(k, bytes, tag) ?? expect.fail("the pool has room");
}

describe("accounting", () => {
  it("counts allocations, frees and bytes for each tag", () => {
    const k = testKernel();
    const a = allocate(k, 100, "Aaaa");
    allocate(k, 50, "Aaaa");
    allocate(k, 7, "Bbbb");
    ExFreePoolWithTag(k, a, "Aaaa");
    expect(k.ex.pool.tags.get("Aaaa")).toEqual({ tag: "Aaaa", allocations: 2, frees: 1, bytes: 50 });
    expect(k.ex.pool.tags.get("Bbbb")).toEqual({ tag: "Bbbb", allocations: 1, frees: 0, bytes: 7 });
  });

  it("keeps every live block in the ledger, and only those", () => {
    const k = testKernel();
    const before = k.ex.pool.live.size;
    const a = allocate(k, 1, "Aaaa");
    const b = allocate(k, 1, "Aaaa");
    ExFreePool(k, a);
    expect(k.ex.pool.live.size).toBe(before + 1);
    expect(k.ex.pool.live.get(b.id)).toBe(b);
  });

  it("returns to where it was when everything is freed", () => {
    const k = testKernel();
    const { bytes } = k.ex.pool;
    const blocks = [1, 2, 3].map((size) => allocate(k, size, "Aaaa"));
    expect(k.ex.pool.bytes).toBe(bytes + 6);
    for (const block of blocks) ExFreePool(k, block);
    expect([k.ex.pool.bytes, k.ex.pool.peakBytes]).toEqual([bytes, bytes + 6]);
  });
});

describe("failure", () => {
  it("an allocation beyond the limit fails and charges nothing", () => {
    const k = testKernel({ limits: { poolBytes: 10_000 } });
    const { bytes } = k.ex.pool;
    expect(ExAllocatePoolWithTag(k, 10_001 - bytes, "Aaaa")).toBeNull();
    expect(k.ex.pool.bytes).toBe(bytes);
    expect(ExAllocatePoolWithTag(k, 10_000 - bytes, "Aaaa")).not.toBeNull();
  });

  it("is injected by ordinal and tag, and counts as an allocation", () => {
    const k = testKernel();
    const asked: [number, string][] = [];
    const first = k.ex.pool.allocations + 1;
    k.ex.pool.failure = (ordinal, tag) => {
      asked.push([ordinal - first, tag]);
      return ordinal === first + 1;
    };
    const answers = ["Aaaa", "Bbbb", "Cccc"].map((tag) => ExAllocatePoolWithTag(k, 1, tag) !== null);
    expect(answers).toEqual([true, false, true]);
    expect(asked).toEqual([
      [0, "Aaaa"],
      [1, "Bbbb"],
      [2, "Cccc"],
    ]);
  });
});

describe("misuse", () => {
  /** The code that the machine stops with. */
  function stopCode(misuse: (k: Kernel) => void): number | undefined {
    const k = testKernel();
    spawn(k, function* (kernel) {
      misuse(kernel);
    });
    expect(run(k).end).toBe("bugcheck");
    return k.ke.bugCheck?.code;
  }

  it("freeing with another tag stops the machine", () => {
    expect(stopCode((k) => ExFreePoolWithTag(k, allocate(k, 1, "Aaaa"), "Bbbb"))).toBe(BugCheckCode.BAD_POOL_CALLER);
  });

  it("freeing twice stops the machine", () => {
    const twice = (k: Kernel): void => {
      const block = allocate(k, 1, "Aaaa");
      ExFreePool(k, block);
      ExFreePool(k, block);
    };
    expect(stopCode(twice)).toBe(BugCheckCode.BAD_POOL_CALLER);
  });
});

describe("the record", () => {
  it("names each allocation, failure and free", () => {
    const events: string[] = [];
    const k = testKernel({
      trace: (event) => {
        if (event.kind === "pool" && event.tag === "Aaaa") events.push(`${event.act} ${event.bytes}`);
      },
    });
    ExFreePool(k, allocate(k, 5, "Aaaa"));
    k.ex.pool.failure = () => true;
    ExAllocatePoolWithTag(k, 6, "Aaaa");
    expect(events).toEqual(["allocate 5", "free 5", "fail 6"]);
  });
});
