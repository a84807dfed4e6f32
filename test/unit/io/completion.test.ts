import { expect, it } from "vitest";
import {
  NtCreateIoCompletion,
  NtOpenIoCompletion,
  NtQueryIoCompletion,
  NtRemoveIoCompletion,
  NtRemoveIoCompletionEx,
  NtSetIoCompletion,
} from "../../../src/io/completionservice.ts";
import { NtClose } from "../../../src/ob/close.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { ntStatus } from "../../../src/abi/status.ts";
import { run, statusOf, valueOf } from "../../support/kernel.ts";
import { inThread, ioKernel, spawnIo } from "./support.ts";

function packet(key: number) {
  return { key, apcContext: 1, status: ntStatus(0), information: 2 };
}

function* port(k: Kernel): Blocking<number> {
  return valueOf(yield* NtCreateIoCompletion(k, 0x1f0003, null, 1)).handle;
}

it("packets come out in the order in which they went in", () => {
  const answers = inThread(ioKernel(), function* (k) {
    const handle = yield* port(k);
    for (const key of [1, 2, 3]) yield* NtSetIoCompletion(k, handle, packet(key));
    const depth = valueOf(yield* NtQueryIoCompletion(k, handle));
    const one = valueOf(yield* NtRemoveIoCompletion(k, handle, null));
    const rest = valueOf(yield* NtRemoveIoCompletionEx(k, handle, { count: 8, timeout100ns: null, alertable: false }));
    return [depth, one.key, rest.map((each) => each.key)];
  });
  expect(answers).toEqual([3, 1, [2, 3]]);
});

it("a thread waits for a packet, at most as long as it said", () => {
  const k = ioKernel();
  const answers: unknown[] = [];
  spawnIo(k, function* (kernel) {
    const handle = yield* port(kernel);
    answers.push(statusOf(yield* NtRemoveIoCompletion(kernel, handle, 1000)));
    spawnIo(k, function* (inner) {
      yield* NtSetIoCompletion(inner, handle, packet(7));
    });
    answers.push(valueOf(yield* NtRemoveIoCompletion(kernel, handle, null)).key);
  });
  run(k);
  expect(answers).toEqual([0x102, 7]);
});

it("posting for ever runs out of pool, and closing the port gives it back", () => {
  const k = ioKernel();
  const status = inThread(k, function* (kernel) {
    const handle = yield* port(kernel);
    kernel.ex.pool.failure = (ordinal, tag) => tag === "Icp " && ordinal > 500;
    let last = 0;
    while (last === 0) last = yield* NtSetIoCompletion(kernel, handle, packet(1));
    kernel.ex.pool.failure = null;
    yield* NtClose(kernel, handle);
    return last;
  });
  expect([status, k.ex.pool.tags.get("Icp ")?.bytes]).toEqual([0xc000009a, 0]);
});

it("a named port is opened by its name", () => {
  const key = inThread(ioKernel(), function* (k) {
    const attributes = { rootDirectory: 0, name: "\\BaseNamedObjects\\p", attributes: 0 };
    const first = valueOf(yield* NtCreateIoCompletion(k, 0x1f0003, attributes, 0)).handle;
    const second = valueOf(yield* NtOpenIoCompletion(k, 0x1f0003, attributes));
    yield* NtSetIoCompletion(k, first, packet(4));
    return valueOf(yield* NtRemoveIoCompletion(k, second, 0)).key;
  });
  expect(key).toBe(4);
});
