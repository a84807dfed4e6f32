/** Queueing, the wake rules, delivery, flushing and removal of APCs. */
import { describe, expect, it } from "vitest";
import { APC_LEVEL, BugCheckCode, PASSIVE_LEVEL } from "../../../src/abi/ke.ts";
import { STATUS_SUCCESS } from "../../../src/abi/status.ts";
import {
  type ApcInit,
  KeFlushQueueApc,
  KeInitializeApc,
  KeInsertQueueApc,
  KeRemoveQueueApc,
  KeTestAlertThread,
  KiDeliverApc,
  newApc,
  noKernelRoutine,
} from "../../../src/ke/apc.ts";
import { KeLowerIrql, KeRaiseIrql } from "../../../src/ke/irql.ts";
import type { KApc, KThread } from "../../../src/ke/objects.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { listOwners } from "../../../src/rtl/list.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { newThread, run, runToEnd, spawn, testKernel } from "../../support/kernel.ts";

/** A routine that notes that it ran. */
function noting(log: string[], what: string): () => Blocking<void> {
  return function* () {
    log.push(what);
  };
}

function specialApc(k: Kernel, thread: KThread, log: string[] = [], name = "special"): KApc {
  return newApc(k, thread, { environment: 0, kernelRoutine: noting(log, name), normalRoutine: null, mode: 0 });
}

function normalApc(k: Kernel, thread: KThread, log: string[] = [], name = "normal"): KApc {
  return newApc(k, thread, {
    environment: 0,
    kernelRoutine: noKernelRoutine,
    normalRoutine: noting(log, name),
    mode: 0,
  });
}

function userApc(k: Kernel, thread: KThread): KApc {
  return newApc(k, thread, { environment: 0, kernelRoutine: noKernelRoutine, normalRoutine: 0x401000, mode: 1 });
}

describe("initialising", () => {
  it("an APC without a normal routine is special: kernel mode, no context", () => {
    const k = testKernel();
    const apc = newApc(k, newThread(k), {
      environment: 0,
      kernelRoutine: noKernelRoutine,
      normalRoutine: null,
      mode: 1,
      context: 5,
    });
    expect([apc.apcMode, apc.normalContext]).toEqual([0, null]);
  });

  it("the current environment is resolved at once", () => {
    const k = testKernel();
    const thread = newThread(k);
    thread.apcStateIndex = 1;
    const init: ApcInit = { environment: 2, kernelRoutine: noKernelRoutine, normalRoutine: 1, mode: 1 };
    expect(newApc(k, thread, init).apcStateIndex).toBe(1);
  });
});

describe("queueing", () => {
  it("special APCs go behind the special ones and in front of the normal ones", () => {
    const k = testKernel();
    const thread = newThread(k);
    const n1 = normalApc(k, thread);
    const s1 = specialApc(k, thread);
    const n2 = normalApc(k, thread);
    const s2 = specialApc(k, thread);
    for (const apc of [n1, s1, n2, s2]) KeInsertQueueApc(k, apc, null, null, 0);
    expect(listOwners(thread.apcState.kernelList)).toEqual([s1, s2, n1, n2]);
  });

  it("the exit APC goes to the head of the user list and makes it pending", () => {
    const k = testKernel();
    const thread = newThread(k);
    const ordinary = userApc(k, thread);
    const exit = userApc(k, thread);
    exit.isExit = true;
    KeInsertQueueApc(k, ordinary, null, null, 0);
    expect(thread.apcState.userApcPending).toBe(false);
    KeInsertQueueApc(k, exit, null, null, 0);
    expect(listOwners(thread.apcState.userList)).toEqual([exit, ordinary]);
    expect(thread.apcState.userApcPending).toBe(true);
  });

  it("an APC that is queued already is refused and keeps its arguments", () => {
    const k = testKernel();
    const apc = normalApc(k, newThread(k));
    expect(KeInsertQueueApc(k, apc, 1, 2, 0)).toBe(true);
    expect(KeInsertQueueApc(k, apc, 3, 4, 0)).toBe(false);
    expect([apc.systemArgument1, apc.systemArgument2]).toEqual([1, 2]);
  });

  it("a thread that takes no more APCs refuses without any effect", () => {
    const k = testKernel();
    const thread = newThread(k);
    thread.apcQueueable = false;
    const apc = normalApc(k, thread);
    expect(KeInsertQueueApc(k, apc, 1, 2, 0)).toBe(false);
    expect([apc.inserted, apc.systemArgument1, thread.apcState.kernelApcPending]).toEqual([false, null, false]);
  });
});

describe("delivery", () => {
  it("special APCs run before normal ones, each in its order", () => {
    const log: string[] = [];
    runToEnd(testKernel(), function* (k) {
      const self = k.ke.currentThread as KThread;
      KeRaiseIrql(k, APC_LEVEL);
      KeInsertQueueApc(k, normalApc(k, self, log, "n1"), null, null, 0);
      KeInsertQueueApc(k, specialApc(k, self, log, "s1"), null, null, 0);
      KeInsertQueueApc(k, normalApc(k, self, log, "n2"), null, null, 0);
      KeInsertQueueApc(k, specialApc(k, self, log, "s2"), null, null, 0);
      yield* KeLowerIrql(k, PASSIVE_LEVEL);
    });
    expect(log).toEqual(["s1", "s2", "n1", "n2"]);
  });

  it("the kernel routine runs at APC_LEVEL and the normal routine at PASSIVE_LEVEL, in progress", () => {
    const seen: unknown[] = [];
    runToEnd(testKernel(), function* (k) {
      const self = k.ke.currentThread as KThread;
      KeRaiseIrql(k, APC_LEVEL);
      const apc = newApc(k, self, {
        environment: 0,

        kernelRoutine: function* (kernel): Blocking<void> {
          seen.push([kernel.ke.prcb.irql, self.apcState.kernelApcInProgress]);
        },

        normalRoutine: function* (kernel, context, first, second): Blocking<void> {
          seen.push([kernel.ke.prcb.irql, self.apcState.kernelApcInProgress, context, first, second]);
        },
        mode: 0,
        context: "context",
      });
      KeInsertQueueApc(k, apc, "first", "second", 0);
      yield* KeLowerIrql(k, PASSIVE_LEVEL);
      seen.push([k.ke.prcb.irql, self.apcState.kernelApcInProgress]);
    });
    expect(seen).toEqual([
      [APC_LEVEL, false],
      [PASSIVE_LEVEL, true, "context", "first", "second"],
      [PASSIVE_LEVEL, false],
    ]);
  });

  it("a kernel routine may take the normal routine away", () => {
    const log: string[] = [];
    runToEnd(testKernel(), function* (k) {
      KeRaiseIrql(k, APC_LEVEL);
      const apc = newApc(k, k.ke.currentThread as KThread, {
        environment: 0,

        kernelRoutine: function* (_k, _apc, call): Blocking<void> {
          call.normalRoutine = null;
        },
        normalRoutine: noting(log, "normal"),
        mode: 0,
      });
      KeInsertQueueApc(k, apc, null, null, 0);
      yield* KeLowerIrql(k, PASSIVE_LEVEL);
    });
    expect(log).toEqual([]);
  });

  it("a normal routine may queue its own block again, as a user APC", () => {
    const k = testKernel();
    const requeued = runToEnd(k, function* (kernel) {
      const self = kernel.ke.currentThread as KThread;
      KeRaiseIrql(kernel, APC_LEVEL);
      const apc: KApc = newApc(kernel, self, {
        environment: 0,
        kernelRoutine: noKernelRoutine,

        normalRoutine: function* (inner): Blocking<void> {
          KeInitializeApc(apc, self, { environment: 0, kernelRoutine: noKernelRoutine, normalRoutine: 1, mode: 1 });
          KeInsertQueueApc(inner, apc, null, null, 0);
        },
        mode: 0,
      });
      KeInsertQueueApc(kernel, apc, null, null, 0);
      yield* KeLowerIrql(kernel, PASSIVE_LEVEL);
      return listOwners(self.apcState.userList)[0] === apc && apc.inserted;
    });
    expect(requeued).toBe(true);
  });

  it("a kernel routine that returns at another level stops the machine", () => {
    const k = testKernel();
    spawn(k, function* (kernel) {
      KeRaiseIrql(kernel, APC_LEVEL);
      const apc = newApc(kernel, kernel.ke.currentThread as KThread, {
        environment: 0,

        kernelRoutine: function* (inner): Blocking<void> {
          inner.ke.prcb.irql = PASSIVE_LEVEL;
        },
        normalRoutine: null,
        mode: 0,
      });
      KeInsertQueueApc(kernel, apc, null, null, 0);
      yield* KeLowerIrql(kernel, PASSIVE_LEVEL);
    });
    expect(run(k).end).toBe("bugcheck");
    expect(k.ke.bugCheck?.code).toBe(BugCheckCode.IRQL_UNEXPECTED_VALUE);
  });

  it("one user APC is delivered at a time, and only when it is pending", () => {
    const entered: unknown[] = [];
    runToEnd(testKernel(), function* (k) {
      const self = k.ke.currentThread as KThread;
      self.user = {
        ...({} as NonNullable<KThread["user"]>),
        enterApc: (_k, _thread, apc) => {
          entered.push(apc.routine);
          return STATUS_SUCCESS;
        },
      };
      KeInsertQueueApc(k, userApc(k, self), null, null, 0);
      KeInsertQueueApc(k, userApc(k, self), null, null, 0);
      yield* KiDeliverApc(k, 1);
      expect(entered).toEqual([]);
      KeTestAlertThread(self, 1);
      yield* KiDeliverApc(k, 1);
      expect(entered).toEqual([0x401000]);
      expect(self.apcState.userApcPending).toBe(false);
    });
    expect(entered).toHaveLength(1);
  });

  it("a user APC whose kernel routine takes its routine away re-arms the next one", () => {
    const pending = runToEnd(testKernel(), function* (k) {
      const self = k.ke.currentThread as KThread;
      const swallowed = newApc(k, self, {
        environment: 0,

        kernelRoutine: function* (_k, _apc, call): Blocking<void> {
          call.normalRoutine = null;
        },
        normalRoutine: 1,
        mode: 1,
      });
      KeInsertQueueApc(k, swallowed, null, null, 0);
      KeInsertQueueApc(k, userApc(k, self), null, null, 0);
      KeTestAlertThread(self, 1);
      yield* KiDeliverApc(k, 1);
      return self.apcState.userApcPending;
    });
    expect(pending).toBe(true);
  });
});

describe("flushing and removing", () => {
  it("a flush hands out all APCs of one mode in order, none of them inserted", () => {
    const k = testKernel();
    const thread = newThread(k);
    const first = userApc(k, thread);
    const second = userApc(k, thread);
    const kernel = normalApc(k, thread);
    for (const apc of [first, kernel, second]) KeInsertQueueApc(k, apc, null, null, 0);
    expect(KeFlushQueueApc(k, thread, 1)).toEqual([first, second]);
    expect([first.inserted, second.inserted, kernel.inserted]).toEqual([false, false, true]);
  });

  it("a flush leaves the pending flags as they are", () => {
    const k = testKernel();
    const thread = newThread(k);
    KeInsertQueueApc(k, normalApc(k, thread), null, null, 0);
    KeFlushQueueApc(k, thread, 0);
    expect(thread.apcState.kernelApcPending).toBe(true);
  });

  it("removal takes an APC out once", () => {
    const k = testKernel();
    const apc = normalApc(k, newThread(k));
    KeInsertQueueApc(k, apc, null, null, 0);
    expect([KeRemoveQueueApc(apc), KeRemoveQueueApc(apc)]).toEqual([true, false]);
  });
});
