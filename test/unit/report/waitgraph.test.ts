import { describe, expect, it } from "vitest";
import { findCycle, withCycle, type WaitGraphThread } from "../../../src/report/waitgraph.ts";

function thread(tid: number, ...owners: (number | null)[]): WaitGraphThread {
  const waitsFor = owners.map((owner) => ({ kind: "mutant", id: 0x30, name: null, owner, note: "" }));
  return { pid: 8, tid, name: null, waitsFor };
}

describe("the ring of a wait graph", () => {
  it("is found between two threads", () => {
    expect(findCycle([thread(12, 16), thread(16, 12)])).toEqual([12, 16]);
  });

  it("begins with the lowest thread id and keeps the order of the waits", () => {
    expect(findCycle([thread(20, 12), thread(16, 20), thread(12, 16)])).toEqual([12, 16, 20]);
  });

  it("leaves out the threads that only lead to it", () => {
    expect(findCycle([thread(4, 12), thread(12, 16), thread(16, 12)])).toEqual([12, 16]);
  });

  it("is one thread that waits for itself", () => {
    expect(findCycle([thread(12, 12)])).toEqual([12]);
  });

  it("is empty when the chain ends at a thread that is dead", () => {
    expect(findCycle([thread(12, 16), thread(16, 99)])).toEqual([]);
  });

  it("is empty when nobody owns what is waited for", () => {
    expect(findCycle([thread(12, null), thread(16, null)])).toEqual([]);
  });

  it("is found along the second thing that a thread waits for", () => {
    expect(findCycle([thread(12, null, 16), thread(16, 12)])).toEqual([12, 16]);
  });

  it("is not mistaken for two ways to the same thread", () => {
    expect(findCycle([thread(4, 8, 12), thread(8, 16), thread(12, 16), thread(16, null)])).toEqual([]);
  });

  it("is found at the end of a chain of a hundred thousand threads", () => {
    const chain = Array.from({ length: 100_000 }, (_, index) => thread(index, Math.min(index + 1, 99_999)));
    expect(findCycle(chain)).toEqual([99_999]);
  });

  it("replaces whatever ring the graph came with", () => {
    expect(withCycle({ threads: [thread(12, 16)], cycle: [12, 16] }).cycle).toEqual([]);
  });
});
