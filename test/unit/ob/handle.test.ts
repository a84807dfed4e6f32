/** Handles: making, resolving and closing them, in the order that callers can see. */
import { describe, expect, it } from "vitest";
import {
  GENERIC_READ,
  GENERIC_WRITE,
  MAXIMUM_ALLOWED,
  OBJ_EXCLUSIVE,
  OBJ_INHERIT,
  OBJ_KERNEL_HANDLE,
} from "../../../src/abi/ob.ts";
import { CURRENT_PROCESS_HANDLE, CURRENT_THREAD_HANDLE } from "../../../src/abi/ps.ts";
import {
  STATUS_ACCESS_DENIED,
  STATUS_INVALID_HANDLE,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_QUOTA_EXCEEDED,
  STATUS_SUCCESS,
} from "../../../src/abi/status.ts";
import { KeStackAttachProcess, KeUnstackDetachProcess } from "../../../src/ke/attach.ts";
import { ObCloseHandle } from "../../../src/ob/close.ts";
import { ObOpenObjectByPointer, ObReferenceObjectByHandle, referenceHandle } from "../../../src/ob/handle.ts";
import { headerOf } from "../../../src/ob/header.ts";
import { ObInsertObject } from "../../../src/ob/insert.ts";
import { liveObjects } from "../../../src/ob/ledger.ts";
import { queryObjectBasic, queryObjectName, queryObjectType } from "../../../src/ob/query.ts";
import { ObDereferenceObject } from "../../../src/ob/reference.ts";
import type { ObjectBody } from "../../../src/rtl/body.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import {
  newProcess,
  run,
  runToEnd,
  spawn,
  statusOf,
  type TestKernel,
  testKernel,
  valueOf,
} from "../../support/kernel.ts";
import { newThing, THING_ALL, THING_READ, THING_WRITE, thingType } from "../../support/objects.ts";

/** Makes a thing with one handle, in a thread of the test's process. */
function* insert(k: TestKernel, log: string[], desiredAccess = THING_ALL, attributes = 0): Blocking<number> {
  const type = k.ob.types.find((candidate) => candidate.name === "Thing") ?? thingType(k, log);
  const inserted = yield* ObInsertObject(k, newThing(k, type), { desiredAccess, attributes, mode: 0 });
  return valueOf(inserted).handle;
}

describe("making", () => {
  it("the first handle takes over the creation reference (T-OBJ1)", () => {
    const k = testKernel();
    const info = runToEnd(k, function* () {
      const handle = yield* insert(k, []);
      return valueOf(yield* queryObjectBasic(k, handle));
    });
    expect([info.handleCount, info.pointerCount]).toEqual([1, 2]);
  });

  it("user handles have the top bit clear, kernel handles have it set (T-HND1)", () => {
    const k = testKernel();
    const [user, kernel] = runToEnd(k, function* () {
      return [yield* insert(k, []), yield* insert(k, [], THING_ALL, OBJ_KERNEL_HANDLE)];
    });
    expect([user, kernel]).toEqual([4, 0x80000004]);
  });

  it("user mode cannot ask for a kernel handle", () => {
    const k = testKernel();
    const type = thingType(k, []);
    const handle = runToEnd(k, function* () {
      const options = { desiredAccess: THING_ALL, attributes: OBJ_KERNEL_HANDLE, mode: 1 } as const;
      return valueOf(yield* ObInsertObject(k, newThing(k, type), options)).handle;
    });
    expect(handle).toBe(4);
  });

  it.each([
    ["generic read", GENERIC_READ, 0x20001],
    ["generic read and write", GENERIC_READ | GENERIC_WRITE, 0x20003],
    ["the maximum", MAXIMUM_ALLOWED, THING_ALL],
    ["more than there is", 0xffff, 0x3],
  ])("%s is granted as the type maps it", (_name, desired, granted) => {
    const k = testKernel();
    const info = runToEnd(k, function* () {
      return valueOf(yield* queryObjectBasic(k, yield* insert(k, [], desired)));
    });
    expect(info.grantedAccess).toBe(granted);
  });

  it("without quota the new object goes again", () => {
    const k = testKernel({ limits: { handles: 1 } });
    const log: string[] = [];
    const status = runToEnd(k, function* () {
      yield* insert(k, log);
      const type = k.ob.types.find((candidate) => candidate.name === "Thing") ?? expect.fail();
      const options = { desiredAccess: THING_ALL, attributes: 0, mode: 0 } as const;
      return statusOf(yield* ObInsertObject(k, newThing(k, type, "second"), options));
    });
    expect([status, log]).toEqual([STATUS_QUOTA_EXCEEDED, ["delete second"]]);
  });

  it("a process without a table gets none", () => {
    const k = testKernel();
    const type = thingType(k, []);
    const thing = newThing(k, type);
    const status = runToEnd(k, function* () {
      k.test.process.objectTable = null;
      return statusOf(ObOpenObjectByPointer(k, thing, THING_READ, 0, 0));
    });
    expect([status, headerOf(thing).pointerCount]).toEqual([STATUS_PROCESS_IS_TERMINATING, 1]);
  });

  it("opening by pointer adds a handle and its reference", () => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    runToEnd(k, function* () {
      valueOf(ObOpenObjectByPointer(k, thing, THING_READ, 0, 0));
    });
    expect([headerOf(thing).handleCount, headerOf(thing).pointerCount]).toEqual([1, 2]);
  });

  it("an open procedure may refuse", () => {
    const k = testKernel();
    const asked: unknown[] = [];
    const type = thingType(k, [], {
      openProcedure: (_k, reason, process, body, access, count) => {
        asked.push([reason, process === k.test.process, body.name, access, count]);
        return count > 1 ? STATUS_ACCESS_DENIED : STATUS_SUCCESS;
      },
    });
    const thing = newThing(k, type);
    const answers = runToEnd(k, function* () {
      const first = ObOpenObjectByPointer(k, thing, THING_READ, 0, 0);
      const second = ObOpenObjectByPointer(k, thing, THING_WRITE, 0, 0);
      return [valueOf(first), statusOf(second)];
    });
    expect([answers, k.test.process.objectTable?.count]).toEqual([[4, STATUS_ACCESS_DENIED], 1]);
    expect(asked).toEqual([
      ["open", true, "thing", THING_READ, 1],
      ["open", true, "thing", THING_WRITE, 2],
    ]);
  });

  it("an exclusive object has handles in one process only, until the last is closed", () => {
    const k = testKernel();
    const type = thingType(k, []);
    const other = newProcess(k, { parent: null });
    runToEnd(k, function* () {
      const options = { desiredAccess: THING_ALL, attributes: OBJ_EXCLUSIVE, mode: 0 } as const;
      const { handle, body } = valueOf(yield* ObInsertObject(k, newThing(k, type), options));
      headerOf(body).pointerCount++;
      const undo = KeStackAttachProcess(k, other);
      expect(statusOf(ObOpenObjectByPointer(k, body, THING_READ, 0, 0))).toBe(STATUS_ACCESS_DENIED);
      yield* KeUnstackDetachProcess(k, undo);
      yield* ObCloseHandle(k, handle, 0);
      const again = KeStackAttachProcess(k, other);
      expect(ObOpenObjectByPointer(k, body, THING_READ, 0, 0).ok).toBe(true);
      yield* KeUnstackDetachProcess(k, again);
    });
  });
});

describe("resolving", () => {
  /** What resolving answers for a handle with read access. */
  function resolve(access: number, mode: 0 | 1, wanted: "thing" | "event" | "any", handle?: number): number {
    const k = testKernel();
    return runToEnd(k, function* () {
      const made = yield* insert(k, [], THING_READ);
      const types = {
        thing: k.ob.types.find((type) => type.name === "Thing") ?? null,
        event: k.ob.eventType,
        any: null,
      };
      const result = ObReferenceObjectByHandle<ObjectBody>(k, handle ?? made, access, types[wanted], mode);
      if (!result.ok) return result.status;
      expect(headerOf(result.value).pointerCount).toBe(2);
      return STATUS_SUCCESS;
    });
  }

  it("user mode needs every access it asks for", () => {
    expect(resolve(THING_READ, 1, "thing")).toBe(STATUS_SUCCESS);
    expect(resolve(THING_READ | THING_WRITE, 1, "thing")).toBe(STATUS_ACCESS_DENIED);
  });

  it("kernel mode may do everything", () => {
    expect(resolve(THING_WRITE, 0, "thing")).toBe(STATUS_SUCCESS);
  });

  it("the type is checked before the access", () => {
    expect(resolve(THING_WRITE, 1, "event")).toBe(STATUS_OBJECT_TYPE_MISMATCH);
  });

  it("any type will do if the caller says so", () => {
    expect(resolve(THING_READ, 1, "any")).toBe(STATUS_SUCCESS);
  });

  it.each([0, 8, 0x7ffffffc, 0x80000000, 0x80000004, 0xfffffffc])("%i is no handle of user mode", (handle) => {
    expect(resolve(0, 1, "any", handle)).toBe(STATUS_INVALID_HANDLE);
  });

  it("a kernel handle is one for kernel mode only (T-HND2)", () => {
    const k = testKernel();
    runToEnd(k, function* () {
      const handle = yield* insert(k, [], THING_ALL, OBJ_KERNEL_HANDLE);
      expect(statusOf(ObReferenceObjectByHandle(k, handle, 0, null, 1))).toBe(STATUS_INVALID_HANDLE);
      expect(ObReferenceObjectByHandle(k, handle, 0, null, 0).ok).toBe(true);
      expect(yield* ObCloseHandle(k, handle, 1)).toBe(STATUS_INVALID_HANDLE);
      expect(k.ob.kernelHandleTable.count).toBe(1);
      expect(yield* ObCloseHandle(k, handle, 0)).toBe(STATUS_SUCCESS);
      expect(k.ob.kernelHandleTable.count).toBe(0);
    });
  });

  it("-1 is the process of the current address space, -2 the current thread", () => {
    const k = testKernel();
    const other = newProcess(k, { parent: null });
    const thread = spawn(k, function* () {
      const { processType, threadType, process } = k.test;
      expect(valueOf(ObReferenceObjectByHandle(k, CURRENT_PROCESS_HANDLE, 1, processType, 1))).toBe(process);
      expect(valueOf(ObReferenceObjectByHandle(k, -1, 1, processType, 1))).toBe(process);
      expect(valueOf(ObReferenceObjectByHandle(k, CURRENT_THREAD_HANDLE, 1, threadType, 1))).toBe(thread);
      const undo = KeStackAttachProcess(k, other);
      expect(valueOf(ObReferenceObjectByHandle(k, CURRENT_PROCESS_HANDLE, 1, processType, 1))).toBe(other);
      yield* KeUnstackDetachProcess(k, undo);
    });
    expect(run(k).unfinished).toEqual([]);
  });

  it("a pseudo-handle grants user mode what the object granted itself, and has a type", () => {
    const k = testKernel();
    k.test.process.grantedAccess = 0x400;
    runToEnd(k, function* () {
      const { processType, threadType } = k.test;
      const handle = CURRENT_PROCESS_HANDLE;
      expect(statusOf(ObReferenceObjectByHandle(k, handle, 1, processType, 1))).toBe(STATUS_ACCESS_DENIED);
      expect(ObReferenceObjectByHandle(k, handle, 0x400, processType, 1).ok).toBe(true);
      expect(ObReferenceObjectByHandle(k, handle, 1, processType, 0).ok).toBe(true);
      expect(statusOf(ObReferenceObjectByHandle(k, handle, 1, threadType, 1))).toBe(STATUS_OBJECT_TYPE_MISMATCH);
      expect(valueOf(referenceHandle(k, handle, null, 1)).grantedAccess).toBe(0x400);
    });
  });
});

describe("asking about a handle", () => {
  it("answers attributes, access, name and type", () => {
    const k = testKernel();
    const type = thingType(k, []);
    runToEnd(k, function* () {
      const { handle, body } = valueOf(
        yield* ObInsertObject(k, newThing(k, type), {
          desiredAccess: THING_READ,
          attributes: OBJ_INHERIT,
          mode: 0,
          name: "\\BaseNamedObjects\\It",
        }),
      );
      expect(valueOf(yield* queryObjectBasic(k, handle))).toMatchObject({ attributes: OBJ_INHERIT, nameLength: 20 });
      expect(valueOf(yield* queryObjectName(k, handle))).toBe("\\BaseNamedObjects\\It");
      expect(valueOf(yield* queryObjectType(k, handle))).toBe(type);
      expect(headerOf(body).pointerCount).toBe(2);
    });
  });

  it("an object without a name has none", () => {
    const k = testKernel();
    expect(
      valueOf(
        runToEnd(k, function* () {
          return yield* queryObjectName(k, yield* insert(k, []));
        }),
      ),
    ).toBeNull();
  });
});

describe("the ledger", () => {
  it("names every live object with its counts and holders", () => {
    const k = testKernel();
    const other = newProcess(k, { parent: null });
    const thing = newThing(k, thingType(k, []));
    runToEnd(k, function* () {
      ObOpenObjectByPointer(k, thing, THING_READ, 0, 0);
      ObOpenObjectByPointer(k, thing, THING_READ, 0, 0);
      const undo = KeStackAttachProcess(k, other);
      ObOpenObjectByPointer(k, thing, THING_READ, 0, 0);
      yield* KeUnstackDetachProcess(k, undo);
    });
    expect(liveObjects(k).find((object) => object.id === thing.id)).toEqual({
      id: thing.id,
      type: "Thing",
      name: null,
      pointerCount: 4,
      handleCount: 3,
      otherReferences: 1,
      holders: [
        { pid: k.test.process.pid, handles: 2 },
        { pid: other.pid, handles: 1 },
      ],
    });
    runToEnd(k, function* () {
      yield* ObCloseHandle(k, 4, 0);
      yield* ObCloseHandle(k, 8, 0);
      yield* ObDereferenceObject(k, thing);
    });
    expect(liveObjects(k).find((object) => object.id === thing.id)?.holders).toEqual([{ pid: other.pid, handles: 1 }]);
  });
});
