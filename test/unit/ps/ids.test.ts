/** Process and thread ids: one space, reserved as long as the object lives, found by whoever knows them. */
import { expect, test } from "vitest";
import { KernelMode } from "../../../src/abi/ke.ts";
import { PROCESS_ALL_ACCESS, THREAD_ALL_ACCESS } from "../../../src/abi/ps.ts";
import {
  STATUS_INVALID_CID,
  STATUS_INVALID_PARAMETER,
  STATUS_INVALID_PARAMETER_MIX,
  STATUS_SUCCESS,
  ntStatus,
} from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { ObReferenceObjectByHandle } from "../../../src/ob/handle.ts";
import { ObDereferenceObject } from "../../../src/ob/reference.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../../../src/ps/current.ts";
import { PsTerminateProcess } from "../../../src/ps/kill.ts";
import type { EProcess } from "../../../src/ps/objects.ts";
import { NtOpenProcess, NtOpenThread } from "../../../src/ps/open.ts";
import { ended, joined, must, play, processById, settle, sleepForever, spawn, start } from "../../support/scene.ts";

const UNNAMED = { rootDirectory: 0, name: null, attributes: 0 };

/** The status of a creation or an opening. */
function statusOf(result: { readonly ok: boolean; readonly status?: number }): number {
  return result.ok ? STATUS_SUCCESS : (result.status ?? -1);
}

test("ids of processes and threads share one space of multiples of four", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    const thread = yield* start(sleepForever);
    const own = yield* nt.call((k) => [PsGetCurrentProcess(k).pid, PsGetCurrentThread(k).tid]);
    const ids = [...own, child.id, thread.id];
    expect(new Set(ids).size).toBe(4);
    expect(ids.every((id) => id > 0 && id % 4 === 0)).toBe(true);
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* nt.NtTerminateThread(thread.handle, 1);
  });
});

test("T-TP5: a process that has ended is opened by its id as long as a handle keeps its object", () => {
  play(function* () {
    const child = yield* spawn(function* () {
      yield* nt.NtTestAlert();
      return 7 as never;
    });
    yield* ended(child.handle);
    const again = must(yield* nt.NtOpenProcess(child.id));
    expect(must(yield* nt.queryProcess(again)).exitStatus).toBe(7);
  });
});

test("T-TP5: after the last handle is closed the id leads nowhere", () => {
  play(function* () {
    const child = yield* spawn(function* () {
      yield* nt.NtTestAlert();
    });
    yield* ended(child.handle);
    yield* nt.NtClose(child.handle);
    yield* nt.NtClose(child.thread);
    yield* settle();
    expect(statusOf(yield* nt.NtOpenProcess(child.id))).toBe(STATUS_INVALID_PARAMETER);
  });
});

/** Ways in which a process ends that might keep a reference on it. */
const ENDS: Record<string, (process: number) => Script<unknown>> = {
  "a kill": (process) => nt.NtTerminateProcess(process, 1),
  "a kill by two": function* (process) {
    yield* nt.NtTerminateProcess(process, 1);
    yield* nt.NtTerminateProcess(process, 2);
  },
  "a kill while it is suspended": function* (process) {
    yield* nt.NtSuspendProcess(process);
    yield* nt.NtTerminateProcess(process, 1);
  },
  "a kill from the kernel": (process) =>
    nt.call(function* (k) {
      const object = must(ObReferenceObjectByHandle<EProcess>(k, process, 0, k.ps.processType, KernelMode));
      yield* PsTerminateProcess(k, object, ntStatus(1));
      yield* ObDereferenceObject(k, object);
    }),
};

for (const [name, kill] of Object.entries(ENDS)) {
  test(`T-TP5: ${name} leaves no reference on the process`, () => {
    play(function* () {
      const child = yield* spawn(sleepForever);
      yield* settle();
      yield* kill(child.handle);
      yield* ended(child.handle);
      yield* nt.NtClose(child.thread);
      yield* nt.NtClose(child.handle);
      yield* settle();
      expect(statusOf(yield* nt.NtOpenProcess(child.id))).toBe(STATUS_INVALID_PARAMETER);
    });
  });
}

test("a handle to a dead thread keeps the id and the object of its process", () => {
  play(function* () {
    const child = yield* spawn(function* () {
      yield* nt.NtTestAlert();
    });
    yield* ended(child.handle);
    yield* nt.NtClose(child.handle);
    yield* settle();
    expect(yield* nt.call((k) => processById(k, child.id).pid)).toBe(child.id);
    yield* nt.NtClose(child.thread);
    yield* settle();
    expect(statusOf(yield* nt.NtOpenProcess(child.id))).toBe(STATUS_INVALID_PARAMETER);
  });
});

test("T-TP5: a thread that has ended is opened by its id as long as a handle keeps its object, and not after", () => {
  play(function* () {
    const child = yield* start(function* () {
      yield* nt.NtTestAlert();
      return 7 as never;
    });
    yield* joined(child.handle);
    const again = must(yield* nt.NtOpenThread(child.id));
    expect(must(yield* nt.queryThread(again)).exitStatus).toBe(7);
    yield* nt.NtClose(again);
    yield* nt.NtClose(child.handle);
    yield* settle();
    expect(statusOf(yield* nt.NtOpenThread(child.id))).toBe(STATUS_INVALID_PARAMETER);
  });
});

test("a thread's id is no process's, nor the other way round", () => {
  play(function* () {
    const child = yield* start(sleepForever);
    expect(statusOf(yield* nt.NtOpenProcess(child.id))).toBe(STATUS_INVALID_PARAMETER);
    const pid = yield* nt.call((k) => PsGetCurrentProcess(k).pid);
    expect(statusOf(yield* nt.NtOpenThread(pid))).toBe(STATUS_INVALID_PARAMETER);
    yield* nt.NtTerminateThread(child.handle, 1);
  });
});

test("a pair of ids leads to the thread only if they belong together", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    const { pid, tid } = yield* nt.call((k) => ({ pid: PsGetCurrentProcess(k).pid, tid: PsGetCurrentThread(k).tid }));
    const open = (clientId: { pid: number; tid: number }) =>
      nt.call((k) => NtOpenThread(k, { desiredAccess: THREAD_ALL_ACCESS, attributes: UNNAMED, clientId }));
    expect(statusOf(yield* open({ pid, tid }))).toBe(STATUS_SUCCESS);
    expect(statusOf(yield* open({ pid: child.id, tid }))).toBe(STATUS_INVALID_CID);
    expect(statusOf(yield* open({ pid, tid: 0x7770 }))).toBe(STATUS_INVALID_CID);
    yield* nt.NtTerminateProcess(child.handle, 1);
  });
});

test("NtOpenProcess with a pair of ids opens the process of the thread", () => {
  play(function* () {
    const { pid, tid } = yield* nt.call((k) => ({ pid: PsGetCurrentProcess(k).pid, tid: PsGetCurrentThread(k).tid }));
    const open = (clientId: { pid: number; tid: number }) =>
      nt.call((k) => NtOpenProcess(k, { desiredAccess: PROCESS_ALL_ACCESS, attributes: UNNAMED, clientId }));
    expect(statusOf(yield* open({ pid, tid }))).toBe(STATUS_SUCCESS);
    expect(statusOf(yield* open({ pid: pid + 4, tid }))).toBe(STATUS_INVALID_CID);
  });
});

test("NtOpenProcess wants a name or an id, not both and not neither", () => {
  play(function* () {
    const clientId = { pid: 4, tid: 0 };
    const named = { ...UNNAMED, name: "\\BaseNamedObjects\\x" };
    const open = (request: { attributes: typeof UNNAMED | typeof named; clientId: typeof clientId | null }) =>
      nt.call((k) => NtOpenProcess(k, { desiredAccess: PROCESS_ALL_ACCESS, ...request }));
    expect(statusOf(yield* open({ attributes: named, clientId }))).toBe(STATUS_INVALID_PARAMETER_MIX);
    expect(statusOf(yield* open({ attributes: UNNAMED, clientId: null }))).toBe(STATUS_INVALID_PARAMETER_MIX);
  });
});

test("deps 31.12: an id is used again after its object is gone, and never while a handle keeps it", () => {
  play(function* () {
    const program = function* () {
      yield* nt.NtTestAlert();
    };
    const kept = yield* start(program);
    yield* joined(kept.handle);
    const used = new Map<number, number>();
    for (let index = 0; index < 600; index++) {
      const child = yield* start(program);
      used.set(child.id, (used.get(child.id) ?? 0) + 1);
      yield* joined(child.handle);
      yield* nt.NtClose(child.handle);
    }
    expect(used.has(kept.id)).toBe(false);
    expect(used.size).toBeLessThan(600);
    expect(Math.max(...used.values())).toBeGreaterThan(1);
  });
});
