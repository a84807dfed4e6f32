/** Creations that fail or lose their race with the end: whatever was made is undone, and nobody saw it half-made. */
import { expect, test } from "vitest";
import { CT_DEAD_THREAD } from "../../../src/abi/ps.ts";
import {
  STATUS_INVALID_HANDLE,
  STATUS_INVALID_PARAMETER,
  STATUS_NO_MEMORY,
  STATUS_QUOTA_EXCEEDED,
  STATUS_SUCCESS,
  STATUS_THREAD_IS_TERMINATING,
} from "../../../src/abi/status.ts";
import { createScriptThread, nt } from "../../../src/guest/script/services.ts";
import { ScriptContext } from "../../../src/guest/script/context.ts";
import { BOOT_SYSTEM_TIME } from "../../../src/ke/time.ts";
import { ObDereferenceObject, ObReferenceObject } from "../../../src/ob/reference.ts";
import { PsGetCurrentProcess } from "../../../src/ps/current.ts";
import { PsLookupProcessThreadByCid, PsLookupThreadByThreadId } from "../../../src/ps/lookup.ts";
import { PsSetCreateThreadNotifyRoutine } from "../../../src/ps/notify.ts";
import { PspCreateThread } from "../../../src/ps/thread.ts";
import { createPort, createTimeIn, messagesOf } from "../../support/port.ts";
import { ended, joined, must, play, settle, sleepForever, spawn, start } from "../../support/scene.ts";
import { openSilentWitness } from "../../support/witness.ts";

/** Makes the `n`-th allocation fail, for n = 1, 2, … until a creation no longer needs so many. @returns that n */
function failEach(create: (attempt: number) => ReturnType<typeof attemptOnce>): number {
  for (let ordinal = 1; ordinal < 40; ordinal++) {
    let reached = false;
    play(function* () {
      const step = create(ordinal);
      reached = yield* step;
    });
    if (!reached) return ordinal - 1;
  }
  throw new Error("a creation needs more than 40 allocations");
}

/** One creation with one failure. @returns whether the failure was reached; the creation failed if so */
function* attemptOnce(ordinal: number, create: () => ReturnType<typeof nt.NtCreateThread>) {
  const state = { count: 0, failed: false };
  yield* nt.call((k) => {
    k.ex.pool.failure = () => {
      if (++state.count !== ordinal) return false;
      state.failed = true;
      return true;
    };
  });
  const created = yield* create();
  yield* nt.call((k) => {
    k.ex.pool.failure = null;
  });
  expect(created.ok).toBe(!state.failed);
  if (created.ok) {
    yield* nt.NtTerminateThread(created.value.handle, 1);
    yield* nt.NtTerminateProcess(created.value.handle, 1);
    // A process without a thread is never signaled (D11).
    yield* nt.NtWaitForSingleObject(created.value.handle, false, 10_000);
  }
  return state.failed;
}

test("a thread's creation that runs out of memory anywhere leaves nothing", () => {
  const needed = failEach((ordinal) => attemptOnce(ordinal, () => nt.NtCreateThread(sleepForever)));
  expect(needed).toBeGreaterThanOrEqual(2);
});

test("DP1 to DP16: a process's creation that runs out of memory anywhere leaves nothing", () => {
  const needed = failEach((ordinal) => attemptOnce(ordinal, () => nt.NtCreateProcess("victim.exe", null)));
  expect(needed).toBeGreaterThanOrEqual(2);
});

test("a process with its first thread whose creation runs out of memory anywhere leaves nothing", () => {
  const needed = failEach((ordinal) => attemptOnce(ordinal, () => nt.NtCreateProcess("victim.exe", sleepForever)));
  expect(needed).toBeGreaterThanOrEqual(4);
});

test("DP9, D11: a process that never had a thread closes its handles and frees its memory when its object goes", () => {
  const log: string[] = [];
  play(function* () {
    yield* openSilentWitness(log, "closed", 2);
    const child = must(yield* nt.NtCreateProcess("heir.exe", null, { inheritHandles: true }));
    expect(log).toEqual([]);
    yield* nt.NtClose(child.handle);
    expect(log).toEqual(["closed"]);
  });
  expect(log).toEqual(["closed", "closed"]);
});

test("a thread whose handle cannot be made dies with THREAD_IS_TERMINATING and runs nothing", () => {
  let ran = false;
  const statuses: number[] = [];
  const { events } = play(
    function* () {
      for (let handle = 0; handle < 8; handle++) must(yield* nt.NtCreateEvent("notification"));
      const created = yield* nt.NtCreateThread(function* () {
        ran = true;
        yield* nt.NtTestAlert();
      });
      statuses.push(created.ok ? STATUS_SUCCESS : created.status);
      yield* settle();
    },
    { limits: { handles: 8 } },
  );
  expect(statuses).toEqual([STATUS_QUOTA_EXCEEDED]);
  expect(ran).toBe(false);
  const exits = events.flatMap((event) => (event.kind === "thread-exited" ? [event.status] : []));
  expect(exits).toEqual([STATUS_THREAD_IS_TERMINATING, 0]);
});

test("E22: the exception port hears of a thread whose creation failed after it was linked", () => {
  play(
    function* () {
      const server = yield* createPort();
      yield* nt.call((k) => {
        ObReferenceObject(server.port);
        PsGetCurrentProcess(k).exceptionPort = server.port;
      });
      for (let handle = 0; handle < 7; handle++) must(yield* nt.NtCreateEvent("notification"));
      expect((yield* nt.NtCreateThread(sleepForever)).ok).toBe(false);
      yield* settle();
      const [message] = messagesOf(server.port);
      expect(message!.clientId.tid).toBeGreaterThan(0);
      // D50: the server can tell which thread it was.
      expect(createTimeIn(message!)).toBeGreaterThan(BOOT_SYSTEM_TIME);
    },
    { limits: { handles: 8 } },
  );
});

test("D08, D09: a thread that is still being built is not found by its id", () => {
  play(function* () {
    yield* nt.call(function* (k) {
      const process = PsGetCurrentProcess(k);
      const found: boolean[] = [];
      const created = yield* PspCreateThread(k, process, {
        setUp: (kernel, thread) => {
          expect(thread.tid).not.toBe(0);
          found.push(PsLookupThreadByThreadId(kernel, thread.tid).ok);
          found.push(PsLookupProcessThreadByCid(kernel, process.pid, thread.tid).ok);
          return STATUS_NO_MEMORY;
        },
      });
      expect(created).toMatchObject({ ok: false, status: STATUS_NO_MEMORY });
      expect(found).toEqual([false, false]);
    });
  });
});

test("a thread is found by its id from the moment its creation is told of", () => {
  play(function* () {
    const found: boolean[] = [];
    yield* nt.call(function* (k) {
      const look = function* (kernel: typeof k, _pid: number, tid: number, create: boolean) {
        const thread = PsLookupThreadByThreadId(kernel, tid);
        if (create) found.push(thread.ok);
        if (thread.ok) yield* ObDereferenceObject(kernel, thread.value);
      };
      yield* PsSetCreateThreadNotifyRoutine(k, look);
    });
    const child = yield* start(function* () {
      yield* nt.NtTestAlert();
    });
    yield* joined(child.handle);
    expect(found).toEqual([true]);
  });
});

test("a failed creation gives its id back", () => {
  play(function* () {
    const before = yield* nt.call((k) => k.ps.cidTable.count);
    yield* nt.call(function* (k) {
      const setUp = () => STATUS_INVALID_PARAMETER;
      const created = yield* PspCreateThread(k, PsGetCurrentProcess(k), { setUp });
      expect(created.ok).toBe(false);
    });
    expect(yield* nt.call((k) => k.ps.cidTable.count)).toBe(before);
  });
});

test("D50: a thread's creation time is set before anybody can see the thread", () => {
  play(function* () {
    yield* settle();
    yield* nt.call(function* (k) {
      let createTime = -1;
      const setUp: Parameters<typeof PspCreateThread>[2]["setUp"] = (_k, thread) => {
        createTime = thread.createTime;
        thread.user = new ScriptContext(sleepForever, () => {
          throw new Error("the thread returns");
        });
        return STATUS_SUCCESS;
      };
      const created = must(yield* PspCreateThread(k, PsGetCurrentProcess(k), { setUp }));
      expect(createTime).toBeGreaterThan(0);
      yield* ObDereferenceObject(k, created.thread);
    });
    yield* nt.NtTerminateProcess(0, 1);
  });
});

test("a thread that was made without a handle lives until it ends, by the reaper's reference alone", () => {
  play(function* () {
    let ran = false;
    yield* nt.call(function* (k) {
      const program = function* () {
        yield* nt.NtTestAlert();
        ran = true;
      };
      const created = must(yield* createScriptThread(k, PsGetCurrentProcess(k), program, {}));
      expect(created.thread.crossThreadFlags & CT_DEAD_THREAD).toBe(0);
      yield* ObDereferenceObject(k, created.thread);
    });
    yield* settle();
    expect(ran).toBe(true);
  });
});

test("T-WT5: a thread that is created in another process runs there, and its status is read from outside", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    const pids: number[] = [];
    const remote = must(
      yield* nt.NtCreateThread(
        function* () {
          pids.push(yield* nt.call((k) => PsGetCurrentProcess(k).pid));
          return 9 as never;
        },
        { process: child.handle },
      ),
    );
    expect(yield* joined(remote.handle)).toBe(9);
    expect(pids).toEqual([child.id]);
    yield* nt.NtTerminateProcess(child.handle, 1);
    expect(yield* ended(child.handle)).toBe(1);
  });
});

test("deps 17: a user thread in the System process answers INVALID_HANDLE", () => {
  play(function* () {
    const system = yield* nt.call((k) => k.ps.initialSystemProcess!.pid);
    const process = must(yield* nt.NtOpenProcess(system));
    expect(yield* nt.NtCreateThread(sleepForever, { process })).toMatchObject({ status: STATUS_INVALID_HANDLE });
  });
});
