import { expect, it } from "vitest";
import { NtCreateIoCompletion, NtRemoveIoCompletion } from "../../../src/io/completionservice.ts";
import { IoCancelThreadIo } from "../../../src/io/cancel.ts";
import { IoReleaseCancelSpinLock } from "../../../src/io/cancelspinlock.ts";
import { NtCancelIoFile, NtDeviceIoControlFile } from "../../../src/io/control.ts";
import { IoCompleteRequest } from "../../../src/io/complete.ts";
import { IoCreateDevice } from "../../../src/io/device.ts";
import { IoSetCancelRoutine, type Irp } from "../../../src/io/irp.ts";
import { NtReadFile, NtWriteFile } from "../../../src/io/readwrite.ts";
import { NtSetInformationFile } from "../../../src/io/setinfo.ts";
import { IoThread } from "../../../src/io/thread.ts";
import { KeInsertQueueApc, newApc, noKernelRoutine } from "../../../src/ke/apc.ts";
import { KeGetCurrentThread } from "../../../src/ke/current.ts";
import { KeQueryInterruptTime } from "../../../src/ke/time.ts";
import { KeDelayExecutionThread } from "../../../src/ke/wait.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { NtClose } from "../../../src/ob/close.ts";
import { NtCreateEvent } from "../../../src/ob/exobjects/event.ts";
import { NtWaitForSingleObject } from "../../../src/ob/wait.ts";
import { isListEmpty } from "../../../src/rtl/list.ts";
import { ntStatus, STATUS_CANCELLED, STATUS_PENDING, STATUS_SUCCESS } from "../../../src/abi/status.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { run, valueOf } from "../../support/kernel.ts";
import { bytes, inThread, ioKernel, type IoTestKernel, opened, spawnIo, SYNC, text } from "./support.ts";

const SLOW = "\\Device\\Slow";
const ASYNC = 0;

/** A device that keeps every request until the test completes it. */
function slowDevice(k: IoTestKernel, how: { readonly cancellable: boolean } = { cancellable: true }): Irp[] {
  const kept: Irp[] = [];
  const keep = (_k: Kernel, irp: Irp): typeof STATUS_PENDING => {
    kept.push(irp);
    if (how.cancellable) {
      IoSetCancelRoutine(irp, (kernel) => {
        IoReleaseCancelSpinLock(kernel, irp.cancelIrql);
        IoCompleteRequest(kernel, irp, STATUS_CANCELLED, 0, 0);
      });
    }
    return STATUS_PENDING;
  };
  valueOf(IoCreateDevice(k, "Slow", { deviceType: 0x22, dispatch: { read: keep, write: keep, deviceControl: keep } }));
  return kept;
}

function first(irps: readonly Irp[]): Irp {
  const [irp] = irps;
  if (irp === undefined) throw new Error("no request arrived");
  // The test completes it, so nobody else may.
  IoSetCancelRoutine(irp, null);
  return irp;
}

function self(k: Kernel): IoThread {
  const thread = KeGetCurrentThread(k);
  if (!(thread instanceof IoThread)) throw new Error("not an I/O thread");
  return thread;
}

function* sleep(k: Kernel, interval100ns: number): Blocking<void> {
  yield* KeDelayExecutionThread(k, { mode: 0, alertable: false, timeout100ns: interval100ns });
}

it("a synchronous file waits for the end of its request", () => {
  const k = ioKernel();
  const kept = slowDevice(k);
  const answers: unknown[] = [];
  spawnIo(k, function* (kernel) {
    const result = yield* NtReadFile(kernel, yield* opened(kernel, SLOW), { length: 4 });
    answers.push(result.status, result.information, text(result.output), result.finished);
  });
  spawnIo(k, function* (kernel) {
    yield* sleep(kernel, 10);
    const irp = first(kept);
    irp.output = bytes("data");
    IoCompleteRequest(kernel, irp, STATUS_SUCCESS, 4, 0);
  });
  run(k);
  expect(answers).toEqual([0, 4, "data", true]);
});

it("an asynchronous file answers PENDING, then copies, then signals, in its thread's context", () => {
  const k = ioKernel();
  const kept = slowDevice(k);
  const order: unknown[] = [];
  const reader = spawnIo(k, function* (kernel) {
    const handle = yield* opened(kernel, SLOW, { options: ASYNC });
    const event = valueOf(yield* NtCreateEvent(kernel, 0x1f0003, null, "notification", true)).handle;
    const writeBack = (machine: Kernel): void => {
      order.push(KeGetCurrentThread(machine) === reader ? "copied" : "copied elsewhere");
    };
    const result = yield* NtReadFile(kernel, handle, { length: 4, byteOffset: 0n, event, writeBack });
    order.push(result.status, result.finished, yield* NtWaitForSingleObject(kernel, event, false, 0));
    yield* NtWaitForSingleObject(kernel, event, false, null);
    order.push("signaled", isListEmpty(self(kernel).irpList));
  });
  spawnIo(k, function* (kernel) {
    yield* sleep(kernel, 10);
    IoCompleteRequest(kernel, first(kept), STATUS_SUCCESS, 0, 0);
  });
  run(k);
  expect(order).toEqual([0x103, false, 0x102, "copied", "signaled", true]);
});

it("a user APC ends a synchronous request in user mode by cancelling it", () => {
  const k = ioKernel();
  slowDevice(k);
  const answers: unknown[] = [];
  const reader = spawnIo(k, function* (kernel) {
    const thread = self(kernel);
    const result = yield* NtReadFile(kernel, yield* opened(kernel, SLOW), { length: 4 });
    answers.push(result.status, isListEmpty(thread.irpList));
  });
  spawnIo(k, function* (kernel) {
    yield* sleep(kernel, 10);
    const exit = newApc(kernel, reader, { environment: 0, kernelRoutine: noKernelRoutine, normalRoutine: 1, mode: 1 });
    exit.isExit = true;
    KeInsertQueueApc(kernel, exit, null, null, 0);
  });
  run(k);
  expect(answers).toEqual([STATUS_CANCELLED, true]);
});

it("the end of a thread cancels its requests and waits for them", () => {
  const k = ioKernel();
  const kept = slowDevice(k);
  const done = inThread(k, function* (kernel) {
    const handle = yield* opened(kernel, SLOW, { options: ASYNC });
    yield* NtReadFile(kernel, handle, { length: 4, byteOffset: 0n });
    yield* NtWriteFile(kernel, handle, { bytes: bytes("x"), byteOffset: 0n });
    yield* IoCancelThreadIo(kernel, self(kernel));
    return isListEmpty(self(kernel).irpList);
  });
  expect([done, kept.map((irp) => [irp.status, irp.finished])]).toEqual([
    true,
    [
      [STATUS_CANCELLED, true],
      [STATUS_CANCELLED, true],
    ],
  ]);
});

it("a request that is not cancelled loses its thread after five minutes, and is finished without it later", () => {
  const k = ioKernel();
  const kept = slowDevice(k, { cancellable: false });
  const waited = inThread(k, function* (kernel) {
    const handle = yield* opened(kernel, SLOW, { options: ASYNC });
    yield* NtReadFile(kernel, handle, { length: 4, byteOffset: 0n });
    const before = KeQueryInterruptTime(kernel);
    yield* IoCancelThreadIo(kernel, self(kernel));
    const after = KeQueryInterruptTime(kernel);
    yield* NtClose(kernel, handle);
    return after - before;
  });
  const alive = (): number => [...k.ob.live].filter((header) => header.type === k.io.fileType).length;
  expect([waited, k.io.abandonedIrps, alive()]).toEqual([3000 * 1_000_000, 1, 1]);
  IoCompleteRequest(k, first(kept), STATUS_SUCCESS, 0, 0);
  run(k);
  expect([first(kept).finished, alive()]).toEqual([true, 0]);
});

it.each([
  ["is finished without it", undefined, true, 0],
  ["is lost with the erratum D21", ["D21"], false, 1],
])("a completion for a thread that takes no more APCs %s", (_name, errata, finished, files) => {
  const k = ioKernel(errata === undefined ? {} : { errata });
  const kept = slowDevice(k);
  inThread(k, function* (kernel) {
    const handle = yield* opened(kernel, SLOW, { options: ASYNC });
    yield* NtReadFile(kernel, handle, { length: 4, byteOffset: 0n });
    yield* NtClose(kernel, handle);
    self(kernel).apcQueueable = false;
  });
  IoCompleteRequest(k, first(kept), STATUS_SUCCESS, 0, 0);
  run(k);
  const alive = [...k.ob.live].filter((header) => header.type === k.io.fileType).length;
  expect([first(kept).finished, alive]).toEqual([finished, files]);
});

it("NtCancelIoFile cancels the caller's requests on that file only", () => {
  const k = ioKernel();
  const kept = slowDevice(k);
  const states = inThread(k, function* (kernel) {
    const one = yield* opened(kernel, SLOW, { options: ASYNC });
    const two = yield* opened(kernel, SLOW, { options: ASYNC });
    yield* NtReadFile(kernel, one, { length: 4, byteOffset: 0n });
    yield* NtReadFile(kernel, two, { length: 4, byteOffset: 0n });
    yield* NtCancelIoFile(kernel, one);
    return kept.map((irp) => irp.finished);
  });
  expect(states).toEqual([true, false]);
});

it("the second request on a synchronous file waits for the first", () => {
  const k = ioKernel();
  const kept = slowDevice(k);
  const order: string[] = [];
  spawnIo(k, function* (kernel) {
    const handle = yield* opened(kernel, SLOW);
    spawnIo(k, function* (inner) {
      yield* NtReadFile(inner, handle, { length: 1 });
      order.push("second");
    });
    yield* NtReadFile(kernel, handle, { length: 1 });
    order.push("first");
  });
  spawnIo(k, function* (kernel) {
    yield* sleep(kernel, 10);
    order.push(`${String(kept.length)} at the device`);
    IoCompleteRequest(kernel, first(kept), STATUS_SUCCESS, 0, 0);
    yield* sleep(kernel, 10);
    const second = kept[1];
    if (second !== undefined) IoSetCancelRoutine(second, null);
    if (second !== undefined) IoCompleteRequest(kernel, second, STATUS_SUCCESS, 0, 0);
  });
  run(k);
  expect(order).toEqual(["1 at the device", "first", "second"]);
});

it("a request queues its user APC with the status block's address", () => {
  const k = ioKernel();
  const apcs: unknown[] = [];
  inThread(k, function* (kernel) {
    const handle = yield* opened(kernel, "\\??\\C:\\f", { options: ASYNC });
    const apc = { routine: 0x401000, script: null };
    yield* NtWriteFile(kernel, handle, {
      bytes: bytes("x"),
      byteOffset: 0n,
      apc,
      apcContext: 7,
      ioStatusBlock: 0x1000,
    });
    const queued = self(kernel).apcState.userList.flink?.owner;
    apcs.push(queued?.normalRoutine, queued?.normalContext, queued?.systemArgument1);
  });
  expect(apcs).toEqual([0x401000, 7, 0x1000]);
});

it("a file's completions go to its port, unless a request gives no context", () => {
  const packets = inThread(ioKernel(), function* (k) {
    const port = valueOf(yield* NtCreateIoCompletion(k, 0x1f0003, null, 0)).handle;
    const handle = yield* opened(k, "\\??\\C:\\f", { options: ASYNC });
    yield* NtSetInformationFile(k, handle, { kind: "completion", port, key: 99 });
    yield* NtWriteFile(k, handle, { bytes: bytes("abc"), byteOffset: 0n });
    yield* NtWriteFile(k, handle, { bytes: bytes("abc"), byteOffset: 0n, apcContext: 5 });
    const packet = valueOf(yield* NtRemoveIoCompletion(k, port, 0));
    const none = yield* NtRemoveIoCompletion(k, port, 0);
    return [packet, none];
  });
  expect(packets).toEqual([
    { key: 99, apcContext: 5, status: 0, information: 3 },
    { ok: false, status: 0x102 },
  ]);
});

it("a synchronous file cannot be associated with a port", () => {
  const status = inThread(ioKernel(), function* (k) {
    const port = valueOf(yield* NtCreateIoCompletion(k, 0x1f0003, null, 0)).handle;
    return yield* NtSetInformationFile(k, yield* opened(k, "\\??\\C:\\f", { options: SYNC }), {
      kind: "completion",
      port,
      key: 1,
    });
  });
  expect(status).toBe(0xc000000d);
});

it("a device's own control reaches it, and others have none", () => {
  const k = ioKernel();
  valueOf(
    IoCreateDevice(k, "Echo", {
      deviceType: 0x22,
      dispatch: {
        deviceControl: (_k, irp) => {
          irp.output = irp.parameters.input.slice(0, irp.parameters.length);
          irp.information = irp.output.length;
          return ntStatus(irp.parameters.code);
        },
      },
    }),
  );
  const answers = inThread(k, function* (kernel) {
    const args = { code: 0, input: bytes("ping"), outputLength: 2 };
    const echo = yield* NtDeviceIoControlFile(kernel, yield* opened(kernel, "\\Device\\Echo"), args);
    const disk = yield* NtDeviceIoControlFile(kernel, yield* opened(kernel, "\\??\\C:\\f"), args);
    return [echo.status, text(echo.output), disk.status];
  });
  expect(answers).toEqual([0, "pi", 0xc0000010]);
});

it("without pool a request is refused, and nothing leaks", () => {
  const k = ioKernel();
  const status = inThread(k, function* (kernel) {
    const handle = yield* opened(kernel, "\\??\\C:\\f");
    kernel.ex.pool.failure = (_ordinal, tag) => tag === "Irp ";
    const result = yield* NtWriteFile(kernel, handle, { bytes: bytes("x") });
    kernel.ex.pool.failure = null;
    return result.status;
  });
  expect([status, k.ex.pool.tags.get("Irp ")?.bytes ?? 0]).toEqual([0xc000009a, 0]);
});
