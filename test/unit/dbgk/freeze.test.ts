/** Frozen is not suspended: what stops the other threads of a process while its debugger has an event. */
import { expect, test } from "vitest";
import { ntStatus, STATUS_SUCCESS } from "../../../src/abi/status.ts";
import { debugServices as dbg } from "../../../src/guest/script/debugservices.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { answer, type Debuggee, debugged, expectEvent, follow, pass } from "../../support/debugger.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import type { StateChange } from "../../../src/dbgk/services.ts";
import { ended, joined, must, play, settle, sleepForever, start, threadById } from "../../support/scene.ts";

interface Frozen {
  readonly child: Debuggee;
  readonly change: StateChange;
  readonly worker: { readonly id: number; ticks: number };
}

/** A debuggee with a worker that ticks, frozen by the exception of its first thread. */
function* frozen(): Script<Frozen> {
  const worker = { id: 0, ticks: 0 };
  const child = yield* debugged(function* () {
    worker.id = (yield* start(function* () {
      for (;;) {
        yield* nt.NtDelayExecution(false, 1_000);
        worker.ticks++;
      }
    })).id;
    yield* nt.NtDelayExecution(false, 20_000);
    yield* nt.NtRaiseException(0xc0000005);
    yield* sleepForever();
  });
  yield* pass(child.debug, "create-process");
  yield* pass(child.debug, "create-thread");
  const change = yield* expectEvent(child.debug, "exception");
  expect(worker.ticks).toBeGreaterThan(0);
  return { child, change, worker };
}

function* runs(worker: { ticks: number }): Script<boolean> {
  const before = worker.ticks;
  yield* settle();
  return worker.ticks > before;
}

function* finish({ child, change }: Frozen): Script<void> {
  yield* answer(child.debug, change);
  yield* nt.NtClose(child.debug);
  yield* ended(child.handle);
}

test("T-WS2: resuming a frozen thread reports a count of 0 and does not run it", () => {
  play(function* () {
    const scene = yield* frozen();
    const thread = must(yield* nt.NtOpenThread(scene.worker.id));
    expect(must(yield* nt.NtResumeThread(thread))).toBe(0);
    expect(yield* runs(scene.worker)).toBe(false);
    yield* finish(scene);
  });
});

test("T-WS2: resuming the process does not run its frozen threads", () => {
  play(function* () {
    const scene = yield* frozen();
    expect(yield* nt.NtResumeProcess(scene.child.handle)).toBe(STATUS_SUCCESS);
    expect(yield* runs(scene.worker)).toBe(false);
    yield* finish(scene);
  });
});

test("T-WS2: the debugger's answer runs them", () => {
  play(function* () {
    const scene = yield* frozen();
    expect(yield* runs(scene.worker)).toBe(false);
    yield* answer(scene.child.debug, scene.change);
    expect(yield* runs(scene.worker)).toBe(true);
    yield* nt.NtClose(scene.child.debug);
    yield* ended(scene.child.handle);
  });
});

test("T-WS2: a thread that was suspended while frozen stays suspended when the debugger answers", () => {
  play(function* () {
    const scene = yield* frozen();
    const thread = must(yield* nt.NtOpenThread(scene.worker.id));
    expect(must(yield* nt.NtSuspendThread(thread))).toBe(0);
    yield* answer(scene.child.debug, scene.change);
    expect(yield* runs(scene.worker)).toBe(false);
    expect(must(yield* nt.NtResumeThread(thread))).toBe(1);
    expect(yield* runs(scene.worker)).toBe(true);
    yield* nt.NtClose(scene.child.debug);
    yield* ended(scene.child.handle);
  });
});

test("T-WS2: the freeze count is apart from the suspend count", () => {
  play(function* () {
    const scene = yield* frozen();
    const counts = yield* nt.call((k) => {
      const { suspendCount, freezeCount } = threadById(k, scene.worker.id);
      return { suspendCount, freezeCount };
    });
    expect(counts).toEqual({ suspendCount: 0, freezeCount: 1 });
    yield* finish(scene);
  });
});

test("T-WS2: a kill zeroes both counts, and the frozen thread dies as soon as its debugger knows", () => {
  play(function* () {
    const scene = yield* frozen();
    const { child } = scene;
    const thread = must(yield* nt.NtOpenThread(scene.worker.id));
    expect(yield* nt.NtTerminateThread(thread, 9)).toBe(STATUS_SUCCESS);
    yield* settle();
    yield* answer(child.debug, scene.change);
    const exit = yield* pass(child.debug, "exit-thread");
    expect(exit.message).toEqual({ kind: "exit-thread", exitStatus: 9 });
    expect(yield* joined(thread)).toBe(9);
    yield* nt.NtClose(child.debug);
    yield* ended(child.handle);
  });
});

test("E17: the other threads are frozen while the debugger has the exit of one", () => {
  play(function* () {
    const worker = { ticks: 0 };
    const child = yield* debugged(function* () {
      yield* start(function* () {
        yield* nt.NtDelayExecution(false, 15_000);
        return ntStatus(3);
      });
      for (; worker.ticks < 50; worker.ticks++) yield* nt.NtDelayExecution(false, 1_000);
    });
    yield* pass(child.debug, "create-process");
    yield* pass(child.debug, "create-thread");
    const change = yield* expectEvent(child.debug, "exit-thread");
    expect(yield* runs(worker)).toBe(false);
    yield* answer(child.debug, change);
    expect(yield* runs(worker)).toBe(true);
    yield* follow(child.debug);
  });
});

test("E17: a process that is being ended is not frozen by the exits of its threads", () => {
  play(function* () {
    const child = yield* debugged(function* () {
      yield* start(sleepForever);
      yield* start(sleepForever);
      yield* sleepForever();
    });
    yield* pass(child.debug, "create-process");
    yield* pass(child.debug, "create-thread");
    yield* pass(child.debug, "create-thread");
    yield* settle();
    yield* nt.NtTerminateProcess(child.handle, 4);
    const change = yield* expectEvent(child.debug, "exit-thread");
    yield* settle();
    const frozenThreads = yield* nt.call(
      (k) => [...k.ke.liveThreads].filter((thread) => thread.freezeCount > 0).length,
    );
    expect(frozenThreads).toBe(0);
    yield* answer(child.debug, change);
    yield* follow(child.debug);
    expect(yield* ended(child.handle)).toBe(4);
  });
});

test("two threads of a process report at once: the debugger gets one after the other, and both go on", () => {
  play(function* () {
    const child = yield* debugged(function* () {
      const workers = [0, 1, 2].map(() =>
        start(function* () {
          yield* nt.NtDelayExecution(false, 10_000);
          yield* nt.NtRaiseException(0xc0000094);
          return ntStatus(1);
        }),
      );
      const handles: number[] = [];
      for (const worker of workers) handles.push((yield* worker).handle);
      yield* nt.NtWaitForMultipleObjects(handles, "all");
    });
    const seen = yield* follow(child.debug);
    expect(seen.filter(({ message }) => message.kind === "exception")).toHaveLength(3);
    expect(seen.filter(({ message }) => message.kind === "exit-thread")).toHaveLength(3);
    expect(yield* ended(child.handle)).toBe(0);
    expect(yield* dbg.NtWaitForDebugEvent(child.debug, 0)).toMatchObject({ ok: false });
  });
});
