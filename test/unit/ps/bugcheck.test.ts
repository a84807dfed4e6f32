/** What NT gives up at while a thread exits: the code and the parameters of each bugcheck. */
import { expect, test } from "vitest";
import { KernelMode } from "../../../src/abi/ke.ts";
import { CURRENT_THREAD_HANDLE } from "../../../src/abi/ps.ts";
import { ntStatus } from "../../../src/abi/status.ts";
import { ExDestroyHandle } from "../../../src/ex/handle.ts";
import { ExQueueWorkItem, ExWorkItem, WorkQueueType } from "../../../src/ex/work.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { KeInsertQueueApc, newApc, noKernelRoutine } from "../../../src/ke/apc.ts";
import { KeStackAttachProcess } from "../../../src/ke/attach.ts";
import { KeInitializeMutex } from "../../../src/ke/mutant.ts";
import type { KMutant } from "../../../src/ke/objects.ts";
import { KeEnterCriticalRegion, KeEnterGuardedRegion, KeLeaveCriticalRegion } from "../../../src/ke/region.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../../../src/ps/current.ts";
import { PsTerminateSystemThread } from "../../../src/ps/kill.ts";
import { NtTerminateThread } from "../../../src/ps/killservices.ts";
import type { EThread } from "../../../src/ps/objects.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import {
  blockInKernel,
  joined,
  play,
  processById,
  type Scene,
  settle,
  sleepForever,
  spawn,
  start,
  stepsOf,
} from "../../support/scene.ts";

interface Crash {
  readonly scene: Scene;
  readonly thread: EThread;
}

/** Has a thread prepare itself in the kernel and end itself there; the machine stops. */
function exitAfter(prepare: (k: Kernel, thread: EThread) => Blocking<void> | void): Crash {
  let thread: EThread | null = null;
  const scene = play(
    function* () {
      yield* nt.call(function* (k) {
        thread = PsGetCurrentThread(k);
        const preparation = prepare(k, thread);
        if (preparation !== undefined) yield* preparation;
        yield* NtTerminateThread(k, CURRENT_THREAD_HANDLE, ntStatus(5));
      });
    },
    { outcome: "bugcheck" },
  );
  return { scene, thread: thread! };
}

/** The last exit step that was reached. */
function lastStep({ scene }: Crash): string | undefined {
  return stepsOf(scene).at(-1);
}

test("0x05: a thread that exits while attached, with its process, the other one, the index and itself", () => {
  let own = 0;
  let host = 0;
  let tid = 0;
  const { k } = play(
    function* () {
      const child = yield* spawn(sleepForever, { suspended: true });
      yield* nt.call(function* (kernel) {
        const thread = PsGetCurrentThread(kernel);
        const process = processById(kernel, child.id);
        [own, host, tid] = [PsGetCurrentProcess(kernel).id, process.id, thread.id];
        KeStackAttachProcess(kernel, process);
        yield* NtTerminateThread(kernel, CURRENT_THREAD_HANDLE, ntStatus(5));
      });
    },
    { outcome: "bugcheck" },
  );
  expect(k.ke.bugCheck).toEqual({ code: 0x05, parameters: [own, host, 1, tid] });
});

test("0x20 at E5: a thread that exits in a critical region", () => {
  const crash = exitAfter((k) => KeEnterCriticalRegion(k));
  expect(crash.scene.k.ke.bugCheck).toEqual({ code: 0x20, parameters: [0, 0xffff, 0, 1] });
  expect(lastStep(crash)).toBe("E5");
});

test("0x20 at E5: a thread that exits in a guarded region", () => {
  const crash = exitAfter((k) => KeEnterGuardedRegion(k));
  expect(crash.scene.k.ke.bugCheck).toEqual({ code: 0x20, parameters: [0, 0xffff0000, 0, 1] });
});

test("0x20 at E5, T-APC4: a thread that has left more regions than it entered", () => {
  const crash = exitAfter((k) => KeLeaveCriticalRegion(k));
  expect(crash.scene.k.ke.bugCheck).toEqual({ code: 0x20, parameters: [0, 1, 0, 1] });
});

test("0x20 at E5, T-MUT: a thread that exits with a kernel mutex", () => {
  const crash = exitAfter(function* (k) {
    yield* blockInKernel(k, KeInitializeMutex(k));
  });
  expect(crash.scene.k.ke.bugCheck).toEqual({ code: 0x20, parameters: [0, 0xffff, 0, 1] });
});

test("0x20 at E45: a region that was entered during the exit and not left", () => {
  const crash = exitAfter((k, thread) => {
    thread.legoData = thread;
    k.ps.legoNotify = (kernel) => KeEnterCriticalRegion(kernel);
  });
  expect(crash.scene.k.ke.bugCheck).toEqual({ code: 0x20, parameters: [0, 0xffff, 0, 0] });
  expect(lastStep(crash)).toBe("E45");
});

test("0x20 at E45: a kernel APC that is still queued, which is the first parameter", () => {
  let id = 0;
  const crash = exitAfter((k, thread) => {
    thread.legoData = thread;
    k.ps.legoNotify = (kernel) => {
      const apc = newApc(kernel, thread, {
        environment: 0,
        kernelRoutine: noKernelRoutine,
        normalRoutine: null,
        mode: KernelMode,
      });
      id = apc.id;
      // Only a driver that writes into the thread object gets an APC in so late.
      thread.apcQueueable = true;
      KeInsertQueueApc(kernel, apc, null, null, 0);
    };
  });
  expect(crash.scene.k.ke.bugCheck).toEqual({ code: 0x20, parameters: [id, 0, 0, 0] });
});

test("0x94: a thread whose kernel stack is locked", () => {
  const crash = exitAfter((_k, thread) => {
    thread.enableStackSwap = false;
  });
  expect(crash.scene.k.ke.bugCheck).toEqual({ code: 0x94, parameters: [0, 0, 0, 0] });
  expect(lastStep(crash)).toBe("E25");
});

test("0xE9: a worker that ends itself in a work item", () => {
  const { k, events } = play(
    function* () {
      yield* nt.call((kernel) => {
        const item = new ExWorkItem(function* (inner) {
          yield* PsTerminateSystemThread(inner, ntStatus(5));
        });
        ExQueueWorkItem(kernel, item, WorkQueueType.Delayed);
      });
      yield* settle();
    },
    { outcome: "bugcheck" },
  );
  const worker = [...k.ke.liveThreads].find((thread) => "activeExWorker" in thread && thread.activeExWorker === true);
  expect(k.ke.bugCheck).toEqual({ code: 0xe9, parameters: [worker!.id, 0, 0, 0] });
  expect(events.at(-1)).toMatchObject({ kind: "bugcheck", code: 0xe9 });
});

test("0x4000008A: a thread that left a kernel mutex's region but not the mutex", () => {
  let mutex: KMutant | null = null;
  const crash = exitAfter(function* (k) {
    mutex = KeInitializeMutex(k);
    yield* blockInKernel(k, mutex);
    yield* KeLeaveCriticalRegion(k);
  });
  expect(crash.scene.k.ke.bugCheck).toEqual({ code: 0x4000008a, parameters: [crash.thread.id, mutex!.id, 0, 0] });
});

test("0x17: a thread whose id is gone when its object is deleted", () => {
  const { k } = play(
    function* () {
      const child = yield* start(function* () {
        yield* nt.NtTestAlert();
      });
      yield* joined(child.handle);
      yield* nt.call((kernel) => ExDestroyHandle(kernel.ps.cidTable, child.id));
      yield* nt.NtClose(child.handle);
      yield* settle();
    },
    { outcome: "bugcheck", record: () => {}, trace: () => {} },
  );
  expect(k.ke.bugCheck).toEqual({ code: 0x17, parameters: [0, 0, 0, 0] });
});

test("0x17: a process whose id is gone when its object is deleted", () => {
  const { k } = play(
    function* () {
      const child = yield* spawn(null);
      yield* nt.call((kernel) => ExDestroyHandle(kernel.ps.cidTable, child.id));
      yield* nt.NtClose(child.handle);
    },
    { outcome: "bugcheck", record: () => {}, trace: () => {} },
  );
  expect(k.ke.bugCheck).toEqual({ code: 0x17, parameters: [0, 0, 0, 0] });
});
