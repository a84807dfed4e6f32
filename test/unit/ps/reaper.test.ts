/** The reaper: one activation at a time, newest first, and no stack freed while somebody runs on it. */
import { expect, test } from "vitest";
import type { ObjectBody } from "../../../src/rtl/body.ts";
import { nt } from "../../../src/guest/script/services.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { headerOf } from "../../../src/ob/header.ts";
import type { EThread } from "../../../src/ps/objects.ts";
import { PspDeleteThread } from "../../../src/ps/delete.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import type { KernelEvent } from "../../../src/sim/record.ts";
import {
  Gate,
  joined,
  play,
  type Scene,
  settle,
  sleepForever,
  start,
  stepsOf,
  threadById,
} from "../../support/scene.ts";

/** Ids of the threads in the order in which the reaper had them. */
function reaped({ events }: Scene): number[] {
  return events.flatMap((event) => (event.kind === "thread-reaped" ? [event.tid] : []));
}

/** How often `step` was reached. */
function count(scene: Scene, step: string): number {
  return stepsOf(scene).filter((name) => name === step).length;
}

/** Has the deletion of the thread with id `tid()` wait for the gate: the reaper stands still with it. */
function holdDeletion(k: Kernel, gate: Gate, tid: () => number): void {
  const type = k.ps.threadType as { deleteProcedure: (k: Kernel, body: ObjectBody) => Blocking<void> };
  type.deleteProcedure = function* (kernel, body) {
    if ((body as EThread).tid === tid()) yield* gate.pass(kernel);
    yield* PspDeleteThread(kernel, body);
  };
}

test("R1: a thread that dies while the reaper is idle is reaped by one activation", () => {
  const scene = play(function* () {
    const child = yield* start(sleepForever);
    yield* settle();
    yield* nt.NtTerminateThread(child.handle, 1);
    yield* joined(child.handle);
    yield* settle();
    const thread = yield* nt.call((k) => threadById(k, child.id));
    expect(thread.initialStack).toBe(null);
    expect(headerOf(thread).pointerCount).toBe(1);
    expect(yield* nt.call((k) => k.ke.reaperList)).toBe(null);
  });
  // The main thread is the other one.
  expect(count(scene, "R1")).toBe(2);
  expect(count(scene, "R3")).toBe(2);
});

test("R3: threads that die while the reaper works are reaped by the same activation, newest first", () => {
  const gate = new Gate();
  let held = 0;
  const died: number[] = [];
  const scene = play(
    function* () {
      // Its only reference will be the reaper's.
      const first = yield* start(settle);
      held = first.id;
      const others = [yield* start(sleepForever), yield* start(sleepForever), yield* start(sleepForever)];
      yield* nt.NtClose(first.handle);
      yield* settle();
      yield* settle();
      expect(yield* nt.call((k) => k.ke.reaperList)).toBe("busy");
      for (const { handle, id } of others) {
        yield* nt.NtTerminateThread(handle, 1);
        yield* joined(handle);
        died.push(id);
        expect((yield* nt.call((k) => threadById(k, id))).initialStack).not.toBe(null);
      }
      yield* nt.call((k) => {
        gate.open(k);
      });
      yield* settle();
      expect(yield* nt.call((k) => k.ke.reaperList)).toBe(null);
    },
    { prepare: (k) => holdDeletion(k, gate, () => held) },
  );
  expect(reaped(scene).slice(0, 4)).toEqual([held, ...died.reverse()]);
  // One round for the first, one for the three others, one for the main thread, which died when all was quiet.
  expect(count(scene, "R1")).toBe(3);
});

test("a signaled thread is not deleted before the reaper has had it, even without any handle", () => {
  const gate = new Gate();
  let held = 0;
  play(
    function* () {
      // Its only reference will be the reaper's.
      const first = yield* start(settle);
      held = first.id;
      const second = yield* start(sleepForever);
      yield* nt.NtClose(first.handle);
      yield* settle();
      yield* settle();
      yield* nt.NtTerminateThread(second.handle, 1);
      yield* joined(second.handle);
      yield* nt.NtClose(second.handle);
      const thread = yield* nt.call((k) => threadById(k, second.id));
      expect(headerOf(thread).pointerCount).toBe(1);
      yield* nt.call((k) => {
        gate.open(k);
      });
      yield* settle();
      expect(headerOf(thread).deleted).toBe(true);
    },
    { prepare: (k) => holdDeletion(k, gate, () => held) },
  );
});

test("D37: the reaper waits until a dead thread has left its stack", () => {
  let victim: EThread | null = null;
  const busy = (event: KernelEvent): void => {
    // Another processor has not switched away from the thread yet when the reaper begins.
    if (event.kind === "step" && event.step === "R1" && victim !== null && victim.signalState !== 0) {
      if (victim.initialStack !== null) victim.swapBusy = true;
    }
  };
  const scene = play(
    function* () {
      const child = yield* start(sleepForever);
      yield* settle();
      victim = yield* nt.call((k) => threadById(k, child.id));
      yield* nt.NtTerminateThread(child.handle, 1);
      yield* joined(child.handle);
      yield* settle();
      expect(victim.swapBusy).toBe(true);
      expect(victim.initialStack).not.toBe(null);
      expect(headerOf(victim).pointerCount).toBe(2);
      victim.swapBusy = false;
      yield* settle();
      expect(victim.initialStack).toBe(null);
      victim = null;
    },
    { see: busy },
  );
  expect(reaped(scene)).toHaveLength(2);
});

test("a thread is marked as running on its stack before it is handed to the reaper", () => {
  let seen = 0;
  play(
    function* () {
      const child = yield* start(sleepForever);
      yield* nt.NtTerminateThread(child.handle, 1);
      yield* joined(child.handle);
    },
    {
      processors: 2,
      prepare: (k) => {
        const { queueReaper } = k.ke.upcalls;
        k.ke.upcalls.queueReaper = (kernel) => {
          expect(kernel.ke.currentThread!.swapBusy).toBe(true);
          expect(kernel.ke.currentThread!.signalState).toBe(0);
          seen++;
          queueReaper(kernel);
        };
      },
    },
  );
  expect(seen).toBeGreaterThan(0);
});

for (const processors of [1, 2, 4]) {
  test(`a hundred threads that die at once are all reaped, on ${processors} processors`, () => {
    const scene = play(
      function* () {
        for (let index = 0; index < 100; index++) yield* start(sleepForever);
        yield* settle();
        yield* nt.NtTerminateProcess(0xffffffff, 3);
      },
      { processors },
    );
    expect(new Set(reaped(scene)).size).toBe(101);
    expect(scene.end.exitStatus).toBe(3);
  });
}

test("DT1: a thread whose creation fails frees its own stack, without the reaper", () => {
  const scene = play(function* () {
    yield* nt.call((k) => {
      k.ex.pool.failure = (_ordinal, tag) => tag === "KStk";
    });
    expect((yield* nt.NtCreateThread(sleepForever)).ok).toBe(false);
    yield* nt.call((k) => {
      k.ex.pool.failure = null;
    });
  });
  expect(count(scene, "R1")).toBe(1);
});
