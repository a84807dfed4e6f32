/** Handles across processes: inheritance, duplication, clearing, and the end of a process. */
import { describe, expect, it } from "vitest";
import {
  DUPLICATE_CLOSE_SOURCE,
  DUPLICATE_SAME_ACCESS,
  DUPLICATE_SAME_ATTRIBUTES,
  OBJ_INHERIT,
  OBJ_KERNEL_HANDLE,
} from "../../../src/abi/ob.ts";
import { CURRENT_PROCESS_HANDLE, CURRENT_THREAD_HANDLE, PROCESS_DUP_HANDLE } from "../../../src/abi/ps.ts";
import {
  STATUS_ACCESS_DENIED,
  STATUS_INVALID_HANDLE,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_QUOTA_EXCEEDED,
} from "../../../src/abi/status.ts";
import { ExMapHandleToPointer } from "../../../src/ex/handle.ts";
import { QuotaBlock } from "../../../src/ex/quota.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../../../src/ex/rundown.ts";
import { KeStackAttachProcess, KeUnstackDetachProcess } from "../../../src/ke/attach.ts";
import { KeGetCurrentProcess } from "../../../src/ke/current.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { ObCloseHandle } from "../../../src/ob/close.ts";
import { NtDuplicateObject, ObDuplicateObject } from "../../../src/ob/duplicate.ts";
import { ObOpenObjectByPointer } from "../../../src/ob/handle.ts";
import { headerOf } from "../../../src/ob/header.ts";
import { ObInitProcess } from "../../../src/ob/initprocess.ts";
import { ObClearProcessHandleTable, ObKillProcess } from "../../../src/ob/killprocess.ts";
import { setHandleFlags } from "../../../src/ob/query.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { newObjectId } from "../../../src/sim/identity.ts";
import {
  giveWay,
  newProcess,
  run,
  runToEnd,
  spawn,
  statusOf,
  type TestKernel,
  testKernel,
  TestProcess,
  valueOf,
} from "../../support/kernel.ts";
import { newThing, type Thing, THING_READ, THING_WRITE, thingType } from "../../support/objects.ts";

/** Opens `thing` once in `process`. */
function* open(k: TestKernel, process: TestProcess, thing: Thing, attributes = 0): Blocking<number> {
  const undo = KeStackAttachProcess(k, process);
  const handle = valueOf(ObOpenObjectByPointer(k, thing, THING_READ, attributes, 0));
  yield* KeUnstackDetachProcess(k, undo);
  return handle;
}

describe("inheritance", () => {
  it("a new process gets the inheritable handles of its parent, under the same values", () => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    runToEnd(k, function* () {
      for (const attributes of [0, OBJ_INHERIT, 0, OBJ_INHERIT]) yield* open(k, k.test.process, thing, attributes);
    });
    const child = newProcess(k, { parent: k.test.process });
    const table = child.objectTable ?? expect.fail();
    expect([4, 8, 12, 16].map((handle) => ExMapHandleToPointer(table, handle)?.object ?? null)).toEqual([
      null,
      thing,
      null,
      thing,
    ]);
    expect([headerOf(thing).handleCount, headerOf(thing).pointerCount]).toEqual([6, 7]);
  });

  it("a parent whose handles are being closed has none to give", () => {
    const k = testKernel();
    const parent = newProcess(k, { parent: null });
    runToEnd(k, (kernel) => ObKillProcess(kernel, parent));
    const child = new TestProcess(newObjectId(k), -1);
    expect(ObInitProcess(k, parent, child)).toBe(STATUS_PROCESS_IS_TERMINATING);
    expect(child.objectTable).toBeNull();
  });

  it("without quota for all of them there is no table", () => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    runToEnd(k, function* () {
      for (let count = 0; count < 3; count++) yield* open(k, k.test.process, thing, OBJ_INHERIT);
    });
    const { bytes } = k.ex.pool;
    const child = new TestProcess(newObjectId(k), -1);
    child.quotaBlock = new QuotaBlock({ ...k.ex.machineQuota.limits, handles: 2 }, null);
    expect(ObInitProcess(k, k.test.process, child)).toBe(STATUS_QUOTA_EXCEEDED);
    expect([headerOf(thing).handleCount, k.ex.pool.bytes, child.quotaBlock.usage.handles]).toEqual([3, bytes, 0]);
  });

  it("a handle that its type refuses is not inherited", () => {
    const k = testKernel();
    const type = thingType(k, [], {
      openProcedure: (_k, reason) => (reason === "inherit" ? STATUS_ACCESS_DENIED : (0 as never)),
    });
    const thing = newThing(k, type);
    runToEnd(k, () => open(k, k.test.process, thing, OBJ_INHERIT));
    expect([newProcess(k, { parent: k.test.process }).objectTable?.count, headerOf(thing).handleCount]).toEqual([0, 1]);
  });
});

describe("duplication", () => {
  const same = { desiredAccess: 0, attributes: 0, options: DUPLICATE_SAME_ACCESS, mode: 0 } as const;

  it("adds a handle in the other process, and closing it takes it away (T-HND4)", () => {
    const k = testKernel();
    const log: string[] = [];
    const other = newProcess(k, { parent: null });
    const thing = newThing(k, thingType(k, log));
    runToEnd(k, function* () {
      const handle = yield* open(k, k.test.process, thing);
      const copy = valueOf(yield* ObDuplicateObject(k, k.test.process, handle, other, same));
      expect([headerOf(thing).handleCount, headerOf(thing).pointerCount]).toEqual([2, 3]);
      const undo = KeStackAttachProcess(k, other);
      yield* ObCloseHandle(k, copy, 1);
      yield* KeUnstackDetachProcess(k, undo);
      expect([headerOf(thing).handleCount, headerOf(thing).pointerCount]).toEqual([1, 2]);
    });
    expect(log).toEqual(["close thing 1/2"]);
  });

  it.each([
    ["the same access", DUPLICATE_SAME_ACCESS, THING_READ, 0],
    ["another access", 0, THING_WRITE, 0],
    ["the same attributes", DUPLICATE_SAME_ACCESS | DUPLICATE_SAME_ATTRIBUTES, THING_READ, OBJ_INHERIT],
  ])("gives %s", (_name, options, access, attributes) => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    runToEnd(k, function* () {
      const { process } = k.test;
      const handle = yield* open(k, process, thing, OBJ_INHERIT);
      const request = { desiredAccess: THING_WRITE, attributes: 0, options, mode: 0 } as const;
      const copy = valueOf(yield* ObDuplicateObject(k, process, handle, process, request));
      const entry = ExMapHandleToPointer(process.objectTable ?? expect.fail(), copy);
      expect([entry?.grantedAccess, entry?.attributes]).toEqual([access, attributes]);
    });
  });

  it("may close the source, whose value is then free for the copy", () => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    runToEnd(k, function* () {
      const { process } = k.test;
      const handle = yield* open(k, process, thing);
      const move = { ...same, options: DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE };
      expect(valueOf(yield* ObDuplicateObject(k, process, handle, process, move))).toBe(handle);
      expect([headerOf(thing).handleCount, headerOf(thing).pointerCount]).toEqual([1, 2]);
    });
  });

  it("closes the source even if there is no copy", () => {
    const k = testKernel();
    const log: string[] = [];
    const other = newProcess(k, { parent: null });
    const thing = newThing(k, thingType(k, log));
    runToEnd(k, function* () {
      yield* ObKillProcess(k, other);
      const handle = yield* open(k, k.test.process, thing);
      const move = { ...same, options: DUPLICATE_CLOSE_SOURCE };
      const status = statusOf(yield* ObDuplicateObject(k, k.test.process, handle, other, move));
      expect(status).toBe(STATUS_PROCESS_IS_TERMINATING);
    });
    expect([log, headerOf(thing).pointerCount]).toEqual([["close thing 1/1"], 1]);
  });

  it("without a target only closes", () => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    runToEnd(k, function* () {
      const handle = yield* open(k, k.test.process, thing);
      const close = { ...same, options: DUPLICATE_CLOSE_SOURCE };
      expect(valueOf(yield* ObDuplicateObject(k, k.test.process, handle, null, close))).toBe(0);
    });
    expect(headerOf(thing).handleCount).toBe(0);
  });

  it("turns a pseudo-handle into a real one", () => {
    const k = testKernel();
    const other = newProcess(k, { parent: null });
    const thread = spawn(k, function* () {
      const copy = valueOf(yield* ObDuplicateObject(k, k.test.process, CURRENT_THREAD_HANDLE, other, same));
      expect(ExMapHandleToPointer(other.objectTable ?? expect.fail(), copy)?.object).toBe(thread);
    });
    expect(run(k).unfinished).toEqual([]);
  });

  it("into the System process gives a kernel handle if that is asked for (T-HND1)", () => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    runToEnd(k, function* () {
      const { process } = k.test;
      const handle = yield* open(k, process, thing);
      const kernel = { ...same, attributes: OBJ_KERNEL_HANDLE };
      expect(valueOf(yield* ObDuplicateObject(k, process, handle, process, kernel))).toBe(0x80000004);
      expect(valueOf(yield* ObDuplicateObject(k, process, handle, process, same))).toBe(8);
    });
  });

  it("from or into a process whose handles are gone fails", () => {
    const k = testKernel();
    const dead = newProcess(k, { parent: null });
    const thing = newThing(k, thingType(k, []));
    runToEnd(k, function* () {
      const handle = yield* open(k, k.test.process, thing);
      yield* ObKillProcess(k, dead);
      for (const [from, to] of [
        [k.test.process, dead],
        [dead, k.test.process],
      ] as const) {
        const result = yield* ObDuplicateObject(k, from, handle, to, same);
        expect(statusOf(result)).toBe(STATUS_PROCESS_IS_TERMINATING);
      }
    });
    expect([headerOf(thing).handleCount, headerOf(thing).pointerCount]).toEqual([1, 2]);
  });
});

describe("the duplication service", () => {
  /** What user mode gets, with a handle to another process that has `access`. */
  function duplicate(access: number, sourceHandle: number | null): number {
    const k = testKernel();
    const other = newProcess(k, { parent: null });
    const thing = newThing(k, thingType(k, []));
    return runToEnd(
      k,
      function* () {
        const handle = yield* open(k, k.test.process, thing);
        const target = valueOf(ObOpenObjectByPointer(k, other, access, 0, 0));
        const result = yield* NtDuplicateObject(k, {
          sourceProcess: CURRENT_PROCESS_HANDLE,
          sourceHandle: sourceHandle ?? handle,
          targetProcess: target,
          desiredAccess: 0,
          attributes: 0,
          options: DUPLICATE_SAME_ACCESS,
        });
        expect(headerOf(other).pointerCount).toBe(2);
        return result.ok ? result.value : result.status;
      },
      { mode: 1 },
    );
  }

  it("needs PROCESS_DUP_HANDLE on the process", () => {
    expect([duplicate(PROCESS_DUP_HANDLE, null), duplicate(0x400, null)]).toEqual([4, STATUS_ACCESS_DENIED]);
  });

  it("needs a handle that is one", () => {
    expect(duplicate(PROCESS_DUP_HANDLE, 0x1234)).toBe(STATUS_INVALID_HANDLE);
  });

  it("needs processes", () => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    const status = runToEnd(k, function* () {
      const handle = yield* open(k, k.test.process, thing);
      return statusOf(
        yield* NtDuplicateObject(k, {
          sourceProcess: handle,
          sourceHandle: handle,
          targetProcess: CURRENT_PROCESS_HANDLE,
          desiredAccess: 0,
          attributes: 0,
          options: 0,
        }),
      );
    });
    expect([status, headerOf(thing).pointerCount]).toEqual([STATUS_OBJECT_TYPE_MISMATCH, 2]);
  });
});

describe("clearing a process's table", () => {
  it("closes every handle, protected or not, in user mode and inside the process, and keeps the table", () => {
    const k = testKernel();
    const modes: unknown[] = [];
    const other = newProcess(k, { parent: null });
    const type = thingType(k, [], {
      okayToClose: (kernel, _process, _body, _handle, mode) => {
        modes.push(mode, KeGetCurrentProcess(kernel) === other);
        return true;
      },
    });
    const thing = newThing(k, type);
    runToEnd(k, function* () {
      const handle = yield* open(k, other, thing);
      const undo = KeStackAttachProcess(k, other);
      setHandleFlags(k, handle, { inherit: false, protectFromClose: true });
      yield* KeUnstackDetachProcess(k, undo);
      yield* ObClearProcessHandleTable(k, other);
      expect([other.objectTable?.count, headerOf(thing).handleCount]).toEqual([0, 0]);
      expect(yield* open(k, other, thing)).toBe(4);
    });
    expect([modes, other.rundownProtect.count]).toEqual([[1, true], 0]);
  });

  it("does nothing for a process whose handles are being closed anyway", () => {
    const k = testKernel();
    const other = newProcess(k, { parent: null });
    const thing = newThing(k, thingType(k, []));
    runToEnd(k, function* () {
      yield* open(k, other, thing);
      other.rundownProtect.active = true;
      yield* ObClearProcessHandleTable(k, other);
    });
    expect(headerOf(thing).handleCount).toBe(1);
  });
});

describe("the end of a process's handles", () => {
  it("closes every handle in ascending order, in kernel mode, and takes the table away", () => {
    const k = testKernel();
    const log: string[] = [];
    const other = newProcess(k, { parent: null });
    const type = thingType(k, log, {
      okayToClose: (_k, _process, body, handle, mode) => {
        log.push(`may ${body.name} ${handle} ${mode}`);
        return true;
      },
    });
    const { handles } = k.ex.machineQuota.usage;
    runToEnd(k, function* () {
      for (const name of ["a", "b"]) {
        const thing = newThing(k, type, name);
        yield* open(k, other, thing);
        headerOf(thing).pointerCount--;
      }
      yield* ObKillProcess(k, other);
    });
    expect(log).toEqual(["may a 4 0", "close a 1/1", "delete a", "may b 8 0", "close b 1/1", "delete b"]);
    expect([other.objectTable, k.ex.machineQuota.usage.handles]).toEqual([null, handles]);
  });

  it("waits for everybody who works on the process, and lets nobody in any more", () => {
    const k = testKernel();
    const log: string[] = [];
    const other = newProcess(k, { parent: null });
    spawn(k, function* (kernel: Kernel) {
      ExAcquireRundownProtection(other.rundownProtect);
      yield* giveWay(kernel);
      log.push(`refused ${!ExAcquireRundownProtection(other.rundownProtect)}`);
      ExReleaseRundownProtection(kernel, other.rundownProtect);
    });
    spawn(k, function* (kernel: Kernel) {
      yield* ObKillProcess(kernel, other);
      log.push("killed");
    });
    expect(run(k).unfinished).toEqual([]);
    expect(log).toEqual(["refused true", "killed"]);
  });

  it("disables hard errors for its duration only", () => {
    const k = testKernel();
    const seen: boolean[] = [];
    const other = newProcess(k, { parent: null });
    const thread = spawn(k, function* () {
      const type = thingType(k, [], {
        closeProcedure: function* (): Blocking<void> {
          seen.push(thread.hardErrorsDisabled);
        },
      });
      yield* open(k, other, newThing(k, type));
      yield* ObKillProcess(k, other);
      seen.push(thread.hardErrorsDisabled);
    });
    run(k);
    expect(seen).toEqual([true, false]);
  });

  it("of a process that never had a table only runs it down", () => {
    const k = testKernel();
    const bare = new TestProcess(newObjectId(k), -1);
    runToEnd(k, (kernel) => ObKillProcess(kernel, bare));
    expect(ExAcquireRundownProtection(bare.rundownProtect)).toBe(false);
  });

  it("a protected handle goes as well", () => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    const other = newProcess(k, { parent: null });
    runToEnd(k, function* () {
      const handle = yield* open(k, other, thing);
      const entry = ExMapHandleToPointer(other.objectTable ?? expect.fail(), handle) ?? expect.fail();
      entry.attributes = 1;
      yield* ObKillProcess(k, other);
    });
    expect(headerOf(thing).handleCount).toBe(0);
  });
});
