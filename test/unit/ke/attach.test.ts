/** Attaching to another process, and what it means for APCs. */
import { describe, expect, it } from "vitest";
import { BugCheckCode } from "../../../src/abi/ke.ts";
import { KeInsertQueueApc, newApc, noKernelRoutine } from "../../../src/ke/apc.ts";
import {
  KeAttachProcess,
  KeIsAttachedProcess,
  KeStackAttachProcess,
  KeUnstackDetachProcess,
} from "../../../src/ke/attach.ts";
import { KeGetCurrentProcess, KeGetCurrentThread } from "../../../src/ke/current.ts";
import { KeInitializeEvent } from "../../../src/ke/event.ts";
import { KeWaitForSingleObject } from "../../../src/ke/wait.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { newProcess, run, runToEnd, spawn, testKernel } from "../../support/kernel.ts";

describe("stack attach", () => {
  it("changes the current process, keeps the other resident, and is undone exactly", () => {
    const k = testKernel();
    const other = newProcess(k, { parent: null });
    runToEnd(k, function* (kernel) {
      const home = KeGetCurrentProcess(kernel);
      const undo = KeStackAttachProcess(kernel, other);
      expect([KeGetCurrentProcess(kernel), KeIsAttachedProcess(kernel), other.stackCount]).toEqual([other, true, 1]);
      expect(KeGetCurrentThread(kernel).process).toBe(home);
      yield* KeUnstackDetachProcess(kernel, undo);
      expect([KeGetCurrentProcess(kernel), KeIsAttachedProcess(kernel), other.stackCount]).toEqual([home, false, 0]);
    });
  });

  it("nests", () => {
    const k = testKernel();
    const a = newProcess(k, { parent: null });
    const b = newProcess(k, { parent: null });
    const trail = runToEnd(k, function* (kernel) {
      const seen: boolean[] = [];
      const first = KeStackAttachProcess(kernel, a);
      const second = KeStackAttachProcess(kernel, b);
      seen.push(KeGetCurrentProcess(kernel) === b);
      yield* KeUnstackDetachProcess(kernel, second);
      seen.push(KeGetCurrentProcess(kernel) === a, KeIsAttachedProcess(kernel));
      yield* KeUnstackDetachProcess(kernel, first);
      seen.push(KeGetCurrentProcess(kernel) === k.test.process, KeIsAttachedProcess(kernel));
      return seen;
    });
    expect(trail).toEqual([true, true, true, true, false]);
  });

  it("to the current process does nothing", () => {
    const k = testKernel();
    runToEnd(k, function* (kernel) {
      const undo = KeStackAttachProcess(kernel, k.test.process);
      expect(KeIsAttachedProcess(kernel)).toBe(false);
      yield* KeUnstackDetachProcess(kernel, undo);
    });
  });

  it("puts off APCs for the thread's home until it detaches", () => {
    const k = testKernel();
    const other = newProcess(k, { parent: null });
    const log: string[] = [];
    const event = KeInitializeEvent(k, "notification", false);
    const thread = spawn(k, function* (kernel) {
      const undo = KeStackAttachProcess(kernel, other);
      yield* KeWaitForSingleObject(kernel, event, { reason: 0, mode: 0, alertable: false, timeout100ns: 1000 });
      log.push("detaching");
      yield* KeUnstackDetachProcess(kernel, undo);
      log.push("detached");
    });
    spawn(k, function* (kernel) {
      const apc = newApc(kernel, thread, {
        environment: 0,
        kernelRoutine: noKernelRoutine,

        normalRoutine: function* (): Blocking<void> {
          log.push("delivered");
        },
        mode: 0,
      });
      expect(KeInsertQueueApc(kernel, apc, null, null, 0)).toBe(true);
    });
    run(k);
    expect(log).toEqual(["detaching", "delivered", "detached"]);
  });
});

describe("misuse", () => {
  it("a plain attach of an attached thread stops the machine", () => {
    const k = testKernel();
    const other = newProcess(k, { parent: null });
    spawn(k, function* (kernel) {
      const undo = KeAttachProcess(kernel, other);
      KeAttachProcess(kernel, other);
      yield* KeUnstackDetachProcess(kernel, undo);
    });
    expect([run(k).end, k.ke.bugCheck?.code]).toEqual(["bugcheck", BugCheckCode.INVALID_PROCESS_ATTACH_ATTEMPT]);
  });

  it("detaching with an APC left in the attached state stops the machine", () => {
    const k = testKernel();
    const other = newProcess(k, { parent: null });
    spawn(k, function* (kernel) {
      const undo = KeStackAttachProcess(kernel, other);
      const apc = newApc(kernel, KeGetCurrentThread(kernel), {
        environment: 2,
        kernelRoutine: noKernelRoutine,
        normalRoutine: 1,
        mode: 1,
      });
      KeInsertQueueApc(kernel, apc, null, null, 0);
      yield* KeUnstackDetachProcess(kernel, undo);
    });
    expect([run(k).end, k.ke.bugCheck?.code]).toEqual(["bugcheck", BugCheckCode.INVALID_PROCESS_DETACH_ATTEMPT]);
  });
});
