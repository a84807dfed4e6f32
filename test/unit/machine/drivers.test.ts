/** Drivers: loading and unloading, devices that programs open, and requests that pend, are cancelled and completed. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  STATUS_ACCESS_DENIED,
  STATUS_CANCELLED,
  STATUS_IMAGE_ALREADY_LOADED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_PENDING,
  STATUS_SUCCESS,
} from "../../../src/abi/status.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { createMachine, ntoskrnl } from "../../../src/index.ts";
import type { Driver } from "../../../src/io/driver.ts";
import { STATUS_NO_SUCH_DEVICE } from "../../../src/io/status.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { mailboxDriver } from "../../examples/mailbox.ts";
import { ended, joined, must, play, settle, spawn, start } from "../../support/scene.ts";

const MAILBOX = "\\??\\Mailbox";
const hello = new TextEncoder().encode("hello");
/** Five minutes, in 100 ns. */
const FIVE_MINUTES = 3_000_000_000;

/** A driver with one device, `\\.\Slow`, whose reads are kept until the test ends them. */
class SlowDriver implements Driver {
  readonly name = "slow";
  readonly irps: ntoskrnl.Irp[] = [];
  readonly #exclusive: boolean;
  readonly #cancellable: boolean;
  #device: ntoskrnl.DeviceObject | null = null;

  constructor({ exclusive = false, cancellable = false } = {}) {
    this.#exclusive = exclusive;
    this.#cancellable = cancellable;
  }

  *load(k: Kernel, driver: ntoskrnl.DriverObject): Blocking<void> {
    const read = (_k: Kernel, irp: ntoskrnl.Irp): typeof STATUS_PENDING => {
      this.irps.push(irp);
      if (this.#cancellable) ntoskrnl.IoSetCancelRoutine(irp, cancelAtOnce);
      return STATUS_PENDING;
    };
    const init = { driver, deviceType: 0x22, dispatch: { read }, exclusive: this.#exclusive };
    this.#device = must(ntoskrnl.IoCreateDevice(k, "Slow", init));
    ntoskrnl.IoCreateSymbolicLink(k, "Slow", "\\Device\\Slow");
  }

  *unload(k: Kernel): Blocking<void> {
    yield* ntoskrnl.IoDeleteSymbolicLink(k, "Slow");
    yield* ntoskrnl.IoDeleteDevice(k, this.#device!);
  }

  complete(k: Kernel, status = STATUS_SUCCESS): void {
    const irp = this.irps.shift()!;
    ntoskrnl.IoSetCancelRoutine(irp, null);
    irp.output = hello.slice(0, irp.parameters.length);
    ntoskrnl.IoCompleteRequest(k, irp, status, irp.output.length, 0);
  }
}

function cancelAtOnce(k: Kernel, irp: ntoskrnl.Irp): void {
  ntoskrnl.IoReleaseCancelSpinLock(k, irp.cancelIrql);
  ntoskrnl.IoCompleteRequest(k, irp, STATUS_CANCELLED, 0, 0);
}

/** The code blocks of `docs/drivers.md`. */
function examples(): string[] {
  const text = readFileSync("docs/drivers.md", "utf8");
  return [...text.matchAll(/```ts\n(.*?)```/gsu)].map((match) => match[1] ?? "");
}

test("the driver in docs/drivers.md is the one that is tested", () => {
  const source = readFileSync("test/examples/mailbox.ts", "utf8");
  expect(examples()[0]).toBe(source.replace("../../src/index.ts", "ntrundown"));
});

test("the example in docs/drivers.md runs and ends as it says", () => {
  const code = `${(examples()[1] ?? "").replace(": number[]", "")}\nreturn { end, ended, machine, driver };`;
  type Result = { end: object; ended: number[]; machine: ReturnType<typeof createMachine>; driver: unknown };
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the text is ours, and this is its test
  const example = new Function("createMachine", "mailboxDriver", "nt", code) as (...parts: unknown[]) => Result;
  const result = example(createMachine, mailboxDriver, nt);
  expect(result.end).toMatchObject({ outcome: "exited", exitStatus: 5 });
  expect(result.ended).toHaveLength(1);
});

test("a read waits in one process until another writes", () => {
  const ends: number[] = [];
  play(
    function* () {
      const reader = yield* spawn(function* () {
        const mailbox = must(yield* nt.NtOpenFile(MAILBOX));
        const letter = yield* nt.NtReadFile(mailbox, 3);
        expect(letter).toMatchObject({ status: STATUS_SUCCESS, information: 3 });
        expect(new TextDecoder().decode(letter.output)).toBe("hel");
      });
      yield* settle();
      const mailbox = must(yield* nt.NtOpenFile("\\Device\\Mailbox"));
      expect(yield* nt.NtWriteFile(mailbox, hello)).toMatchObject({ status: STATUS_SUCCESS, information: 5 });
      expect(yield* ended(reader.handle)).toBe(0);
      expect(ends).toEqual([reader.id]);
    },
    { drivers: [mailboxDriver(ends)] },
  );
});

test("the kill of a thread that waits for a device cancels its request", () => {
  play(
    function* () {
      const reader = yield* start(function* () {
        yield* nt.NtReadFile(must(yield* nt.NtOpenFile(MAILBOX)), 3);
      });
      yield* settle();
      yield* nt.NtTerminateThread(reader.handle, 9);
      expect(yield* joined(reader.handle)).toBe(9);
    },
    { drivers: [mailboxDriver([])] },
  );
});

test("NtCancelIoFile cancels a pending request of an asynchronous file", () => {
  const ends: number[] = [];
  play(
    function* () {
      const mailbox = must(yield* nt.NtOpenFile(MAILBOX, { asynchronous: true }));
      const options = { ended: (status: number) => ends.push(status) };
      expect((yield* nt.NtReadFile(mailbox, 3, options)).status).toBe(STATUS_PENDING);
      expect(ends).toEqual([]);
      yield* nt.NtCancelIoFile(mailbox);
      expect(ends).toEqual([STATUS_CANCELLED]);
    },
    { drivers: [mailboxDriver([])] },
  );
});

test.each([
  ["a timer's DPC", completeFromDpc],
  ["a system thread", completeFromSystemThread],
  ["a work item", completeFromWorkItem],
])("a request is completed from %s, and finished in its own thread", (_from, complete) => {
  const slow = new SlowDriver();
  play(
    function* () {
      const own = yield* nt.call((k) => ntoskrnl.PsGetCurrentThread(k));
      const file = must(yield* nt.NtOpenFile("\\??\\Slow", { asynchronous: true }));
      const event = must(yield* nt.NtCreateEvent("notification"));
      const places: unknown[] = [];
      const note = { event, ended: () => places.push(own.state) };
      expect((yield* nt.NtReadFile(file, 5, note)).status).toBe(STATUS_PENDING);
      yield* nt.call((k) => complete(k, slow));
      expect(yield* nt.NtWaitForSingleObject(event)).toBe(0);
      expect(places).toEqual([2]);
    },
    { drivers: [slow] },
  );
});

function completeFromDpc(k: Kernel, slow: SlowDriver): void {
  const dpc = ntoskrnl.KeInitializeDpc((kernel) => {
    expect(ntoskrnl.KeGetCurrentIrql(kernel)).toBe(ntoskrnl.DISPATCH_LEVEL);
    slow.complete(kernel);
  }, null);
  ntoskrnl.KeSetTimer(k, ntoskrnl.KeInitializeTimer(k, "notification"), { due100ns: 500, period100ns: 0, dpc });
}

function* completeFromSystemThread(k: Kernel, slow: SlowDriver): Blocking<void> {
  const created = yield* ntoskrnl.PsCreateSystemThread(
    k,
    function* (kernel) {
      slow.complete(kernel);
    },
    "completer",
  );
  yield* ntoskrnl.ObDereferenceObject(k, must(created));
}

function completeFromWorkItem(k: Kernel, slow: SlowDriver): void {
  const item = new ntoskrnl.ExWorkItem(function* (kernel) {
    slow.complete(kernel);
  });
  ntoskrnl.ExQueueWorkItem(k, item, ntoskrnl.WorkQueueType.Delayed);
}

test("D21: a process whose driver never ends a request ends after five minutes; the request is finished without it", () => {
  const slow = new SlowDriver();
  const scene = play(
    function* () {
      const child = yield* spawn(function* () {
        const file = must(yield* nt.NtOpenFile("\\??\\Slow", { asynchronous: true }));
        yield* nt.NtReadFile(file, 5, { ended: () => expect.unreachable("nobody is left to tell") });
      });
      const before = yield* nt.call((k) => ntoskrnl.KeQueryInterruptTime(k));
      expect(yield* ended(child.handle)).toBe(0);
      const after = yield* nt.call((k) => ntoskrnl.KeQueryInterruptTime(k));
      expect(after - before).toBeGreaterThanOrEqual(FIVE_MINUTES);
      expect(after - before).toBeLessThan(FIVE_MINUTES + 1_000_000);
      yield* nt.call((k) => {
        slow.complete(k);
      });
    },
    { drivers: [slow] },
  );
  expect(scene.k.io.abandonedIrps).toBe(1);
});

test("IoCancelThreadIo waits five minutes for each request that nobody ends", () => {
  const slow = new SlowDriver();
  play(
    function* () {
      const child = yield* spawn(function* () {
        const file = must(yield* nt.NtOpenFile("\\??\\Slow", { asynchronous: true }));
        for (let count = 0; count < 3; count++) yield* nt.NtReadFile(file, 5);
      });
      expect(yield* ended(child.handle)).toBe(0);
      expect(yield* nt.call((k) => ntoskrnl.KeQueryInterruptTime(k))).toBeGreaterThan(3 * FIVE_MINUTES);
      for (let count = 0; count < 3; count++) yield* nt.call((k) => void slow.complete(k));
    },
    { drivers: [slow] },
  );
});

test("a request that is cancelled at once does not hold up the end of its thread", () => {
  const slow = new SlowDriver({ cancellable: true });
  const { events } = play(
    function* () {
      const child = yield* spawn(function* () {
        const file = must(yield* nt.NtOpenFile("\\??\\Slow", { asynchronous: true }));
        yield* nt.NtReadFile(file, 5);
      });
      expect(yield* ended(child.handle)).toBe(0);
      expect(yield* nt.call((k) => ntoskrnl.KeQueryInterruptTime(k))).toBeLessThan(1_000_000);
    },
    { drivers: [slow] },
  );
  expect(slow.irps.map(({ status }) => status)).toEqual([STATUS_CANCELLED]);
  const held = events.filter((event) => event.kind === "thread-held").map(({ held: { kind, note } }) => [kind, note]);
  expect(held).toEqual([["irp", "read on Slow"]]);
});

test("a driver is unloaded when the last file of its devices is closed, and nobody opens them meanwhile", () => {
  const slow = new SlowDriver();
  play(function* () {
    const driver = must(yield* nt.call((k) => ntoskrnl.IoLoadDriver(k, slow)));
    const file = must(yield* nt.NtOpenFile("\\??\\Slow"));
    expect(yield* nt.call((k) => ntoskrnl.IoUnloadDriver(k, driver))).toBe(STATUS_SUCCESS);
    yield* settle();
    expect(driver.unloaded).toBe(false);
    expect(yield* nt.NtOpenFile("\\??\\Slow")).toEqual({ ok: false, status: STATUS_NO_SUCH_DEVICE });
    yield* nt.NtClose(file);
    yield* settle();
    expect(driver.unloaded).toBe(true);
    expect(yield* nt.NtOpenFile("\\??\\Slow")).toEqual({ ok: false, status: STATUS_OBJECT_NAME_NOT_FOUND });
  });
});

test("a driver is loaded again after it was unloaded, and not twice", () => {
  const slow = new SlowDriver();
  play(function* () {
    for (let round = 0; round < 2; round++) {
      const driver = must(yield* nt.call((k) => ntoskrnl.IoLoadDriver(k, slow)));
      const again = yield* nt.call((k) => ntoskrnl.IoLoadDriver(k, slow));
      expect(again).toEqual({ ok: false, status: STATUS_IMAGE_ALREADY_LOADED });
      expect(yield* nt.call((k) => ntoskrnl.IoUnloadDriver(k, driver))).toBe(STATUS_SUCCESS);
      expect(driver.unloaded).toBe(true);
    }
  });
});

test("a driver whose load fails is not loaded, and one without unload stays", () => {
  play(function* () {
    const failing: Driver = {
      name: "failing",
      *load() {
        return STATUS_INSUFFICIENT_RESOURCES;
      },
    };
    const load = yield* nt.call((k) => ntoskrnl.IoLoadDriver(k, failing));
    expect(load).toEqual({ ok: false, status: STATUS_INSUFFICIENT_RESOURCES });
    const staying = must(yield* nt.call((k) => ntoskrnl.IoLoadDriver(k, { name: "staying", *load() {} })));
    const unload = yield* nt.call((k) => ntoskrnl.IoUnloadDriver(k, staying));
    expect(unload).toBe(STATUS_INVALID_DEVICE_REQUEST);
  });
});

test("an exclusive device is open once at a time", () => {
  play(
    function* () {
      const file = must(yield* nt.NtOpenFile("\\??\\Slow"));
      expect(yield* nt.NtOpenFile("\\??\\Slow")).toEqual({ ok: false, status: STATUS_ACCESS_DENIED });
      yield* nt.NtClose(file);
      yield* nt.NtClose(must(yield* nt.NtOpenFile("\\??\\Slow")));
    },
    { drivers: [new SlowDriver({ exclusive: true })] },
  );
});

test("names of devices and links are given once", () => {
  play(
    function* () {
      yield* nt.call(function* (k) {
        const again = ntoskrnl.IoCreateDevice(k, "SLOW", { deviceType: 0x22, dispatch: {} });
        expect(again).toEqual({ ok: false, status: STATUS_OBJECT_NAME_COLLISION });
        expect(ntoskrnl.IoCreateSymbolicLink(k, "Slow", "\\Device\\Null")).toBe(STATUS_OBJECT_NAME_COLLISION);
        expect(yield* ntoskrnl.IoDeleteSymbolicLink(k, "nothing")).toBe(STATUS_OBJECT_NAME_NOT_FOUND);
      });
    },
    { drivers: [new SlowDriver()] },
  );
});

test("a device that refuses an open is not told of its end", () => {
  const told: string[] = [];
  play(function* () {
    const dispatch = {
      create: () => STATUS_ACCESS_DENIED,
      cleanup: () => void told.push("cleanup"),
      close: () => void told.push("close"),
    };
    const device = yield* nt.call((k) => must(ntoskrnl.IoCreateDevice(k, "Shut", { deviceType: 0x22, dispatch })));
    expect(yield* nt.NtOpenFile("\\Device\\Shut")).toEqual({ ok: false, status: STATUS_ACCESS_DENIED });
    yield* nt.call((k) => ntoskrnl.IoDeleteDevice(k, device));
  });
  expect(told).toEqual([]);
});
