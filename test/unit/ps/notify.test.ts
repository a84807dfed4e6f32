/** Notify routines: who is told, by whom, and at which level. */
import { expect, test } from "vitest";
import { PASSIVE_LEVEL } from "../../../src/abi/ke.ts";
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_PROCEDURE_NOT_FOUND, STATUS_SUCCESS } from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { KeAreApcsDisabled } from "../../../src/ke/region.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../../../src/ps/current.ts";
import {
  PsRemoveCreateThreadNotifyRoutine,
  PsSetCreateProcessNotifyRoutine,
  PsSetCreateThreadNotifyRoutine,
} from "../../../src/ps/notify.ts";
import type { ProcessNotifyRoutine, ThreadNotifyRoutine } from "../../../src/ps/state.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { ended, Gate, joined, must, play, settle, sleepForever, spawn, start } from "../../support/scene.ts";

/** What a routine was told, and where it ran. */
interface Call {
  readonly what: "create" | "delete";
  readonly told: readonly [number, number];
  readonly in: readonly [number, number];
  readonly irql: number;
  readonly apcsDisabled: boolean;
}

/** A notify routine that notes its calls. */
function noting(calls: Call[]): ThreadNotifyRoutine & ProcessNotifyRoutine {
  return function* (k: Kernel, first: number, second: number, create: boolean): Blocking<void> {
    calls.push({
      what: create ? "create" : "delete",
      told: [first, second],
      in: [PsGetCurrentProcess(k).pid, PsGetCurrentThread(k).tid],
      irql: k.ke.prcb.irql,
      apcsDisabled: KeAreApcsDisabled(k),
    });
  };
}

function* whoAmI(): Script<readonly [number, number]> {
  return yield* nt.call((k) => [PsGetCurrentProcess(k).pid, PsGetCurrentThread(k).tid] as const);
}

function* shortThread(): Script<void> {
  yield* nt.NtTestAlert();
}

test("T-NOT1: removing a routine that was never registered answers PROCEDURE_NOT_FOUND", () => {
  play(function* () {
    const routine = noting([]);
    expect(yield* nt.call((k) => PsRemoveCreateThreadNotifyRoutine(k, routine))).toBe(STATUS_PROCEDURE_NOT_FOUND);
    expect(yield* nt.call((k) => PsSetCreateProcessNotifyRoutine(k, routine, { remove: true }))).toBe(
      STATUS_PROCEDURE_NOT_FOUND,
    );
  });
});

test("T-NOT3, T-NOT4: the end of a thread is told in that thread, at PASSIVE_LEVEL", () => {
  play(function* () {
    const calls: Call[] = [];
    yield* nt.call((k) => PsSetCreateThreadNotifyRoutine(k, noting(calls)));
    const child = yield* start(shortThread);
    yield* joined(child.handle);
    const end = calls.find(({ what }) => what === "delete")!;
    expect(end.told[1]).toBe(child.id);
    expect(end.in).toEqual(end.told);
    expect(end).toMatchObject({ irql: PASSIVE_LEVEL, apcsDisabled: false });
  });
});

test("T-NOT4: the end of a killed thread is told in that thread, at PASSIVE_LEVEL", () => {
  play(function* () {
    const calls: Call[] = [];
    const child = yield* start(sleepForever);
    yield* settle();
    yield* nt.call((k) => PsSetCreateThreadNotifyRoutine(k, noting(calls)));
    yield* nt.NtTerminateThread(child.handle, 1);
    yield* joined(child.handle);
    expect(calls).toMatchObject([{ what: "delete", irql: PASSIVE_LEVEL, apcsDisabled: false }]);
    expect(calls[0]!.in).toEqual(calls[0]!.told);
  });
});

test("T-NOT5: the birth of a thread is told in its creator", () => {
  play(function* () {
    const calls: Call[] = [];
    yield* nt.call((k) => PsSetCreateThreadNotifyRoutine(k, noting(calls)));
    const child = yield* start(shortThread);
    const birth = calls.find(({ what }) => what === "create")!;
    const own = yield* whoAmI();
    expect(birth.told).toEqual([own[0], child.id]);
    expect(birth.in).toEqual(own);
    yield* joined(child.handle);
  });
});

test("T-NOT6: every registered routine is told, and none after its removal", () => {
  play(function* () {
    const calls: [Call[], Call[]] = [[], []];
    const routines = calls.map(noting);
    for (const routine of routines) yield* nt.call((k) => PsSetCreateThreadNotifyRoutine(k, routine));
    yield* joined((yield* start(shortThread)).handle);
    expect(calls.map(({ length }) => length)).toEqual([2, 2]);
    expect(yield* nt.call((k) => PsRemoveCreateThreadNotifyRoutine(k, routines[0]!))).toBe(STATUS_SUCCESS);
    yield* joined((yield* start(shortThread)).handle);
    expect(calls.map(({ length }) => length)).toEqual([2, 4]);
  });
});

test("deps 22: the end of a process is told once, by its last thread, in a critical region", () => {
  play(function* () {
    const calls: Call[] = [];
    const [own] = yield* whoAmI();
    const child = yield* spawn(sleepForever);
    must(yield* nt.NtCreateThread(sleepForever, { process: child.handle }));
    yield* settle();
    yield* nt.call((k) => PsSetCreateProcessNotifyRoutine(k, noting(calls), { remove: false }));
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
    expect(calls).toMatchObject([{ what: "delete", told: [own, child.id], irql: PASSIVE_LEVEL, apcsDisabled: true }]);
    expect(calls[0]!.in[0]).toBe(child.id);
  });
});

test("a process that never had a thread is not told of when it goes", () => {
  play(function* () {
    const calls: Call[] = [];
    const child = yield* spawn(null);
    yield* nt.call((k) => PsSetCreateProcessNotifyRoutine(k, noting(calls), { remove: false }));
    yield* nt.NtClose(child.handle);
    expect(calls).toEqual([]);
  });
});

test("a removal waits until nobody runs the routine any more", () => {
  play(function* () {
    const gate = new Gate();
    const log: string[] = [];
    const routine = function* (k: Kernel, _pid: number, _tid: number, create: boolean): Blocking<void> {
      if (create) return;
      yield* gate.pass(k);
      log.push("routine returns");
    };
    yield* nt.call((k) => PsSetCreateThreadNotifyRoutine(k, routine));
    const dying = yield* start(shortThread);
    yield* settle();
    const remover = yield* start(function* () {
      yield* nt.call((k) => PsRemoveCreateThreadNotifyRoutine(k, routine));
      log.push("removed");
    });
    yield* settle();
    expect(log).toEqual([]);
    yield* nt.call((k) => {
      gate.open(k);
    });
    yield* joined(dying.handle);
    yield* joined(remover.handle);
    expect(log).toEqual(["routine returns", "removed"]);
  });
});

test("when all slots are taken a registration answers INSUFFICIENT_RESOURCES", () => {
  play(function* () {
    const statuses = yield* nt.call(function* (k) {
      const answers: number[] = [];
      for (let index = 0; index < 65; index++) answers.push(yield* PsSetCreateThreadNotifyRoutine(k, noting([])));
      return answers;
    });
    expect(statuses.lastIndexOf(STATUS_SUCCESS)).toBe(63);
    expect(statuses.at(-1)).toBe(STATUS_INSUFFICIENT_RESOURCES);
  });
});
