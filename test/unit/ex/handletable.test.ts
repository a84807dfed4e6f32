/** Handle tables. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_QUOTA_EXCEEDED } from "../../../src/abi/status.ts";
import {
  ExCreateHandle,
  ExCreateHandleTable,
  ExDestroyHandle,
  ExDestroyHandleTable,
  ExDupHandleTable,
  ExEnumHandleTable,
  ExMapHandleToPointer,
  ExSweepHandleTable,
  HANDLE_INHERIT,
  HandleTable,
} from "../../../src/ex/handle.ts";
import { QuotaBlock } from "../../../src/ex/quota.ts";
import { ObjectBody } from "../../../src/rtl/body.ts";
import { runToEnd, statusOf, testKernel, valueOf } from "../../support/kernel.ts";

class Thing extends ObjectBody {}

/** Pool for tables that grow. */
const kernel = testKernel();

function create(table: HandleTable, id = 1, attributes = 0): number {
  return valueOf(ExCreateHandle(kernel, table, new Thing(id), 0x10, attributes));
}

describe("values", () => {
  it("are multiples of 4 from 4 up", () => {
    const table = new HandleTable();
    expect([create(table), create(table), create(table)]).toEqual([4, 8, 12]);
  });

  it("are reused lowest first", () => {
    const table = new HandleTable();
    for (let count = 0; count < 6; count++) create(table);
    for (const handle of [20, 8, 16]) ExDestroyHandle(table, handle);
    expect([create(table), create(table), create(table), create(table)]).toEqual([8, 16, 20, 28]);
  });

  it("of a strict table are reused in the order in which they became free, and only when a page is used up", () => {
    const table = new HandleTable({ strictFifo: true });
    for (let count = 0; count < 500; count++) create(table);
    for (const handle of [40, 4, 8]) ExDestroyHandle(table, handle);
    const fresh = Array.from({ length: 11 }, () => create(table));
    expect(fresh).toEqual(Array.from({ length: 11 }, (_, index) => (501 + index) * 4));
    expect([create(table), create(table), create(table), create(table)]).toEqual([40, 4, 8, 2048]);
  });

  it("behave like the smallest free number, whatever is opened and closed", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constant(-1), fc.nat(30)), { maxLength: 200 }), (script) => {
        const table = new HandleTable();
        const model = new Map<number, number>();
        for (const [step, choice] of script.entries()) {
          if (choice < 0) {
            let lowest = 4;
            while (model.has(lowest)) lowest += 4;
            expect(create(table, step)).toBe(lowest);
            model.set(lowest, step);
          } else {
            expect(ExDestroyHandle(table, choice * 4)).toBe(model.delete(choice * 4));
          }
          expect(table.count).toBe(model.size);
        }
        for (const [handle, id] of model) expect(ExMapHandleToPointer(table, handle)?.object?.id).toBe(id);
      }),
    );
  });
});

describe("lookup", () => {
  it("finds what was stored and ignores the low two bits", () => {
    const table = new HandleTable();
    const handle = create(table, 77, HANDLE_INHERIT);
    for (const tagged of [handle, handle | 1, handle | 3]) {
      const entry = ExMapHandleToPointer(table, tagged);
      expect([entry?.object?.id, entry?.grantedAccess, entry?.attributes]).toEqual([77, 0x10, HANDLE_INHERIT]);
    }
  });

  it.each([0, 8, 400, 0x7ffffffc])("finds nothing at %i", (handle) => {
    const table = new HandleTable();
    create(table);
    expect(ExMapHandleToPointer(table, handle)).toBeNull();
  });

  it("finds nothing once the handle is destroyed, which happens once", () => {
    const table = new HandleTable();
    const handle = create(table);
    expect([ExDestroyHandle(table, handle), ExDestroyHandle(table, handle)]).toEqual([true, false]);
    expect(ExMapHandleToPointer(table, handle)).toBeNull();
  });
});

describe("quota", () => {
  const limits = { handles: 2, threads: 0, processes: 0, poolBytes: 0, committedPages: 0 };

  it("is charged for each handle and returned with it", () => {
    const quota = new QuotaBlock(limits, null);
    const table = new HandleTable({ quota });
    const first = create(table);
    create(table);
    expect(statusOf(ExCreateHandle(kernel, table, new Thing(3), 0, 0))).toBe(STATUS_QUOTA_EXCEEDED);
    ExDestroyHandle(table, first);
    expect([quota.usage.handles, create(table)]).toEqual([1, 4]);
  });

  it("of the handles that are left goes back with the table", () => {
    const k = testKernel();
    const quota = new QuotaBlock(limits, null);
    const { bytes } = k.ex.pool;
    const table = ExCreateHandleTable(k, quota) ?? expect.fail("there is pool");
    create(table);
    ExDestroyHandleTable(k, table);
    expect([quota.usage.handles, k.ex.pool.bytes]).toEqual([0, bytes]);
  });

  it("a table needs pool", () => {
    const k = testKernel();
    k.ex.pool.failure = () => true;
    expect(ExCreateHandleTable(k, null)).toBeNull();
  });

  it("a table that cannot grow says so, charges nothing, and grows once there is pool again", () => {
    const k = testKernel();
    const quota = new QuotaBlock({ ...limits, handles: 600 }, null);
    const { bytes } = k.ex.pool;
    const table = ExCreateHandleTable(k, quota) ?? expect.fail("there is pool");
    for (let count = 1; count < 512; count++) valueOf(ExCreateHandle(k, table, new Thing(count), 0, 0));
    k.ex.pool.failure = () => true;
    expect(statusOf(ExCreateHandle(k, table, new Thing(512), 0, 0))).toBe(STATUS_INSUFFICIENT_RESOURCES);
    expect(quota.usage.handles).toBe(511);
    const copy = new HandleTable();
    k.ex.pool.failure = null;
    expect(valueOf(ExCreateHandle(k, table, new Thing(512), 0, 0))).toBe(2048);
    k.ex.pool.failure = () => true;
    expect(ExDupHandleTable(k, table, copy, () => true)).toBe(STATUS_INSUFFICIENT_RESOURCES);
    expect([copy.count, copy.entries.length]).toEqual([0, 1]);
    ExDestroyHandleTable(k, table);
    expect([quota.usage.handles, k.ex.pool.bytes]).toEqual([0, bytes]);
  });
});

describe("walking", () => {
  it("a sweep visits every handle in ascending order, also when they vanish on the way", () => {
    const k = testKernel();
    const table = new HandleTable();
    for (let count = 0; count < 5; count++) create(table, count);
    const seen: number[] = [];
    runToEnd(k, () =>
      ExSweepHandleTable(table, function* (handle): Generator<never, void, void> {
        seen.push(handle);
        ExDestroyHandle(table, handle);
        if (handle === 8) ExDestroyHandle(table, 12);
      }),
    );
    expect([seen, table.count]).toEqual([[4, 8, 16, 20], 0]);
  });

  it("an enumeration stops at the first handle that is wanted", () => {
    const table = new HandleTable();
    for (let count = 0; count < 5; count++) create(table, count);
    const seen: number[] = [];
    const found = ExEnumHandleTable(table, (handle, entry) => {
      seen.push(handle);
      return entry.object?.id === 2;
    });
    expect([found, seen]).toEqual([true, [4, 8, 12]]);
  });
});

describe("duplication", () => {
  it("copies the wanted entries under their values, and leaves the others free", () => {
    const source = new HandleTable();
    for (let count = 0; count < 6; count++) create(source, count, count % 2 === 0 ? HANDLE_INHERIT : 0);
    const target = new HandleTable();
    expect(ExDupHandleTable(kernel, source, target, (entry) => entry.attributes === HANDLE_INHERIT)).toBe(0);
    const copied: [number, number | undefined][] = [];
    ExEnumHandleTable(target, (handle, entry) => {
      copied.push([handle, entry.object?.id]);
      return false;
    });
    expect(copied).toEqual([
      [4, 0],
      [12, 2],
      [20, 4],
    ]);
    expect([create(target), create(target), create(target)]).toEqual([8, 16, 24]);
  });

  it("copies nothing without quota for all of it", () => {
    const source = new HandleTable();
    for (let count = 0; count < 3; count++) create(source, count);
    const limits = { handles: 2, threads: 0, processes: 0, poolBytes: 0, committedPages: 0 };
    const quota = new QuotaBlock(limits, null);
    const target = new HandleTable({ quota });
    const status = ExDupHandleTable(kernel, source, target, () => true);
    expect([status, target.count, quota.usage.handles]).toEqual([STATUS_QUOTA_EXCEEDED, 0, 0]);
  });
});
