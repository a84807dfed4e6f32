/** A kill ends a thread wherever it is in user mode, waits and suspensions that began there included. */
import { expect, test } from "vitest";
import { MAXIMUM_SUSPEND_COUNT } from "../../../src/abi/ke.ts";
import { ntStatus, STATUS_SUCCESS } from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { KeFreezeAllThreads, KeThawAllThreads } from "../../../src/ke/suspend.ts";
import { NtTerminateThread } from "../../../src/ps/killservices.ts";
import { NtResumeThread } from "../../../src/ps/threadservices.ts";
import { joined, must, pause, play, type Scene, settle, spin, start, threadById } from "../../support/scene.ts";

/** Kills a thread that runs `program` and demands that it dies of that alone, with the given status and no user code after. */
function kills(program: () => Script<void>): Scene {
  return play(function* () {
    let survived = false;
    const child = yield* start(function* () {
      yield* program();
      survived = true;
    });
    yield* settle();
    expect(yield* nt.NtTerminateThread(child.handle, 77)).toBe(STATUS_SUCCESS);
    expect(yield* joined(child.handle)).toBe(77);
    expect(survived).toBe(false);
  });
}

test("a kill ends a wait in user mode that is not alertable", () => {
  kills(function* () {
    yield* nt.NtWaitForSingleObject(must(yield* nt.NtCreateEvent("notification")));
  });
});

test("a kill ends a wait in user mode that is alertable", () => {
  kills(function* () {
    yield* nt.NtWaitForSingleObject(must(yield* nt.NtCreateEvent("notification")), true);
  });
});

test("a kill ends a wait in user mode for all of several objects", () => {
  kills(function* () {
    const events = [must(yield* nt.NtCreateEvent("notification")), must(yield* nt.NtCreateEvent("notification"))];
    yield* nt.NtWaitForMultipleObjects(events, "all");
  });
});

test("a kill ends a sleep, alertable or not", () => {
  for (const alertable of [false, true]) {
    kills(function* () {
      yield* nt.NtDelayExecution(alertable, null);
    });
  }
});

test("a kill ends a wait for an alert", () => {
  kills(function* () {
    yield* nt.NtWaitForAlertByThreadId();
  });
});

test("a kill ends a thread that spins in user mode", () => {
  play(
    function* () {
      const child = yield* start(spin);
      expect(yield* nt.NtTerminateThread(child.handle, 77)).toBe(STATUS_SUCCESS);
      expect(yield* joined(child.handle)).toBe(77);
    },
    { processors: 2 },
  );
});

test("T-WT3: a kill ends a thread that is suspended once", () => {
  kills(function* () {
    must(yield* nt.NtSuspendThread(0xfffffffe));
  });
});

test("K11: a kill ends a thread that is suspended as often as a thread can be", () => {
  play(function* () {
    const child = yield* start(spin);
    for (let count = 0; count < MAXIMUM_SUSPEND_COUNT; count++) {
      expect(must(yield* nt.NtSuspendThread(child.handle))).toBe(count);
    }
    yield* settle();
    expect(yield* nt.NtTerminateThread(child.handle, 77)).toBe(STATUS_SUCCESS);
    expect(yield* joined(child.handle)).toBe(77);
    const { suspendCount } = yield* nt.call((k) => threadById(k, child.id));
    expect(suspendCount).toBe(0);
  });
});

test("T-WT3: a kill ends a thread that was created suspended and never ran", () => {
  play(function* () {
    let ran = false;
    const child = yield* start(
      function* () {
        ran = true;
        yield* nt.NtTestAlert();
      },
      { suspended: true },
    );
    expect(yield* nt.NtTerminateThread(child.handle, 99)).toBe(STATUS_SUCCESS);
    expect(yield* joined(child.handle)).toBe(99);
    expect(ran).toBe(false);
  });
});

test("a thread that is killed before it first runs executes nothing in user mode", () => {
  play(function* () {
    let ran = false;
    const child = yield* start(function* () {
      ran = true;
      yield* nt.NtTestAlert();
    });
    yield* nt.NtTerminateThread(child.handle, 99);
    expect(yield* joined(child.handle)).toBe(99);
    expect(ran).toBe(false);
  });
});

test("K11, T-WS2: a kill ends a thread that is frozen, and the thaw tolerates it", () => {
  play(function* () {
    const child = yield* start(spin);
    yield* nt.call(function* (k) {
      const thread = threadById(k, child.id);
      KeFreezeAllThreads(k);
      yield* pause(k);
      expect(thread.freezeCount).toBe(1);
      expect(yield* NtTerminateThread(k, child.handle, ntStatus(77))).toBe(STATUS_SUCCESS);
      yield* pause(k);
      expect(thread.signalState).toBe(1);
      yield* KeThawAllThreads(k);
    });
    expect(yield* joined(child.handle)).toBe(77);
  });
});

test("T-WS2: a resume does not let a frozen thread run, the thaw does", () => {
  play(function* () {
    let turns = 0;
    const child = yield* start(function* () {
      for (;;) {
        turns++;
        yield* nt.NtTestAlert();
      }
    });
    yield* nt.call(function* (k) {
      KeFreezeAllThreads(k);
      yield* pause(k);
      const before = turns;
      expect(must(yield* NtResumeThread(k, child.handle))).toBe(0);
      yield* pause(k);
      expect(turns).toBe(before);
      yield* KeThawAllThreads(k);
    });
    const before = turns;
    yield* settle();
    expect(turns).toBeGreaterThan(before);
    yield* nt.NtTerminateThread(child.handle, 1);
  });
});
