/** What a driver may not do: each broken rule ends the machine with its bug check, and never the host. */
import { expect, test } from "vitest";
import { STATUS_PENDING, STATUS_SUCCESS } from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { createMachine, ntoskrnl } from "../../../src/index.ts";
import type { Driver } from "../../../src/io/driver.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { must, play, settle, sleepForever, start } from "../../support/scene.ts";

/** Runs a program next to a driver that makes the device `\\.\Bad`; the machine must stop. */
function stop(
  driver: { readonly dispatch?: ntoskrnl.DeviceDispatch; readonly load?: (k: Kernel) => Blocking<void> },
  program: () => Script<void> = readBad,
): { readonly code: number; readonly detail: string } {
  const bad: Driver = {
    name: "bad",
    *load(k, object) {
      const { dispatch = {} } = driver;
      must(ntoskrnl.IoCreateDevice(k, "Bad", { driver: object, deviceType: 0x22, dispatch }));
      if (driver.load !== undefined) yield* driver.load(k);
    },
    *unload() {},
  };
  const { k, end } = play(program, { drivers: [bad], outcome: "bugcheck" });
  return { code: k.ke.bugCheck!.code, detail: end.detail };
}

function* readBad(): Script<void> {
  yield* nt.NtReadFile(must(yield* nt.NtOpenFile("\\Device\\Bad")), 1);
}

function* aThreadDies(): Script<void> {
  yield* start(function* () {});
  yield* sleepForever();
}

test("0x1E: a dispatch routine that throws, and the detail says what", () => {
  const read = (): never => {
    throw new TypeError("nothing there");
  };
  expect(stop({ dispatch: { read } })).toEqual({
    code: 0x1e,
    detail: "bugcheck 0x1e: a driver failed: nothing there",
  });
});

test("0x7E: a routine in a system thread that throws", () => {
  const load = function* (): Blocking<void> {
    throw new Error("no such port");
  };
  expect(stop({ load }, sleepForever)).toMatchObject({ code: 0x7e });
});

test("0x1E: a driver that leads one of the kernel's own assertions to fail", () => {
  const read = (k: Kernel): typeof STATUS_SUCCESS => {
    ntoskrnl.ExReleaseRundownProtection(k, new ntoskrnl.ExRundown());
    return STATUS_SUCCESS;
  };
  expect(stop({ dispatch: { read } })).toMatchObject({ code: 0x1e });
});

test("without a driver an assertion that fails is the host's to hear of", () => {
  const machine = createMachine({ processor: null, environment: null });
  machine.startScript("scene.exe", function* () {
    yield* nt.call((k) => ntoskrnl.ExReleaseRundownProtection(k, new ntoskrnl.ExRundown()));
  });
  expect(() => machine.run({ turns: 1000, stop: () => false })).toThrow();
});

test("0x44: a request that is completed twice", () => {
  const read = (k: Kernel, irp: ntoskrnl.Irp): typeof STATUS_PENDING => {
    ntoskrnl.IoCompleteRequest(k, irp, STATUS_SUCCESS, 0, 0);
    ntoskrnl.IoCompleteRequest(k, irp, STATUS_SUCCESS, 0, 0);
    return STATUS_PENDING;
  };
  expect(stop({ dispatch: { read } })).toMatchObject({ code: 0x44 });
});

test("0x44: a request that is completed and answered as well", () => {
  const read = (k: Kernel, irp: ntoskrnl.Irp): typeof STATUS_SUCCESS => {
    ntoskrnl.IoCompleteRequest(k, irp, STATUS_SUCCESS, 0, 0);
    return STATUS_SUCCESS;
  };
  expect(stop({ dispatch: { read } })).toMatchObject({ code: 0x44 });
});

test("0x48: a request that is completed while it can still be cancelled", () => {
  const read = (k: Kernel, irp: ntoskrnl.Irp): typeof STATUS_PENDING => {
    ntoskrnl.IoSetCancelRoutine(irp, () => {});
    ntoskrnl.IoCompleteRequest(k, irp, STATUS_SUCCESS, 0, 0);
    return STATUS_PENDING;
  };
  expect(stop({ dispatch: { read } })).toMatchObject({ code: 0x48 });
});

test("0x0F: a cancel routine that keeps the cancel spin lock", () => {
  const read = (_k: Kernel, irp: ntoskrnl.Irp): typeof STATUS_PENDING => {
    ntoskrnl.IoSetCancelRoutine(irp, () => {});
    return STATUS_PENDING;
  };
  expect(stop({ dispatch: { read } }, killReader)).toMatchObject({ code: 0x0f });
});

function* killReader(): Script<void> {
  const reader = yield* start(readBad);
  yield* settle();
  yield* nt.NtTerminateThread(reader.handle, 1);
  yield* sleepForever();
}

test("0x0F: taking the cancel spin lock twice", () => {
  const read = (k: Kernel): typeof STATUS_SUCCESS => {
    ntoskrnl.IoAcquireCancelSpinLock(k);
    ntoskrnl.IoAcquireCancelSpinLock(k);
    return STATUS_SUCCESS;
  };
  expect(stop({ dispatch: { read } })).toMatchObject({ code: 0x0f });
});

test("0x10: releasing the cancel spin lock without holding it", () => {
  const read = (k: Kernel): typeof STATUS_SUCCESS => {
    ntoskrnl.IoReleaseCancelSpinLock(k, ntoskrnl.PASSIVE_LEVEL);
    return STATUS_SUCCESS;
  };
  expect(stop({ dispatch: { read } })).toMatchObject({ code: 0x10 });
});

test("the cancel spin lock is held at DISPATCH_LEVEL, and a cancel routine releases it to the level before", () => {
  const levels: number[] = [];
  const read = (k: Kernel, irp: ntoskrnl.Irp): typeof STATUS_PENDING => {
    const irql = ntoskrnl.IoAcquireCancelSpinLock(k);
    levels.push(ntoskrnl.KeGetCurrentIrql(k));
    ntoskrnl.IoSetCancelRoutine(irp, (kernel) => {
      levels.push(ntoskrnl.KeGetCurrentIrql(kernel), irp.cancelIrql);
      ntoskrnl.IoReleaseCancelSpinLock(kernel, irp.cancelIrql);
      ntoskrnl.IoCompleteRequest(kernel, irp, STATUS_SUCCESS, 0, 0);
    });
    ntoskrnl.IoReleaseCancelSpinLock(k, irql);
    levels.push(ntoskrnl.KeGetCurrentIrql(k));
    ntoskrnl.IoCancelIrp(k, irp);
    levels.push(ntoskrnl.KeGetCurrentIrql(k));
    return STATUS_PENDING;
  };
  play(function* () {
    const device = yield* nt.call((k) =>
      must(ntoskrnl.IoCreateDevice(k, "Bad", { deviceType: 0x22, dispatch: { read } })),
    );
    const file = must(yield* nt.NtOpenFile("\\Device\\Bad"));
    expect((yield* nt.NtReadFile(file, 1)).status).toBe(STATUS_SUCCESS);
    yield* nt.NtClose(file);
    yield* nt.call((k) => ntoskrnl.IoDeleteDevice(k, device));
  });
  expect(levels).toEqual([2, 0, 2, 0, 0]);
});

test("0x0A: a wait at DISPATCH_LEVEL", () => {
  const load = function* (k: Kernel): Blocking<void> {
    ntoskrnl.KeRaiseIrql(k, ntoskrnl.DISPATCH_LEVEL);
    yield* ntoskrnl.KeDelayExecutionThread(k, { mode: 0, alertable: false, timeout100ns: 1 });
  };
  expect(stop({ load }, sleepForever)).toMatchObject({ code: 0x0a });
});

test("0xE1: a driver whose load returns at a raised level", () => {
  const load = function* (k: Kernel): Blocking<void> {
    ntoskrnl.KeRaiseIrql(k, ntoskrnl.APC_LEVEL);
  };
  expect(stop({ load }, sleepForever)).toMatchObject({ code: 0xe1 });
});

test("0xE9: a driver whose load ends the worker that runs it", () => {
  const load = function* (k: Kernel): Blocking<void> {
    yield* ntoskrnl.PsTerminateSystemThread(k, STATUS_SUCCESS);
  };
  expect(stop({ load }, sleepForever)).toMatchObject({ code: 0xe9 });
});

test("0x4A: a dispatch routine that leaves the level raised", () => {
  const read = (k: Kernel): typeof STATUS_SUCCESS => {
    ntoskrnl.KeRaiseIrql(k, ntoskrnl.APC_LEVEL);
    return STATUS_SUCCESS;
  };
  expect(stop({ dispatch: { read } })).toMatchObject({ code: 0x4a });
});

test("0x01: a dispatch routine that leaves a critical region entered", () => {
  const read = (k: Kernel): typeof STATUS_SUCCESS => {
    ntoskrnl.KeEnterCriticalRegion(k);
    return STATUS_SUCCESS;
  };
  expect(stop({ dispatch: { read } })).toMatchObject({ code: 0x01 });
});

test("0x20: a thread notify routine that leaves a critical region entered", () => {
  const load = function* (k: Kernel): Blocking<void> {
    yield* ntoskrnl.PsSetCreateThreadNotifyRoutine(k, function* (kernel, _pid, _tid, create) {
      if (!create) ntoskrnl.KeEnterCriticalRegion(kernel);
    });
  };
  expect(stop({ load }, aThreadDies)).toMatchObject({ code: 0x20 });
});

test("0x20: a system thread that ends inside a critical region", () => {
  const load = (k: Kernel): Blocking<void> =>
    systemThread(k, function* (kernel) {
      ntoskrnl.KeEnterCriticalRegion(kernel);
    });
  expect(stop({ load }, sleepForever)).toMatchObject({ code: 0x20 });
});

test("0x20: a system thread that ends owning a kernel mutex is found by its APCs, before the mutex is", () => {
  const load = (k: Kernel): Blocking<void> =>
    systemThread(k, function* (kernel) {
      const wait = { reason: ntoskrnl.WaitReason.Executive, mode: 0, alertable: false, timeout100ns: null } as const;
      yield* ntoskrnl.KeWaitForSingleObject(kernel, ntoskrnl.KeInitializeMutex(kernel), wait);
    });
  expect(stop({ load }, sleepForever)).toMatchObject({ code: 0x20 });
});

function* systemThread(k: Kernel, routine: (k: Kernel) => Blocking<void>): Blocking<void> {
  const thread = must(yield* ntoskrnl.PsCreateSystemThread(k, routine, "bad"));
  yield* ntoskrnl.ObDereferenceObject(k, thread);
}

test("0xC8: a notify routine that returns at another level", () => {
  const load = function* (k: Kernel): Blocking<void> {
    yield* ntoskrnl.PsSetCreateThreadNotifyRoutine(k, function* (kernel) {
      ntoskrnl.KeRaiseIrql(kernel, ntoskrnl.APC_LEVEL);
    });
  };
  expect(stop({ load }, aThreadDies)).toMatchObject({ code: 0xc8 });
});

test("0xC7: a DPC that returns at another level", () => {
  const load = function* (k: Kernel): Blocking<void> {
    const dpc = ntoskrnl.KeInitializeDpc((kernel) => {
      kernel.ke.prcb.irql = ntoskrnl.PASSIVE_LEVEL;
    }, null);
    ntoskrnl.KeInsertQueueDpc(k, dpc);
  };
  expect(stop({ load }, sleepForever)).toMatchObject({ code: 0xc7 });
});

test("0xCE: a driver that is unloaded and leaves its device", () => {
  const program = function* (): Script<void> {
    yield* nt.call((k) => ntoskrnl.IoUnloadDriver(k, k.io.drivers[0]!));
  };
  expect(stop({}, program)).toMatchObject({ code: 0xce });
});
