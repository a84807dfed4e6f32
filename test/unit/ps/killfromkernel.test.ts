/** Ends that the kernel itself decides: of the own process wherever the caller is, and of all processes. */
import { expect, test } from "vitest";
import { PSF_BREAK_ON_TERMINATION } from "../../../src/abi/ps.ts";
import {
  ntStatus,
  STATUS_PENDING,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
  STATUS_SYSTEM_SHUTDOWN,
} from "../../../src/abi/status.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { KeStackAttachProcess, KeUnstackDetachProcess } from "../../../src/ke/attach.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../../../src/ke/region.ts";
import { PsGetCurrentProcess } from "../../../src/ps/current.ts";
import { PspShutdownProcessManager, PsTerminateProcess } from "../../../src/ps/kill.ts";
import { PspClearProcessFlag, PspSetProcessFlag } from "../../../src/ps/flags.ts";
import { ended, must, play, processById, settle, sleepForever, spawn, start } from "../../support/scene.ts";
import { openWitness } from "../../support/witness.ts";

test("PT3, D04: a process that ends itself from the kernel takes all its threads along and leaks nothing", () => {
  const { end } = play(function* () {
    for (let index = 0; index < 3; index++) yield* start(sleepForever);
    yield* nt.call((k) => PsTerminateProcess(k, PsGetCurrentProcess(k), ntStatus(12)));
    throw new Error("the caller lives on");
  });
  expect(end.exitStatus).toBe(12);
});

test("D04: a process that ends itself in a critical region dies by its own kill when it leaves", () => {
  const log: string[] = [];
  const { end } = play(function* () {
    yield* start(sleepForever);
    yield* nt.call(function* (k) {
      KeEnterCriticalRegion(k);
      expect(yield* PsTerminateProcess(k, PsGetCurrentProcess(k), ntStatus(12))).toBe(STATUS_SUCCESS);
      log.push("still there");
      yield* KeLeaveCriticalRegion(k);
      log.push("out of the region");
    });
    log.push("user mode");
  });
  expect(end.exitStatus).toBe(12);
  expect(log).toEqual(["still there", "out of the region"]);
});

test("D04: a process that ends itself while attached elsewhere dies after it has detached", () => {
  play(function* () {
    const host = yield* spawn(sleepForever);
    const child = yield* spawn(() =>
      nt.call(function* (k) {
        const own = PsGetCurrentProcess(k);
        const undo = KeStackAttachProcess(k, processById(k, host.id));
        expect(yield* PsTerminateProcess(k, own, ntStatus(12))).toBe(STATUS_SUCCESS);
        yield* KeUnstackDetachProcess(k, undo);
      }),
    );
    expect(yield* ended(child.handle)).toBe(12);
    expect(must(yield* nt.queryProcess(host.handle)).exitStatus).toBe(STATUS_PENDING);
    yield* nt.NtTerminateProcess(host.handle, 1);
  });
});

test("D43c: a close procedure that ends the process which is closing its handles is refused", () => {
  const answers: number[] = [];
  play(function* () {
    const child = yield* spawn(function* () {
      yield* openWitness(function* (k) {
        answers.push(yield* PsTerminateProcess(k, PsGetCurrentProcess(k), ntStatus(13)));
      });
      yield* sleepForever();
    });
    yield* settle();
    yield* nt.NtTerminateProcess(child.handle, 5);
    expect(yield* ended(child.handle)).toBe(5);
  });
  expect(answers).toEqual([STATUS_PROCESS_IS_TERMINATING]);
});

test("D44: a shutdown ends every process but System, critical ones and its own", () => {
  play(function* () {
    const plain = yield* spawn(sleepForever);
    const critical = yield* spawn(sleepForever);
    yield* nt.call(function* (k) {
      PspSetProcessFlag(processById(k, critical.id), PSF_BREAK_ON_TERMINATION);
      yield* PspShutdownProcessManager(k);
    });
    expect(yield* ended(plain.handle)).toBe(STATUS_SYSTEM_SHUTDOWN);
    expect(must(yield* nt.queryProcess(critical.handle)).exitStatus).toBe(STATUS_PENDING);
    yield* nt.call((k) => {
      PspClearProcessFlag(processById(k, critical.id), PSF_BREAK_ON_TERMINATION);
    });
    yield* nt.NtTerminateProcess(critical.handle, 1);
    expect(yield* ended(critical.handle)).toBe(1);
  });
});
