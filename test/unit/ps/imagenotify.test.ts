/** Image notify routines, and process notify routines that may refuse a process. */
import { expect, test } from "vitest";
import { PASSIVE_LEVEL } from "../../../src/abi/ke.ts";
import {
  STATUS_ACCESS_DENIED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_PROCEDURE_NOT_FOUND,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
} from "../../../src/abi/status.ts";
import { nt } from "../../../src/guest/script/services.ts";
import type { Driver } from "../../../src/io/driver.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../../../src/ps/current.ts";
import {
  type ImageInfo,
  type ImageNotifyRoutine,
  PsRemoveLoadImageNotifyRoutine,
  PsSetLoadImageNotifyRoutine,
} from "../../../src/ps/imagenotify.ts";
import { PsSetCreateProcessNotifyRoutineEx, PsSetCreateThreadNotifyRoutine } from "../../../src/ps/notify.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { ended, must, play, settle, spawn } from "../../support/scene.ts";
import { runSample } from "../../support/machine.ts";

interface Told {
  readonly name: string;
  readonly pid: number;
  readonly image: ImageInfo;
  readonly inPid: number;
  readonly irql: number;
}

/** A driver that notes the images that it is told of. */
function imageDriver(told: Told[]): Driver {
  const routine: ImageNotifyRoutine = function* (k, name, pid, image) {
    told.push({ name, pid, image, inPid: PsGetCurrentProcess(k).pid, irql: k.ke.prcb.irql });
  };
  return {
    name: "images",
    *load(k) {
      return yield* PsSetLoadImageNotifyRoutine(k, routine);
    },
  };
}

test("T-NOT1, T-NOT2: an image notify routine that was never registered is not removed, one that was is, whatever it is", () => {
  play(function* () {
    const nothing = null as unknown as ImageNotifyRoutine;
    yield* nt.call(function* (k: Kernel): Blocking<void> {
      expect(yield* PsRemoveLoadImageNotifyRoutine(k, nothing)).toBe(STATUS_PROCEDURE_NOT_FOUND);
      expect(yield* PsSetLoadImageNotifyRoutine(k, nothing)).toBe(STATUS_SUCCESS);
      expect(yield* PsRemoveLoadImageNotifyRoutine(k, nothing)).toBe(STATUS_SUCCESS);
      expect(yield* PsRemoveLoadImageNotifyRoutine(k, nothing)).toBe(STATUS_PROCEDURE_NOT_FOUND);
    });
  });
});

test("image notify routines have 64 slots", () => {
  play(function* () {
    yield* nt.call(function* (k: Kernel): Blocking<void> {
      for (let slot = 0; slot < 64; slot++) {
        expect(yield* PsSetLoadImageNotifyRoutine(k, function* () {})).toBe(STATUS_SUCCESS);
      }
      expect(yield* PsSetLoadImageNotifyRoutine(k, function* () {})).toBe(STATUS_INSUFFICIENT_RESOURCES);
    });
  });
});

test("T-NOT3: the program and ntdll are told in the first thread of the process, before it runs", () => {
  const told: Told[] = [];
  const { end } = runSample("samples/native/exit-return.exe", {}, { drivers: [imageDriver(told)] });
  expect(end.outcome).toBe("exited");
  expect(told.map(({ name }) => name.split("\\").at(-1))).toEqual(["exit-return.exe", "ntdll.dll"]);
  for (const { image, pid, inPid, irql } of told) {
    expect(image.imageBase % 0x10000).toBe(0);
    expect(image.imageSize).toBeGreaterThan(0);
    expect(inPid).toBe(pid);
    expect(irql).toBe(PASSIVE_LEVEL);
  }
});

test("a process is born with its first thread, told once, in its creator and before the thread", () => {
  play(function* () {
    const told: unknown[] = [];
    const [pid, tid] = yield* nt.call((k) => [PsGetCurrentProcess(k).pid, PsGetCurrentThread(k).tid] as const);
    yield* nt.call(function* (k) {
      yield* PsSetCreateProcessNotifyRoutineEx(
        k,
        function* (_k, process, id, info) {
          told.push(info === null ? ["ended", id] : ["born", id, process.pid, info.parentPid, info.creator]);
        },
        { remove: false },
      );
      yield* PsSetCreateThreadNotifyRoutine(k, function* (_k, _pid, _tid, create) {
        told.push(create ? "thread born" : "thread ended");
      });
    });
    const child = yield* spawn(null);
    expect(told).toEqual([]);
    for (let count = 0; count < 2; count++) must(yield* nt.NtCreateThread(settle, { process: child.handle }));
    yield* ended(child.handle);
    const born = ["born", child.id, child.id, pid, { pid, tid }];
    expect(told).toEqual([born, "thread born", "thread born", "thread ended", "thread ended", ["ended", child.id]]);
  });
});

test("a process that a notify routine refuses ends without running, and its creation answers why", () => {
  play(function* () {
    const told: boolean[] = [];
    yield* nt.call((k) =>
      PsSetCreateProcessNotifyRoutineEx(
        k,
        function* (_k, _process, _pid, info) {
          told.push(info !== null);
          if (info !== null) info.creationStatus = STATUS_ACCESS_DENIED;
        },
        { remove: false },
      ),
    );
    const child = yield* spawn(null);
    const run = function* () {
      expect.unreachable("the process was refused");
    };
    const refused = yield* nt.NtCreateThread(run, { process: child.handle });
    expect(refused).toEqual({ ok: false, status: STATUS_ACCESS_DENIED });
    expect(yield* nt.NtWaitForSingleObject(child.handle)).toBe(0);
    const again = yield* nt.NtCreateThread(run, { process: child.handle });
    expect(again).toEqual({ ok: false, status: STATUS_PROCESS_IS_TERMINATING });
    expect(told).toEqual([true, false]);
  });
});
