/** Closing handles, in the order that callers can see. */
import { describe, expect, it } from "vitest";
import { BugCheckCode } from "../../../src/abi/ke.ts";
import { STATUS_HANDLE_NOT_CLOSABLE, STATUS_INVALID_HANDLE, STATUS_SUCCESS } from "../../../src/abi/status.ts";
import { KeAreApcsDisabled } from "../../../src/ke/region.ts";
import { KeStackAttachProcess, KeUnstackDetachProcess } from "../../../src/ke/attach.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { NtClose, ObCloseHandle } from "../../../src/ob/close.ts";
import { ObOpenObjectByPointer, ObReferenceObjectByHandle } from "../../../src/ob/handle.ts";
import { headerOf } from "../../../src/ob/header.ts";
import { ObInsertObject } from "../../../src/ob/insert.ts";
import { queryHandleFlags, setHandleFlags } from "../../../src/ob/query.ts";
import { dropReference } from "../../../src/ob/reference.ts";
import type { ObjectBody } from "../../../src/rtl/body.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { newProcess, run, runToEnd, spawn, type TestKernel, testKernel, valueOf } from "../../support/kernel.ts";
import { newThing, THING_ALL, THING_READ, thingType } from "../../support/objects.ts";

/** Makes a thing with one handle, in a thread of the test's process. */
function* insert(k: TestKernel, log: string[], desiredAccess = THING_ALL, attributes = 0): Blocking<number> {
  const type = k.ob.types.find((candidate) => candidate.name === "Thing") ?? thingType(k, log);
  const inserted = yield* ObInsertObject(k, newThing(k, type), { desiredAccess, attributes, mode: 0 });
  return valueOf(inserted).handle;
}

describe("closing", () => {
  it("calls the close procedure with the counts before, then deletes", () => {
    const k = testKernel();
    const log: string[] = [];
    runToEnd(k, function* () {
      const handle = yield* insert(k, log);
      const body = valueOf(ObReferenceObjectByHandle<ObjectBody>(k, handle, 0, null, 0));
      const second = valueOf(ObOpenObjectByPointer(k, body, THING_READ, 0, 0));
      dropReference(body);
      expect(yield* ObCloseHandle(k, handle, 1)).toBe(STATUS_SUCCESS);
      log.push("one closed");
      yield* ObCloseHandle(k, second, 1);
      expect(yield* ObCloseHandle(k, second, 1)).toBe(STATUS_INVALID_HANDLE);
    });
    expect(log).toEqual(["close thing 2/2", "one closed", "close thing 1/1", "delete thing"]);
  });

  it("the value is free before the close procedure runs, which sees the object alive, in a critical region", () => {
    const k = testKernel();
    const seen: unknown[] = [];
    const type = thingType(k, [], {
      closeProcedure: function* (kernel, process, body): Blocking<void> {
        const free = process.objectTable?.count;
        seen.push(free, headerOf(body).handleCount, headerOf(body).pointerCount, KeAreApcsDisabled(kernel));
      },
    });
    runToEnd(k, function* () {
      const options = { desiredAccess: THING_ALL, attributes: 0, mode: 0 } as const;
      const { handle } = valueOf(yield* ObInsertObject(k, newThing(k, type), options));
      yield* ObCloseHandle(k, handle, 1);
      seen.push(KeAreApcsDisabled(k));
    });
    expect(seen).toEqual([0, 0, 1, true, false]);
  });

  it("the type is asked before protection, and may refuse", () => {
    const k = testKernel();
    const asked: unknown[] = [];
    thingType(k, [], {
      okayToClose: (_k, process, body, handle, mode) => {
        asked.push([process === k.test.process, body.name, handle, mode]);
        return false;
      },
    });
    runToEnd(k, function* () {
      const handle = yield* insert(k, []);
      setHandleFlags(k, handle, { inherit: false, protectFromClose: true });
      expect(yield* ObCloseHandle(k, handle, 1)).toBe(STATUS_HANDLE_NOT_CLOSABLE);
    });
    expect([asked, k.test.process.objectTable?.count]).toEqual([[[true, "thing", 4, 1]], 1]);
  });

  it("a protected handle stays open", () => {
    const k = testKernel();
    const log: string[] = [];
    runToEnd(k, function* () {
      const handle = yield* insert(k, log);
      expect(setHandleFlags(k, handle, { inherit: true, protectFromClose: true })).toBe(STATUS_SUCCESS);
      expect(valueOf(yield* queryHandleFlags(k, handle))).toEqual({ inherit: true, protectFromClose: true });
      expect(yield* ObCloseHandle(k, handle, 1)).toBe(STATUS_HANDLE_NOT_CLOSABLE);
      setHandleFlags(k, handle, { inherit: true, protectFromClose: false });
      expect(yield* ObCloseHandle(k, handle, 1)).toBe(STATUS_SUCCESS);
    });
    expect([log, k.test.exceptions]).toEqual([["close thing 1/1", "delete thing"], []]);
  });

  it("kernel mode closing a protected handle stops the machine", () => {
    const k = testKernel();
    spawn(k, function* () {
      const handle = yield* insert(k, []);
      setHandleFlags(k, handle, { inherit: false, protectFromClose: true });
      yield* ObCloseHandle(k, handle, 0);
    });
    expect([run(k).end, k.ke.bugCheck?.code]).toEqual(["bugcheck", BugCheckCode.INVALID_KERNEL_HANDLE]);
  });

  it.each([0, 0x80000000, 0xffffffff, 0xfffffffe, 0x1234, 0x80001234])(
    "user mode closing %i gets INVALID_HANDLE (T-HND3)",
    (handle) => {
      const k = testKernel();
      expect(runToEnd(k, (kernel) => NtClose(kernel, handle), { mode: 1 })).toBe(STATUS_INVALID_HANDLE);
      expect(k.test.exceptions).toEqual([]);
    },
  );

  it("a debugged process gets a bad close as an exception, unless the caller is attached", () => {
    const k = testKernel();
    const other = newProcess(k, { parent: null });
    k.test.process.debugPort = newThing(k, thingType(k, []));
    other.debugPort = k.test.process.debugPort;
    runToEnd(k, function* () {
      yield* ObCloseHandle(k, 0x1234, 1);
      const handle = yield* insert(k, []);
      setHandleFlags(k, handle, { inherit: false, protectFromClose: true });
      yield* ObCloseHandle(k, handle, 1);
      const undo = KeStackAttachProcess(k, other);
      yield* ObCloseHandle(k, 0x1234, 1);
      yield* KeUnstackDetachProcess(k, undo);
    });
    expect(k.test.exceptions).toEqual([STATUS_INVALID_HANDLE, STATUS_HANDLE_NOT_CLOSABLE]);
  });

  it.each([
    [0, "idle"],
    [0xffffffff, "idle"],
    [0x1234, "bugcheck"],
  ])("kernel mode closing %i under a kernel debugger ends with %s", (handle, end) => {
    const k = testKernel({ kernelDebugger: { enabled: true } });
    spawn(k, function* (kernel: Kernel) {
      expect(yield* ObCloseHandle(kernel, handle, 0)).toBe(STATUS_INVALID_HANDLE);
    });
    expect(run(k).end).toBe(end);
  });
});
