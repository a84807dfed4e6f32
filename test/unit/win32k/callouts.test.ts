/** The graphics driver's callouts: when a process and its threads begin to use it, and when they exit. */
import { expect, test } from "vitest";
import {
  STATUS_ACCESS_DENIED,
  STATUS_ALREADY_WIN32,
  STATUS_INVALID_PARAMETER,
  STATUS_NO_MEMORY,
  STATUS_SUCCESS,
  type NtStatus,
} from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { ntoskrnl } from "../../../src/index.ts";
import type { Driver } from "../../../src/io/driver.ts";
import type { Kernel } from "../../../src/kernel.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { ended, play, settle, spawn, start, stepsOf } from "../../support/scene.ts";

/** A graphics driver that notes what it is told, and refuses threads if asked to. */
class GraphicsDriver implements Driver {
  readonly name = "graphics";
  readonly told: string[] = [];
  threadStatus: NtStatus = STATUS_SUCCESS;

  *load(k: Kernel): Blocking<void> {
    const { told } = this;
    const refusal = (): NtStatus => this.threadStatus;
    ntoskrnl.PsEstablishWin32Callouts(k, {
      *process(_k, process, create) {
        process.win32Process = create ? {} : null;
        told.push(create ? "process begins" : "process exits");
        return STATUS_SUCCESS;
      },
      *thread(_k, thread, reason) {
        if (reason === "initialize" && refusal() !== STATUS_SUCCESS) return refusal();
        thread.win32Thread = reason === "initialize" ? {} : null;
        told.push(reason === "initialize" ? "thread begins" : "thread exits");
        return STATUS_SUCCESS;
      },
    });
  }

  *unload(k: Kernel): Blocking<void> {
    ntoskrnl.PsEstablishWin32Callouts(k, null);
  }
}

const convert = (): Script<NtStatus> => nt.call((k) => ntoskrnl.PsConvertToGuiThread(k));

test("E23, E24: each thread that began exits, and the process after its last thread", () => {
  const driver = new GraphicsDriver();
  const scene = play(
    function* () {
      const child = yield* spawn(function* () {
        expect(yield* convert()).toBe(STATUS_SUCCESS);
        expect(yield* convert()).toBe(STATUS_ALREADY_WIN32);
        yield* start(function* () {
          expect(yield* convert()).toBe(STATUS_SUCCESS);
        });
        yield* start(settle);
        yield* settle();
        yield* settle();
      });
      expect(yield* ended(child.handle)).toBe(0);
    },
    { drivers: [driver] },
  );
  const threads = ["thread begins", "thread begins", "thread exits", "thread exits"];
  expect(driver.told).toEqual(["process begins", ...threads, "process exits"]);
  expect(stepsOf(scene).filter((step) => step === "E23")).toHaveLength(2);
  expect(stepsOf(scene).filter((step) => step === "E24")).toHaveLength(1);
});

test("a process whose last thread never used the graphics driver is told to exit all the same", () => {
  const driver = new GraphicsDriver();
  play(
    function* () {
      const child = yield* spawn(function* () {
        yield* start(function* () {
          yield* convert();
        });
        yield* settle();
      });
      yield* ended(child.handle);
    },
    { drivers: [driver] },
  );
  expect(driver.told).toEqual(["process begins", "thread begins", "thread exits", "process exits"]);
});

test("a killed thread exits from the graphics driver too", () => {
  const driver = new GraphicsDriver();
  play(
    function* () {
      const child = yield* spawn(function* () {
        yield* convert();
        yield* nt.NtDelayExecution(false, null);
      });
      yield* settle();
      yield* nt.NtTerminateProcess(child.handle, 7);
      expect(yield* ended(child.handle)).toBe(7);
    },
    { drivers: [driver] },
  );
  expect(driver.told.slice(2)).toEqual(["thread exits", "process exits"]);
});

test("a thread that the graphics driver refuses stays as it is", () => {
  const driver = new GraphicsDriver();
  play(
    function* () {
      driver.threadStatus = STATUS_NO_MEMORY;
      expect(yield* convert()).toBe(STATUS_NO_MEMORY);
      driver.threadStatus = STATUS_SUCCESS;
      expect(yield* convert()).toBe(STATUS_SUCCESS);
    },
    { drivers: [driver] },
  );
  expect(driver.told).toEqual(["process begins", "thread begins", "thread exits", "process exits"]);
});

test("without a graphics driver, or from kernel mode, no thread is converted", () => {
  play(function* () {
    expect(yield* convert()).toBe(STATUS_ACCESS_DENIED);
    const answers: NtStatus[] = [];
    yield* nt.call(function* (k) {
      const thread = yield* ntoskrnl.PsCreateSystemThread(
        k,
        function* (kernel) {
          answers.push(yield* ntoskrnl.PsConvertToGuiThread(kernel));
        },
        "kernel",
      );
      if (thread.ok) yield* ntoskrnl.ObDereferenceObject(k, thread.value);
    });
    yield* settle();
    expect(answers).toEqual([STATUS_INVALID_PARAMETER]);
  });
});
