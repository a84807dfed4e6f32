/** Branches of the steps of termination that no other test is about, so that every one of them is reached by a test. */
import { expect, test } from "vitest";
import { KernelMode } from "../../../src/abi/ke.ts";
import { THREAD_ALL_ACCESS } from "../../../src/abi/ps.ts";
import {
  ntStatus,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_SUCCESS,
  STATUS_THREAD_IS_TERMINATING,
} from "../../../src/abi/status.ts";
import { Teb } from "../../../src/abi/teb.ts";
import { chargeQuota, returnQuota } from "../../../src/ex/quota.ts";
import { ScriptContext, type Script } from "../../../src/guest/script/context.ts";
import { nt } from "../../../src/guest/script/services.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { MmCreateTeb } from "../../../src/mm/teb.ts";
import { headerOf } from "../../../src/ob/header.ts";
import { ObDereferenceObject, ObReferenceObject } from "../../../src/ob/reference.ts";
import { PsGetCurrentProcess } from "../../../src/ps/current.ts";
import { PsTerminateProcess } from "../../../src/ps/kill.ts";
import type { EProcess, EThread } from "../../../src/ps/objects.ts";
import { PsCreateSystemThread, PspCreateThread } from "../../../src/ps/thread.ts";
import { addProcessExitAudit } from "../../../src/se/audit.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { createPort, newPort } from "../../support/port.ts";
import { processorModule } from "../../support/processor.ts";
import { ended, Gate, joined, must, play, processById, type Scene, settle, sleepForever } from "../../support/scene.ts";
import { spawn, start } from "../../support/scene.ts";

/** Ids that a table has before it must grow. */
const PAGE_OF_IDS = 512;

/** The ways that a step went, in order. */
function waysOf({ events }: Scene, id: string): (string | undefined)[] {
  return events.flatMap((event) => (event.kind === "step" && event.step === id ? [event.branch] : []));
}

/** The reasons for which a step was passed over, in order. */
function skipsOf({ events }: Scene, id: string): string[] {
  return events.flatMap((event) => (event.kind === "step-skipped" && event.step === id ? [event.reason] : []));
}

/** Gives a process a debug port whose debugger notes what it is told. */
function debug(k: Kernel, process: EProcess, heard: string[] = []): void {
  k.ps.dbgk.exitThread = function* (_k, status): Blocking<void> {
    heard.push(`thread ${status}`);
  };
  k.ps.dbgk.exitProcess = function* (_k, status): Blocking<void> {
    heard.push(`process ${status}`);
  };
  process.debugPort = newPort(k);
}

test("PT1, PT3: ending a process again from the kernel asks nobody and passes over what has ended", () => {
  const scene = play(function* () {
    const gate = new Gate();
    const child = yield* spawn(sleepForever);
    const extra = must(yield* nt.NtCreateThread(sleepForever, { process: child.handle }));
    yield* settle();
    yield* nt.NtTerminateThread(extra.handle, 3);
    yield* joined(extra.handle);
    yield* nt.call(function* (k) {
      const process = processById(k, child.id);
      for (const status of [5, 6]) {
        expect(yield* PsTerminateProcess(k, process, ntStatus(status))).toBe(STATUS_SUCCESS);
      }
      gate.open(k);
    });
    expect(yield* ended(child.handle)).toBe(5);
  });
  expect(skipsOf(scene, "PT1")).toEqual(["not-critical", "already-dying"]);
  expect(waysOf(scene, "PT3")).toEqual(["other", "signaled", "other", "signaled"]);
});

test("NP12: a debugged process that is ended by handle loses its handles at once", () => {
  const scene = play(function* () {
    const child = yield* spawn(function* () {
      must(yield* nt.NtCreateEvent("notification"));
      yield* sleepForever();
    });
    yield* settle();
    yield* nt.call((k) => debug(k, processById(k, child.id)));
    expect(yield* nt.NtTerminateProcess(child.handle, 5)).toBe(STATUS_SUCCESS);
    expect(yield* nt.call((k) => processById(k, child.id).objectTable?.count ?? 0)).toBe(0);
    yield* ended(child.handle);
  });
  expect(waysOf(scene, "NP12")).toEqual(["debugged"]);
});

test("E13: the last thread waits for each of its siblings, one after the other", () => {
  const scene = play(function* () {
    const child = yield* spawn(sleepForever);
    const gates = new Map<number, Gate>();
    for (let count = 0; count < 3; count++) {
      gates.set(must(yield* nt.NtCreateThread(sleepForever, { process: child.handle })).id, new Gate());
    }
    yield* settle();
    yield* nt.call((k) => {
      // Each has left the process, and is signaled when its gate opens.
      k.ps.win32Callouts = {
        thread: function* (kernel, thread) {
          yield* gates.get(thread.tid)!.pass(kernel);
          thread.win32Thread = null;
          return STATUS_SUCCESS;
        },
        process: function* () {
          return STATUS_SUCCESS;
        },
      };
      for (const thread of threadsOf(processById(k, child.id))) {
        thread.win32Thread = gates.has(thread.tid) ? thread : null;
      }
    });
    yield* nt.NtTerminateProcess(child.handle, 5);
    for (const gate of gates.values()) {
      yield* settle();
      expect(must(yield* nt.queryProcess(child.handle)).signaled).toBe(false);
      yield* nt.call((k) => gate.open(k));
    }
    expect(yield* ended(child.handle)).toBe(5);
  });
  expect(waysOf(scene, "E13")).toEqual(["first", "another"]);
});

function threadsOf(process: EProcess): EThread[] {
  const threads: EThread[] = [];
  for (let entry = process.ethreadListHead.flink; entry !== null; entry = entry.flink) {
    if (entry.owner === null) break;
    threads.push(entry.owner);
  }
  return threads;
}

test("E17: the debugger hears of each thread, and of the process instead of its last one", () => {
  const heard: string[] = [];
  const scene = play(function* () {
    const child = yield* spawn(sleepForever);
    const extra = must(yield* nt.NtCreateThread(sleepForever, { process: child.handle }));
    yield* settle();
    yield* nt.call((k) => debug(k, processById(k, child.id), heard));
    yield* nt.NtTerminateThread(extra.handle, 3);
    yield* joined(extra.handle);
    yield* nt.NtTerminateProcess(child.handle, 5);
    yield* ended(child.handle);
  });
  expect(heard).toEqual(["thread 3", "process 5"]);
  expect(waysOf(scene, "E17")).toEqual(["thread", "process"]);
});

test("E17: no debugger hears of system threads", () => {
  const heard: string[] = [];
  const scene = play(function* () {
    yield* nt.call(function* (k) {
      const system = k.ps.initialSystemProcess!;
      debug(k, system, heard);
      const thread = must(yield* PsCreateSystemThread(k, function* () {}, "short"));
      yield* ObDereferenceObject(k, thread);
    });
    yield* settle();
    yield* nt.call(function* (k) {
      const system = k.ps.initialSystemProcess!;
      const port = system.debugPort!;
      system.debugPort = null;
      yield* ObDereferenceObject(k, port);
    });
  });
  expect(heard).toEqual([]);
  expect(skipsOf(scene, "E17")).toContain("system-thread");
});

test("E22: a server behind the exception port that has no memory for ten seconds is given up too", () => {
  const scene = play(function* () {
    const server = yield* createPort();
    yield* nt.call((k) => {
      ObReferenceObject(server.port);
      PsGetCurrentProcess(k).exceptionPort = server.port;
    });
    const child = yield* start(sleepForever);
    yield* nt.call((k) => {
      k.ex.pool.failure = (_ordinal, tag) => tag === "LpcM";
    });
    yield* nt.NtTerminateThread(child.handle, 1);
    expect(yield* joined(child.handle)).toBe(1);
    yield* nt.call((k) => {
      k.ex.pool.failure = null;
    });
  });
  expect(waysOf(scene, "E22")[0]).toBe("given-up");
});

/** Creates a thread with a TEB in the caller's process, as user mode's threads have one. */
function startWithTeb(program: () => Script<void>): Script<number> {
  return nt.call(function* (k) {
    const created = yield* PspCreateThread(k, PsGetCurrentProcess(k), {
      handle: { desiredAccess: THREAD_ALL_ACCESS, attributes: 0, mode: KernelMode },
      setUp: (kernel, thread) => {
        thread.user = new ScriptContext(program, function* () {
          return ntStatus(0);
        });
        const process = thread.threadsProcess;
        const clientId = { process: process.pid, thread: thread.tid };
        const teb = MmCreateTeb(kernel, process, { clientId, stack: null });
        if (!teb.ok) return teb.status;
        thread.teb = teb.value;
        return STATUS_SUCCESS;
      },
    });
    if (!created.ok) return 0;
    yield* ObDereferenceObject(k, created.value.thread);
    return created.value.handle;
  });
}

const withMemory = { processor: { module: processorModule(), mode: "interpreter" }, memoryBytes: 16 << 20 } as const;

test("E30: a thread's TEB, the handle of its debug object and nothing else go with it", () => {
  const scene = play(function* () {
    const event = must(yield* nt.NtCreateEvent("notification"));
    const handle = yield* startWithTeb(sleepForever);
    yield* settle();
    const teb = yield* nt.call((k) => {
      const [, thread] = threadsOf(PsGetCurrentProcess(k));
      k.mm.user.begin().writeU32(thread!.teb + Teb.DbgSsReserved1, event);
      return thread!.teb;
    });
    expect(teb).not.toBe(0);
    yield* nt.NtTerminateThread(handle, 3);
    expect(yield* joined(handle)).toBe(3);
    expect(yield* nt.NtSetEvent(event)).not.toBe(STATUS_SUCCESS);
    expect(yield* nt.call((k) => PsGetCurrentProcess(k).addressSpace?.find(teb))).toBe(null);
  }, withMemory);
  expect(waysOf(scene, "E30")).toEqual(["live-thread"]);
});

test("E30b: what the TEB of a thread names that was never born properly is left alone", () => {
  const scene = play(function* () {
    const { usage, limits } = yield* nt.call((k) => PsGetCurrentProcess(k).quotaBlock!);
    const rest = limits.handles - usage.handles;
    yield* nt.call((k) => chargeQuota(PsGetCurrentProcess(k).quotaBlock!, "handles", rest));
    expect(yield* startWithTeb(sleepForever)).toBe(0);
    yield* nt.call((k) => returnQuota(PsGetCurrentProcess(k).quotaBlock!, "handles", rest));
    yield* settle();
  }, withMemory);
  expect(waysOf(scene, "E30")).toEqual(["dead-thread"]);
  const exits = scene.events.flatMap((event) => (event.kind === "thread-exited" ? [event.status] : []));
  expect(exits).toEqual([STATUS_THREAD_IS_TERMINATING, 0]);
});

test("E36: an exit is audited while the process still has its token, if policy says so", () => {
  const audited: (number | null)[] = [];
  const scene = play(
    function* () {
      yield* nt.NtTestAlert();
    },
    {
      prepare: (k) =>
        addProcessExitAudit(k, (_k, process) => {
          audited.push((process as EProcess).token === null ? null : process.pid);
        }),
    },
  );
  expect(audited).toHaveLength(1);
  expect(audited).not.toContain(null);
  expect(waysOf(scene, "E36")).toEqual(["audited"]);
});

test("DP7: a process that never ran gives up its section when its object goes", () => {
  const scene = play(function* () {
    const child = must(yield* nt.NtCreateProcess("never.exe", null));
    const section = yield* nt.call((k) => {
      const object = newPort(k);
      processById(k, child.id).sectionObject = object as never;
      return object;
    });
    yield* nt.NtClose(child.handle);
    expect(headerOf(section).deleted).toBe(true);
  });
  expect(waysOf(scene, "DP7")).toContain("dropped");
});

test("DT2: a thread that got no id has none to give back", () => {
  const scene = play(function* () {
    const child = yield* spawn(sleepForever);
    const free = yield* nt.call((k) => PAGE_OF_IDS - k.ps.cidTable.entries.length);
    for (let count = 0; count < free; count++) {
      must(yield* nt.NtCreateThread(sleepForever, { process: child.handle, suspended: true }));
    }
    yield* nt.call((k) => {
      k.ex.pool.failure = (_ordinal, tag) => tag === "Obtb";
    });
    const created = yield* nt.NtCreateThread(sleepForever, { process: child.handle });
    expect(created).toEqual({ ok: false, status: STATUS_INSUFFICIENT_RESOURCES });
    yield* nt.call((k) => {
      k.ex.pool.failure = null;
    });
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
  });
  expect(skipsOf(scene, "DT2")).toEqual(["no-id"]);
});

test("a system thread that ends does not take the System process with it", () => {
  play(function* () {
    const system = yield* nt.call((k) => k.ps.initialSystemProcess!);
    yield* nt.call(function* (k) {
      const thread = must(yield* PsCreateSystemThread(k, function* () {}, "short"));
      yield* ObDereferenceObject(k, thread);
    });
    yield* settle();
    expect(system.signalState).toBe(0);
    expect(system.activeThreads).toBeGreaterThan(0);
  });
});
