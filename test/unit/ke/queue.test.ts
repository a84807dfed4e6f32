/** Kernel queues: who gets an entry, and how many may run at a time. */
import { describe, expect, it } from "vitest";
import { STATUS_TIMEOUT } from "../../../src/abi/status.ts";
import { KeInitializeEvent, KeSetEvent } from "../../../src/ke/event.ts";
import { type KQueue, KQueueItem } from "../../../src/ke/objects.ts";
import {
  KeInitializeQueue,
  KeInsertHeadQueue,
  KeInsertQueue,
  KeRemoveQueue,
  KeRundownQueue,
} from "../../../src/ke/queue.ts";
import { KeWaitForSingleObject, type WaitOptions } from "../../../src/ke/wait.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { run, runToEnd, spawn, testKernel } from "../../support/kernel.ts";

const forever: WaitOptions = { reason: 0, mode: 0, alertable: false, timeout100ns: null };

class Item extends KQueueItem {
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }
}

/** Takes entries for ever and does `serve` with each. */
function server(queue: KQueue, serve: (k: Kernel, name: string) => Blocking<void>): (k: Kernel) => Blocking<void> {
  return function* (k) {
    for (;;) {
      const { item } = yield* KeRemoveQueue(k, queue, { mode: 0, alertable: false, timeout100ns: null });
      if (item instanceof Item) yield* serve(k, item.name);
    }
  };
}

function noting(log: string[]): (k: Kernel, name: string) => Blocking<void> {
  return function* (_k, name) {
    log.push(name);
  };
}

describe("entries", () => {
  it("come out in the order in which they were inserted, those at the head first", () => {
    const k = testKernel();
    const queue = KeInitializeQueue(k, 1);
    expect(KeInsertQueue(k, queue, new Item("a"))).toBe(0);
    expect(KeInsertQueue(k, queue, new Item("b"))).toBe(1);
    KeInsertHeadQueue(k, queue, new Item("c"));
    const log: string[] = [];
    spawn(k, server(queue, noting(log)));
    run(k);
    expect([log, queue.signalState]).toEqual([["c", "a", "b"], 0]);
  });

  it("go to the thread that began to wait last", () => {
    const k = testKernel();
    const queue = KeInitializeQueue(k, 4);
    const log: string[] = [];
    for (const name of ["first", "second"]) {
      spawn(
        k,
        server(queue, function* (_k, item) {
          log.push(`${name} ${item}`);
        }),
      );
    }
    run(k);
    KeInsertQueue(k, queue, new Item("a"));
    KeInsertQueue(k, queue, new Item("b"));
    run(k);
    expect(log).toEqual(["second a", "first b"]);
  });

  it("are handed back by a rundown", () => {
    const k = testKernel();
    const queue = KeInitializeQueue(k, 1);
    const item = new Item("left");
    KeInsertQueue(k, queue, item);
    expect([KeRundownQueue(queue), queue.signalState]).toEqual([[item], 0]);
  });
});

describe("concurrency", () => {
  it("no more threads than the maximum serve entries, until one of them blocks", () => {
    const k = testKernel();
    const queue = KeInitializeQueue(k, 1);
    const gate = KeInitializeEvent(k, "notification", false);
    const log: string[] = [];
    const serve = function* (kernel: Kernel, name: string): Blocking<void> {
      log.push(`${name} begins, ${queue.currentCount} running`);
      if (name === "a") yield* KeWaitForSingleObject(kernel, gate, forever);
      log.push(`${name} ends`);
    };
    spawn(k, server(queue, serve));
    spawn(k, server(queue, serve));
    run(k);
    for (const name of ["a", "b", "c"]) KeInsertQueue(k, queue, new Item(name));
    expect([queue.currentCount, queue.signalState]).toEqual([1, 2]);
    run(k);
    expect(log).toEqual(["a begins, 1 running", "b begins, 1 running", "b ends", "c begins, 1 running", "c ends"]);
    KeSetEvent(k, gate, 0);
    run(k);
    expect(log.at(-1)).toBe("a ends");
  });

  it("a thread that ends makes room for another", () => {
    const k = testKernel();
    const queue = KeInitializeQueue(k, 1);
    const log: string[] = [];
    spawn(k, function* (kernel) {
      yield* KeRemoveQueue(kernel, queue, { mode: 0, alertable: false, timeout100ns: null });
      log.push("one and no more");
    });
    KeInsertQueue(k, queue, new Item("a"));
    run(k);
    expect(queue.currentCount).toBe(0);
    spawn(k, server(queue, noting(log)));
    KeInsertQueue(k, queue, new Item("b"));
    run(k);
    expect(log).toEqual(["one and no more", "b"]);
  });

  it("0 means one thread for each processor", () => {
    expect(KeInitializeQueue(testKernel({ processors: 3 }), 0).maximumCount).toBe(3);
  });
});

describe("timeouts", () => {
  it("an empty queue answers TIMEOUT when the time is over, and the thread counts as running again", () => {
    const k = testKernel();
    const queue = KeInitializeQueue(k, 1);
    const seen = runToEnd(k, function* (kernel) {
      const now = yield* KeRemoveQueue(kernel, queue, { mode: 0, alertable: false, timeout100ns: 0 });
      const later = yield* KeRemoveQueue(kernel, queue, { mode: 0, alertable: false, timeout100ns: 500 });
      return [now, later, queue.currentCount, kernel.ke.prcb.clock];
    });
    const timeout = { item: null, status: STATUS_TIMEOUT };
    expect(seen).toEqual([timeout, timeout, 1, 50_000]);
  });
});
