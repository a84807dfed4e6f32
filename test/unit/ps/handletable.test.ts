/** Handles of processes that end: cycles that must not keep anything alive, tables that are emptied early, zombies. */
import { expect, test } from "vitest";
import { PSF_PROCESS_DELETE } from "../../../src/abi/ps.ts";
import {
  ntStatus,
  STATUS_NOTHING_TO_TERMINATE,
  STATUS_PENDING,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
} from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { nt } from "../../../src/guest/script/services.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { ObClearProcessHandleTable } from "../../../src/ob/killprocess.ts";
import { ObReferenceObject } from "../../../src/ob/reference.ts";
import { PsGetCurrentProcess } from "../../../src/ps/current.ts";
import { PsGetNextProcessThread } from "../../../src/ps/iterate.ts";
import { PsTerminateProcess } from "../../../src/ps/kill.ts";
import type { EProcess, EThread } from "../../../src/ps/objects.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import {
  ended,
  joined,
  must,
  play,
  processById,
  settle,
  sleepForever,
  spawn,
  start,
  stepsOf,
} from "../../support/scene.ts";
import { newPort } from "../../support/port.ts";
import { openSilentWitness } from "../../support/witness.ts";

const PROTECT_FROM_CLOSE = 1;

/** A process that opens a witness under each attribute and then sleeps. */
function holder(log: string[], ...attributes: number[]) {
  return function* (): Script<void> {
    for (const attribute of attributes) yield* openSilentWitness(log, `closed ${attribute}`, attribute);
    yield* sleepForever();
  };
}

test("T-WP1: handles that a process holds to its own threads do not keep it alive", () => {
  play(function* () {
    const child = yield* spawn(function* () {
      const remote = yield* start(sleepForever, { suspended: true });
      must(yield* nt.NtOpenThread(remote.id));
      must(yield* nt.NtOpenProcess(yield* nt.call((k) => PsGetCurrentProcess(k).pid)));
      expect(yield* nt.NtTerminateThread(remote.handle, 7)).toBe(STATUS_SUCCESS);
      yield* sleepForever();
    });
    yield* settle();
    expect(yield* nt.NtTerminateProcess(child.handle, 5)).toBe(STATUS_SUCCESS);
    expect(yield* ended(child.handle)).toBe(5);
  });
});

test("two processes that hold handles to each other are both gone when both have ended", () => {
  play(function* () {
    const children = [yield* spawn(sleepForever), yield* spawn(sleepForever)];
    for (const [index, { id }] of children.entries()) {
      const other = children[1 - index]!;
      must(
        yield* nt.NtCreateThread(
          function* () {
            must(yield* nt.NtOpenProcess(other.id));
          },
          { process: children[index]!.handle },
        ),
      );
      expect(id).not.toBe(other.id);
    }
    yield* settle();
    for (const { handle } of children) {
      yield* nt.NtTerminateProcess(handle, 1);
      yield* ended(handle);
    }
  });
});

test("E38: handles that are protected from being closed are closed with their process", () => {
  const log: string[] = [];
  play(function* () {
    const child = yield* spawn(holder(log, 0, PROTECT_FROM_CLOSE));
    yield* settle();
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
  });
  expect(log).toEqual(["closed 0", "closed 1"]);
});

test("ObClearProcessHandleTable closes every handle, protected or not, and leaves the table usable", () => {
  const log: string[] = [];
  play(function* () {
    const child = yield* spawn(holder(log, PROTECT_FROM_CLOSE, 0));
    yield* settle();
    yield* nt.call((k) => ObClearProcessHandleTable(k, processById(k, child.id)));
    expect(log).toEqual(["closed 1", "closed 0"]);
    expect(yield* nt.call((k) => processById(k, child.id).objectTable?.count)).toBe(0);
    const late = yield* nt.NtCreateThread(
      function* () {
        return must(yield* nt.NtCreateEvent("notification")) as never;
      },
      { process: child.handle },
    );
    expect(yield* joined(must(late).handle)).toBe(4);
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
  });
});

test("Part D 8: ObClearProcessHandleTable leaves a process alone whose rundown has begun", () => {
  play(function* () {
    const child = yield* spawn(function* () {
      yield* nt.NtTestAlert();
    });
    yield* ended(child.handle);
    yield* nt.call((k) => ObClearProcessHandleTable(k, processById(k, child.id)));
    expect(yield* nt.call((k) => processById(k, child.id).objectTable)).toBe(null);
  });
});

test("D11: terminating a process that never had a thread answers SUCCESS, empties its table and signals nothing", () => {
  const log: string[] = [];
  const scene = play(function* () {
    yield* openSilentWitness(log, "closed", 2);
    const child = must(yield* nt.NtCreateProcess("heir.exe", null, { inheritHandles: true }));
    expect(yield* nt.NtTerminateProcess(child.handle, 5)).toBe(STATUS_SUCCESS);
    expect(log).toEqual(["closed"]);
    expect(must(yield* nt.queryProcess(child.handle))).toMatchObject({ exitStatus: STATUS_PENDING, signaled: false });
    expect(yield* nt.NtWaitForSingleObject(child.handle, false, 10_000)).toBe(STATUS_TIMEOUT);
    expect(yield* nt.call((k) => processById(k, child.id).flags & PSF_PROCESS_DELETE)).not.toBe(0);
    expect(yield* nt.NtTerminateProcess(child.handle, 6)).toBe(STATUS_SUCCESS);
    expect((yield* nt.NtCreateThread(sleepForever, { process: child.handle })).ok).toBe(false);
  });
  expect(stepsOf(scene)).toContain("NP13");
});

test("PT4: the kernel's termination of a process that never had a thread answers NOTHING_TO_TERMINATE", () => {
  const log: string[] = [];
  play(function* () {
    yield* openSilentWitness(log, "closed", 2);
    const child = must(yield* nt.NtCreateProcess("heir.exe", null, { inheritHandles: true }));
    const status = yield* nt.call((k) => PsTerminateProcess(k, processById(k, child.id), ntStatus(5)));
    expect(status).toBe(STATUS_NOTHING_TO_TERMINATE);
    expect(log).toEqual(["closed"]);
  });
});

/** Gives a process a debug port whose debugger never holds anything up. */
function debug(k: Kernel, process: EProcess): void {
  const nothing = function* (): Blocking<void> {};
  k.ps.dbgk.exitThread = nothing;
  k.ps.dbgk.exitProcess = nothing;
  k.ps.dbgk.createThread = nothing;
  process.debugPort = newPort(k);
}

test("NP12: the handles of a debugged process are closed at the kill, before its threads end", () => {
  const log: string[] = [];
  const { events } = play(function* () {
    const child = yield* spawn(holder(log, 0));
    yield* settle();
    yield* nt.call(function* (k) {
      const process = processById(k, child.id);
      debug(k, process);
      expect(yield* PsTerminateProcess(k, process, ntStatus(5))).toBe(STATUS_SUCCESS);
      expect(log).toEqual(["closed 0"]);
      expect(process.activeThreads).toBe(1);
    });
    expect(yield* ended(child.handle)).toBe(5);
  });
  expect(events.some((event) => event.kind === "step" && event.step === "PT4")).toBe(true);
  expect(events.some((event) => event.kind === "step" && event.step === "E17")).toBe(true);
});

test("NP12: the NULL form leaves the handles of a debugged process alone", () => {
  const log: string[] = [];
  play(function* () {
    yield* openSilentWitness(log, "closed");
    yield* nt.call((k) => debug(k, PsGetCurrentProcess(k)));
    expect(yield* nt.NtTerminateProcess(0, 5)).toBe(STATUS_SUCCESS);
    expect(log).toEqual([]);
  });
});

/** Ids of the threads that a walk finds. */
function* walk(k: Kernel, process: EProcess): Blocking<number[]> {
  const ids: number[] = [];
  for (
    let thread: EThread | null = yield* PsGetNextProcessThread(k, process, null);
    thread !== null;
    thread = yield* PsGetNextProcessThread(k, process, thread)
  ) {
    ids.push(thread.tid);
  }
  return ids;
}

test("a walk finds threads that have ended as long as somebody refers to them, and not after", () => {
  play(function* () {
    const child = yield* start(function* () {
      yield* nt.NtTestAlert();
    });
    yield* joined(child.handle);
    expect(yield* nt.call((k) => walk(k, PsGetCurrentProcess(k)))).toContain(child.id);
    yield* nt.NtClose(child.handle);
    yield* settle();
    expect(yield* nt.call((k) => walk(k, PsGetCurrentProcess(k)))).not.toContain(child.id);
  });
});

test("a walk sees threads that were created behind it while it was under way", () => {
  play(function* () {
    const first = yield* nt.call((k) => PsGetNextProcessThread(k, PsGetCurrentProcess(k), null));
    const late = yield* start(sleepForever);
    const second = yield* nt.call((k) => PsGetNextProcessThread(k, PsGetCurrentProcess(k), first));
    expect(second!.tid).toBe(late.id);
    expect(yield* nt.call((k) => PsGetNextProcessThread(k, PsGetCurrentProcess(k), second))).toBe(null);
    yield* nt.NtTerminateThread(late.handle, 1);
  });
});

test("a walk goes on from a thread that has ended and lost its handles while the walk stood on it", () => {
  play(function* () {
    const first = yield* start(settle);
    const second = yield* start(sleepForever);
    const standing = yield* nt.call(function* (k) {
      const main = yield* PsGetNextProcessThread(k, PsGetCurrentProcess(k), null);
      return yield* PsGetNextProcessThread(k, PsGetCurrentProcess(k), main);
    });
    expect(standing!.tid).toBe(first.id);
    yield* joined(first.handle);
    yield* nt.NtClose(first.handle);
    yield* settle();
    const next = yield* nt.call((k) => PsGetNextProcessThread(k, PsGetCurrentProcess(k), standing));
    expect(next!.tid).toBe(second.id);
    yield* nt.call((k) => PsGetNextProcessThread(k, PsGetCurrentProcess(k), next));
    yield* nt.NtTerminateThread(second.handle, 1);
  });
});

test("a process whose only threads are zombies answers PROCESS_IS_TERMINATING, not a clear table", () => {
  const scene = play(function* () {
    const child = yield* spawn(function* () {
      yield* nt.NtTestAlert();
    });
    yield* ended(child.handle);
    yield* nt.NtTerminateProcess(child.handle, 5);
  });
  expect(stepsOf(scene)).not.toContain("NP12");
});

test("DP5, DP6: the ports of a process are released with its object", () => {
  play(function* () {
    const child = yield* spawn(sleepForever, { suspended: true });
    yield* nt.call((k) => {
      const process = processById(k, child.id);
      process.exceptionPort = newPort(k);
      process.securityPort = process.exceptionPort;
      ObReferenceObject(process.exceptionPort);
    });
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
    expect(yield* nt.call((k) => processById(k, child.id).securityPort)).toBe("closed");
  });
});
