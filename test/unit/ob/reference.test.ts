/** References: counting, deletion here or by a worker, misuse. */
import { describe, expect, it } from "vitest";
import { APC_LEVEL, BugCheckCode, DISPATCH_LEVEL, PASSIVE_LEVEL } from "../../../src/abi/ke.ts";
import { STATUS_INSUFFICIENT_RESOURCES } from "../../../src/abi/status.ts";
import { ExFastRef, MAX_FAST_REFS } from "../../../src/ex/fastref.ts";
import { KeLowerIrql, KeRaiseIrql } from "../../../src/ke/irql.ts";
import { KeEnterCriticalRegion, KeEnterGuardedRegion, KeLeaveCriticalRegion } from "../../../src/ke/region.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { ObCreateObject } from "../../../src/ob/create.ts";
import {
  ObFastDereferenceObject,
  ObFastReferenceObject,
  ObFastReplaceObject,
  ObInitializeFastReference,
} from "../../../src/ob/fastref.ts";
import { headerOf } from "../../../src/ob/header.ts";
import { liveObjects } from "../../../src/ob/ledger.ts";
import {
  dropReference,
  ObDereferenceObject,
  ObDereferenceObjectDeferDelete,
  ObDereferenceObjectEx,
  ObReferenceObject,
  ObReferenceObjectEx,
  ObReferenceObjectSafe,
} from "../../../src/ob/reference.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { newObjectId } from "../../../src/sim/identity.ts";
import { run, runToEnd, spawn, testKernel } from "../../support/kernel.ts";
import { newThing, Thing, thingType } from "../../support/objects.ts";

describe("counting (T-OBJ1)", () => {
  it("starts at one and answers the count after each change", () => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    const counts = runToEnd(k, function* (kernel) {
      return [
        ObReferenceObject(thing),
        ObReferenceObjectEx(thing, 3),
        yield* ObDereferenceObject(kernel, thing),
        ObDereferenceObjectEx(kernel, thing, 3),
      ];
    });
    expect(counts).toEqual([2, 5, 4, 1]);
  });

  it("the cheap drop never takes the last reference", () => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    ObReferenceObject(thing);
    expect([dropReference(thing), dropReference(thing), headerOf(thing).pointerCount]).toEqual([true, false, 1]);
  });

  it("an object is charged to the pool for as long as it lives", () => {
    const k = testKernel();
    const type = thingType(k, []);
    const { bytes } = k.ex.pool;
    const thing = newThing(k, type);
    expect([k.ex.pool.bytes - bytes, k.ex.pool.tags.get("Thin")?.bytes]).toEqual([100, 100]);
    runToEnd(k, (kernel) => ObDereferenceObject(kernel, thing));
    expect(k.ex.pool.tags.get("Thin")?.bytes).toBe(0);
  });

  it("without pool there is no object", () => {
    const k = testKernel();
    const type = thingType(k, []);
    k.ex.pool.failure = (_ordinal, tag) => tag === "Thin";
    const thing = new Thing(newObjectId(k), "thing");
    expect(ObCreateObject(k, type, thing)).toBe(STATUS_INSUFFICIENT_RESOURCES);
    expect([thing.objectHeader, type.totalObjects]).toEqual([null, 0]);
  });
});

describe("deletion", () => {
  it("happens where the last reference is dropped, once, with count 0", () => {
    const k = testKernel();
    const log: string[] = [];
    const type = thingType(k, log, {
      deleteProcedure: function* (_k, body): Blocking<void> {
        log.push(`${headerOf(body).pointerCount} left, safe reference ${ObReferenceObjectSafe(body)}`);
      },
    });
    const thing = newThing(k, type);
    runToEnd(k, function* (kernel) {
      yield* ObDereferenceObject(kernel, thing);
      log.push("dropped");
    });
    expect(log).toEqual(["0 left, safe reference false", "dropped"]);
    expect([type.totalObjects, type.peakObjects]).toEqual([0, 1]);
    expect(liveObjects(k).some((object) => object.id === thing.id)).toBe(false);
  });

  it("happens in a critical region, which leaves special APCs on", () => {
    const k = testKernel();
    const log: string[] = [];
    const thing = newThing(k, thingType(k, log));
    runToEnd(k, function* (kernel) {
      KeEnterCriticalRegion(kernel);
      yield* ObDereferenceObject(kernel, thing);
      log.push("dropped");
      yield* KeLeaveCriticalRegion(kernel);
    });
    expect(log).toEqual(["delete thing", "dropped"]);
  });

  it.each([
    ["at APC_LEVEL", (k: Kernel): void => void KeRaiseIrql(k, APC_LEVEL)],
    ["in a guarded region", KeEnterGuardedRegion],
  ])("is left to a worker %s", (_where, prepare) => {
    const k = testKernel();
    const log: string[] = [];
    const thing = newThing(k, thingType(k, log));
    spawn(k, function* (kernel) {
      prepare(kernel);
      yield* ObDereferenceObject(kernel, thing);
      log.push("dropped");
    });
    run(k);
    expect(log).toEqual(["dropped", "delete thing"]);
  });

  it("is left to a worker when the caller says so, at any level", () => {
    const k = testKernel();
    const log: string[] = [];
    const type = thingType(k, log);
    const things = ["a", "b", "c"].map((name) => newThing(k, type, name));
    runToEnd(k, function* (kernel) {
      KeRaiseIrql(kernel, DISPATCH_LEVEL);
      for (const thing of things) ObDereferenceObjectDeferDelete(kernel, thing);
      log.push("dropped");
      yield* KeLowerIrql(kernel, PASSIVE_LEVEL);
    });
    expect(log[0]).toBe("dropped");
    expect(log.slice(1).toSorted()).toEqual(["delete a", "delete b", "delete c"]);
    expect(k.ob.reaper.active).toBe(false);
  });

  it("may cascade, also into what the worker deletes", () => {
    const k = testKernel();
    const log: string[] = [];
    const holders = new Map<string, Thing>();
    const type = thingType(k, log, {
      deleteProcedure: function* (kernel, body): Blocking<void> {
        log.push(`delete ${body.name}`);
        const next = holders.get(body.name);
        if (next === undefined) return;
        if (body.name === "a") yield* ObDereferenceObject(kernel, next);
        else ObDereferenceObjectDeferDelete(kernel, next);
      },
    });
    const [a, b, c] = ["a", "b", "c"].map((name) => newThing(k, type, name));
    if (a === undefined || b === undefined || c === undefined) return expect.fail();
    holders.set("a", b).set("b", c);
    runToEnd(k, function* (kernel) {
      ObDereferenceObjectDeferDelete(kernel, a);
    });
    expect(log).toEqual(["delete a", "delete b", "delete c"]);
    expect(type.totalObjects).toBe(0);
  });

  it("does not bring an object back", () => {
    const k = testKernel();
    const type = thingType(k, [], {
      deleteProcedure: function* (_k, body): Blocking<void> {
        headerOf(body).pointerCount++;
      },
    });
    const thing = newThing(k, type);
    spawn(k, function* (kernel) {
      yield* ObDereferenceObject(kernel, thing);
    });
    expect(() => run(k)).toThrow("a delete procedure does not bring its object back");
  });
});

describe("misuse", () => {
  it("dropping more references than there are stops the machine", () => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    spawn(k, function* (kernel) {
      yield* ObDereferenceObject(kernel, thing);
      yield* ObDereferenceObject(kernel, thing);
    });
    expect(run(k).end).toBe("bugcheck");
    expect([k.ke.bugCheck?.code, k.ke.bugCheck?.parameters[1]]).toEqual([BugCheckCode.REFERENCE_BY_POINTER, thing.id]);
  });

  it("an object that nobody refers to is not referenced", () => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    runToEnd(k, (kernel) => ObDereferenceObject(kernel, thing));
    expect(ObReferenceObjectSafe(thing)).toBe(false);
    expect(() => ObReferenceObject(thing)).toThrow("an object that somebody refers to");
  });
});

describe("fast references", () => {
  it("prepay references that show in the count", () => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    const reference = new ExFastRef<Thing>();
    ObInitializeFastReference(reference, thing);
    expect([headerOf(thing).pointerCount, reference.prepaid]).toEqual([2 + MAX_FAST_REFS, MAX_FAST_REFS]);
    expect(ObFastReferenceObject(reference)).toBe(thing);
    expect([headerOf(thing).pointerCount, reference.prepaid]).toEqual([2 + MAX_FAST_REFS, MAX_FAST_REFS - 1]);
  });

  it("are given back to the cache while it has room", () => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    const reference = new ExFastRef<Thing>();
    ObInitializeFastReference(reference, thing);
    ObFastReferenceObject(reference);
    const counts = runToEnd(k, function* (kernel) {
      yield* ObFastDereferenceObject(kernel, reference, thing);
      const first = headerOf(thing).pointerCount;
      ObReferenceObject(thing);
      yield* ObFastDereferenceObject(kernel, reference, thing);
      return [first, headerOf(thing).pointerCount, reference.prepaid];
    });
    expect(counts).toEqual([2 + MAX_FAST_REFS, 2 + MAX_FAST_REFS, MAX_FAST_REFS]);
  });

  it("never run dry", () => {
    const k = testKernel();
    const thing = newThing(k, thingType(k, []));
    const reference = new ExFastRef<Thing>();
    ObInitializeFastReference(reference, thing);
    for (let count = 0; count < 40; count++) expect(ObFastReferenceObject(reference)).toBe(thing);
    expect(headerOf(thing).pointerCount).toBe(1 + 1 + 40 + reference.prepaid);
  });

  it("a replaced object comes back with one reference, and without the prepaid ones", () => {
    const k = testKernel();
    const log: string[] = [];
    const type = thingType(k, log);
    const [a, b] = [newThing(k, type, "a"), newThing(k, type, "b")];
    const reference = new ExFastRef<Thing>();
    ObInitializeFastReference(reference, a);
    ObFastReferenceObject(reference);
    runToEnd(k, function* (kernel) {
      expect(ObFastReplaceObject(kernel, reference, b)).toBe(a);
      expect(headerOf(a).pointerCount).toBe(3);
      yield* ObFastDereferenceObject(kernel, reference, a);
      yield* ObDereferenceObject(kernel, a);
      yield* ObDereferenceObject(kernel, a);
    });
    expect([log, ObFastReferenceObject(reference)]).toEqual([["delete a"], b]);
  });

  it("an empty one has nothing to give", () => {
    expect(ObFastReferenceObject(new ExFastRef<Thing>())).toBeNull();
  });
});
