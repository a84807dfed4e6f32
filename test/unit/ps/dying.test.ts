/** A process that is on its way out: what it still answers at each stage, and what can no longer be created in it. */
import { expect, test } from "vitest";
import { ntStatus, STATUS_PENDING, STATUS_PROCESS_IS_TERMINATING, STATUS_SUCCESS } from "../../../src/abi/status.ts";
import { ExAcquirePushLockExclusive, ExReleasePushLock } from "../../../src/ex/pushlock.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../../../src/ex/rundown.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { createScriptProcess, createScriptThread, nt, type ScriptChild } from "../../../src/guest/script/services.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../../../src/ke/region.ts";
import { KeForceResumeThread, KeSuspendThread } from "../../../src/ke/suspend.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { ObDereferenceObject } from "../../../src/ob/reference.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../../../src/ps/current.ts";
import { PspTerminateThreadByPointer, PsTerminateProcess } from "../../../src/ps/kill.ts";
import { PsSetCreateProcessNotifyRoutine, PsSetCreateThreadNotifyRoutine } from "../../../src/ps/notify.ts";
import { PsSuspendThread } from "../../../src/ps/suspend.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import {
  ended,
  Gate,
  joined,
  must,
  pause,
  play,
  processById,
  settle,
  sleepForever,
  spawn,
  start,
  threadById,
} from "../../support/scene.ts";
import { openWitness } from "../../support/witness.ts";

type Child = ScriptChild & { readonly thread: number };

/** Creates a thread in another process; what came of it. */
function* createIn(process: number): Script<number> {
  const created = yield* nt.NtCreateThread(sleepForever, { process });
  return created.ok ? STATUS_SUCCESS : created.status;
}

/** Kills a process whose last thread then stays in its process notify routine, between E11 and E38. */
function whileNotifying(look: (child: Child) => Script<void>) {
  return play(function* () {
    const gate = new Gate();
    const notify = function* (k: Kernel, _parentPid: number, _pid: number, create: boolean) {
      if (!create) yield* gate.pass(k);
    };
    const child = yield* spawn(sleepForever);
    yield* nt.call((k) => PsSetCreateProcessNotifyRoutine(k, notify, { remove: false }));
    yield* nt.NtTerminateProcess(child.handle, 5);
    yield* settle();
    expect(must(yield* nt.queryProcess(child.handle)).signaled).toBe(false);
    yield* look(child);
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* ended(child.handle)).toBe(5);
  });
}

/** Kills a process whose last thread then stays in a close procedure, after the rundown of E38 and before E46. */
function whileClosing(look: (child: Child) => Script<void>) {
  return play(function* () {
    const gate = new Gate();
    const child = yield* spawn(function* () {
      yield* openWitness((k) => gate.pass(k));
      yield* sleepForever();
    });
    yield* settle();
    yield* nt.NtTerminateProcess(child.handle, 5);
    yield* settle();
    expect(must(yield* nt.queryProcess(child.handle)).signaled).toBe(false);
    yield* look(child);
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* ended(child.handle)).toBe(5);
  });
}

test("deps 31.8: between E11 and E38 NtTerminateProcess still answers SUCCESS", () => {
  whileNotifying(function* (child) {
    expect(yield* nt.NtTerminateProcess(child.handle, 9)).toBe(STATUS_SUCCESS);
  });
});

test("between E11 and E38 the exit status is there to be read although nothing is signaled", () => {
  whileNotifying(function* (child) {
    expect(must(yield* nt.queryProcess(child.handle))).toMatchObject({ exitStatus: 5, signaled: false });
    expect(must(yield* nt.queryThread(child.thread))).toMatchObject({ exitStatus: 5, signaled: false });
  });
});

test("between E11 and E38 no thread can be created", () => {
  whileNotifying(function* (child) {
    expect(yield* createIn(child.handle)).toBe(STATUS_PROCESS_IS_TERMINATING);
  });
});

test("between E11 and E38 suspending the process answers SUCCESS and does not stop the exit", () => {
  whileNotifying(function* (child) {
    expect(yield* nt.NtSuspendProcess(child.handle)).toBe(STATUS_SUCCESS);
  });
});

test("between E11 and E38 a child still inherits its handles", () => {
  whileNotifying(function* (child) {
    yield* nt.call(function* (k) {
      const parent = processById(k, child.id);
      const created = must(yield* createScriptProcess(k, "heir.exe", { parent, inheritHandles: true }));
      yield* ObDereferenceObject(k, created);
    });
  });
});

test("deps 31.7: after E38 NtTerminateProcess answers PROCESS_IS_TERMINATING before the process is signaled", () => {
  whileClosing(function* (child) {
    expect(yield* nt.NtTerminateProcess(child.handle, 9)).toBe(STATUS_PROCESS_IS_TERMINATING);
  });
});

test("D06: after E38 PsTerminateProcess agrees with NtTerminateProcess", () => {
  whileClosing(function* (child) {
    const status = yield* nt.call((k) => PsTerminateProcess(k, processById(k, child.id), ntStatus(9)));
    expect(status).toBe(STATUS_PROCESS_IS_TERMINATING);
  });
});

test("after E38 no thread can be created, and the process can be neither suspended nor resumed", () => {
  whileClosing(function* (child) {
    expect(yield* createIn(child.handle)).toBe(STATUS_PROCESS_IS_TERMINATING);
    expect(yield* nt.NtSuspendProcess(child.handle)).toBe(STATUS_PROCESS_IS_TERMINATING);
    expect(yield* nt.NtResumeProcess(child.handle)).toBe(STATUS_PROCESS_IS_TERMINATING);
  });
});

test("D39: after E38 a process is no parent any more", () => {
  whileClosing(function* (child) {
    const created = yield* nt.call((k) => createScriptProcess(k, "heir.exe", { parent: processById(k, child.id) }));
    expect(created).toMatchObject({ ok: false, status: STATUS_PROCESS_IS_TERMINATING });
  });
});

test("E38 waits until everybody who works on the process from outside is done", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    const process = yield* nt.call((k) => processById(k, child.id));
    expect(ExAcquireRundownProtection(process.rundownProtect)).toBe(true);
    yield* nt.NtTerminateProcess(child.handle, 5);
    yield* settle();
    expect(must(yield* nt.queryProcess(child.handle)).signaled).toBe(false);
    expect(process.objectTable).not.toBe(null);
    expect(yield* nt.NtTerminateProcess(child.handle, 6)).toBe(STATUS_PROCESS_IS_TERMINATING);
    yield* nt.call((k) => {
      ExReleaseRundownProtection(k, process.rundownProtect);
    });
    expect(yield* ended(child.handle)).toBe(5);
  });
});

test("NP6: from the kill on no thread can be created, although the process has not begun to exit", () => {
  play(function* () {
    const gate = new Gate();
    const child = yield* spawn(() => nt.call((k) => gate.pass(k)));
    yield* settle();
    yield* nt.NtTerminateProcess(child.handle, 5);
    expect(yield* createIn(child.handle)).toBe(STATUS_PROCESS_IS_TERMINATING);
    expect(must(yield* nt.queryProcess(child.handle)).exitStatus).toBe(STATUS_PENDING);
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* ended(child.handle)).toBe(5);
  });
});

/** A thread of the calling process that creates another one when the gate opens. */
function* startCreator(gate: Gate, answers: number[]): Script<number> {
  const creator = yield* start(() =>
    nt.call(function* (k): Blocking<void> {
      yield* gate.pass(k);
      const created = yield* createScriptThread(k, PsGetCurrentProcess(k), sleepForever, {});
      answers.push(created.ok ? STATUS_SUCCESS : created.status);
    }),
  );
  yield* settle();
  return creator.handle;
}

test("D07: a thread that the NULL form has told to die creates no more threads in its own process", () => {
  play(function* () {
    const gate = new Gate();
    const answers: number[] = [];
    const creator = yield* startCreator(gate, answers);
    expect(yield* nt.NtTerminateProcess(0, 5)).toBe(STATUS_SUCCESS);
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* joined(creator)).toBe(5);
    expect(answers).toEqual([STATUS_PROCESS_IS_TERMINATING]);
    expect(yield* nt.call((k) => PsGetCurrentProcess(k).activeThreads)).toBe(1);
  });
});

test("D07: a doomed thread may still create threads in another process", () => {
  play(function* () {
    const gate = new Gate();
    let late = 0;
    const child = yield* spawn(sleepForever);
    const creator = yield* start(() =>
      nt.call(function* (k) {
        yield* gate.pass(k);
        const created = must(yield* createScriptThread(k, processById(k, child.id), sleepForever, {}));
        late = created.thread.tid;
        yield* ObDereferenceObject(k, created.thread);
      }),
    );
    yield* settle();
    yield* nt.NtTerminateThread(creator.handle, 5);
    yield* nt.call((k) => {
      gate.open(k);
    });
    yield* joined(creator.handle);
    expect(late).not.toBe(0);
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
  });
});

test("D36: a thread that is linked before the kill dies of it, although its creator has not returned yet", () => {
  play(function* () {
    const gate = new Gate();
    const child = yield* spawn(sleepForever);
    const notify = function* (k: Kernel, pid: number, _tid: number, create: boolean) {
      if (create && pid === child.id) yield* gate.pass(k);
    };
    yield* nt.call((k) => PsSetCreateThreadNotifyRoutine(k, notify));
    const creator = yield* start(function* () {
      const made = must(yield* nt.NtCreateThread(sleepForever, { process: child.handle }));
      expect(yield* joined(made.handle)).toBe(5);
    });
    yield* settle();
    expect(yield* nt.call((k) => processById(k, child.id).activeThreads)).toBe(2);
    // Neither the kill nor a suspension of the creator keeps the new thread from dying.
    yield* nt.NtTerminateProcess(child.handle, 5);
    must(yield* nt.NtSuspendThread(creator.handle));
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* ended(child.handle)).toBe(5);
    must(yield* nt.NtResumeThread(creator.handle));
    yield* joined(creator.handle);
  });
});

test("D35: a killer that is suspended in the middle of the kill does not hold up its victim", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    yield* settle();
    const killer = yield* start(function* () {
      yield* nt.NtTerminateProcess(child.handle, 5);
    });
    yield* nt.call(function* (k) {
      const process = processById(k, child.id);
      // The killer gets as far as the list of threads, with the rundown in its hand.
      KeEnterCriticalRegion(k);
      yield* ExAcquirePushLockExclusive(k, process.processLock);
      yield* pause(k);
      expect(process.rundownProtect.count).toBe(1);
      expect(PsSuspendThread(k, threadById(k, killer.id))).toEqual({ ok: true, value: 0 });
      ExReleasePushLock(k, process.processLock);
      yield* KeLeaveCriticalRegion(k);
    });
    expect(yield* ended(child.handle)).toBe(5);
    expect(must(yield* nt.queryThread(killer.handle)).signaled).toBe(false);
    must(yield* nt.NtResumeThread(killer.handle));
    yield* joined(killer.handle);
  });
});

test("D02: a killer that is suspended while it kills a thread has queued the kill, so the thread dies", () => {
  play(function* () {
    const child = yield* start(sleepForever);
    yield* settle();
    yield* nt.call(function* (k) {
      // The suspension arrives while the killer is marking; it takes effect only when mark and APC are both there.
      const self = PsGetCurrentThread(k);
      KeEnterCriticalRegion(k);
      KeSuspendThread(k, self);
      const kill = { self: false, route: "killed", via: "test" } as const;
      yield* PspTerminateThreadByPointer(k, threadById(k, child.id), ntStatus(5), kill);
      expect(threadById(k, child.id).exitApc!.inserted).toBe(true);
      KeForceResumeThread(k, self);
      yield* KeLeaveCriticalRegion(k);
    });
    expect(yield* joined(child.handle)).toBe(5);
  });
});
