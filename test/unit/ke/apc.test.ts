/** Queueing, the wake rules, delivery, flushing and removal of APCs. */
import { describe, expect, it } from "vitest";
import { APC_LEVEL, BugCheckCode, PASSIVE_LEVEL, ThreadState } from "../../../src/abi/ke.ts";
import { STATUS_SUCCESS, STATUS_USER_APC } from "../../../src/abi/status.ts";
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
import { KeInitializeEvent, KeSetEvent } from "../../../src/ke/event.ts";
import { KeLowerIrql, KeRaiseIrql } from "../../../src/ke/irql.ts";
import type { KApc, KThread } from "../../../src/ke/objects.ts";
import {
  KeEnterCriticalRegion,
  KeEnterGuardedRegion,
  KeLeaveCriticalRegion,
  KeLeaveGuardedRegion,
} from "../../../src/ke/region.ts";
import { KeWaitForSingleObject } from "../../../src/ke/wait.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { listOwners } from "../../../src/rtl/list.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { newThread, run, runToEnd, spawn, testKernel } from "../../support/kernel.ts";

type Mode = 0 | 1;

/** A routine that notes that it ran. */
function noting(log: string[], what: string): () => Blocking<void> {
  // eslint-disable-next-line require-yield
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

/** A thread waits; an APC is queued to it. Did it wake, what is pending, and what did the wait answer? */
interface WakeCase {
  readonly apc: (k: Kernel, thread: KThread) => KApc;
  readonly waitMode: Mode;
  readonly alertable: boolean;
  readonly before?: (k: Kernel, thread: KThread) => void;
  readonly after?: (k: Kernel) => Blocking<void>;
}

function wakes(c: WakeCase): { woken: boolean; kernelPending: boolean; userPending: boolean; status: number | null } {
  const k = testKernel();
  const event = KeInitializeEvent(k, "notification", false);
  let status: number | null = null;
  const waiter = spawn(k, function* (kernel) {
    c.before?.(kernel, waiter);
    const options = { reason: 0 as const, mode: c.waitMode, alertable: c.alertable, timeout100ns: null };
    status = yield* KeWaitForSingleObject(kernel, event, options);
    if (c.after !== undefined) yield* c.after(kernel);
  });
  run(k);
  expect(waiter.state).toBe(ThreadState.Waiting);
  const apc = c.apc(k, waiter);
  let observed = { woken: false, kernelPending: false, userPending: false };
  spawn(k, function* (kernel) {
    KeInsertQueueApc(kernel, apc, null, null, 0);
    const { kernelApcPending, userApcPending } = waiter.apcState;
    observed = {
      woken: waiter.state !== ThreadState.Waiting,
      kernelPending: kernelApcPending,
      userPending: userApcPending,
    };
  } as (kernel: Kernel) => Blocking<void>);
  run(k);
  const answered = status;
  if (!waiter.finished) {
    spawn(k, function* (kernel) {
      KeSetEvent(kernel, event, 0);
    } as (kernel: Kernel) => Blocking<void>);
    run(k);
  }
  expect(waiter.finished).toBe(true);
  return { ...observed, status: answered };
}

const asleep = { woken: false, status: null };
const kernelWait = { waitMode: 0, alertable: false } as const;

describe("the wake rules", () => {
  it("a special APC wakes a wait at PASSIVE_LEVEL, which then goes on waiting", () => {
    expect(wakes({ apc: specialApc, ...kernelWait })).toEqual({
      woken: true,
      kernelPending: true,
      userPending: false,
      status: null,
    });
  });

  it("a normal APC wakes a wait too", () => {
    expect(wakes({ apc: normalApc, ...kernelWait }).woken).toBe(true);
  });

  it("a normal APC does not wake a wait in a critical region", () => {
    const result = wakes({
      apc: normalApc,
      ...kernelWait,
      before: KeEnterCriticalRegion,
      after: KeLeaveCriticalRegion,
    });
    expect(result).toMatchObject({ ...asleep, kernelPending: true });
  });

  it("a special APC wakes a wait in a critical region", () => {
    const c = { apc: specialApc, ...kernelWait, before: KeEnterCriticalRegion, after: KeLeaveCriticalRegion };
    expect(wakes(c).woken).toBe(true);
  });

  it("no APC wakes a wait in a guarded region", () => {
    const c = { apc: specialApc, ...kernelWait, before: KeEnterGuardedRegion, after: KeLeaveGuardedRegion };
    expect(wakes(c)).toMatchObject({ ...asleep, kernelPending: true });
  });

  it("no kernel APC wakes a wait at APC_LEVEL", () => {
    const c = {
      apc: specialApc,
      ...kernelWait,
      before: (k: Kernel): void => void KeRaiseIrql(k, APC_LEVEL),
      after: (k: Kernel): Blocking<void> => KeLowerIrql(k, PASSIVE_LEVEL),
    };
    expect(wakes(c)).toMatchObject({ ...asleep, kernelPending: true });
  });

  it("a normal APC does not wake a wait inside another normal APC", () => {
    const c = {
      apc: normalApc,
      ...kernelWait,
      before: (_k: Kernel, thread: KThread): void => {
        thread.apcState.kernelApcInProgress = true;
      },
      // eslint-disable-next-line require-yield
      after: function* (k: Kernel): Blocking<void> {
        const thread = k.ke.currentThread;
        if (thread !== null) thread.apcState.kernelApcInProgress = false;
      },
    };
    expect(wakes(c)).toMatchObject({ ...asleep, kernelPending: true });
  });

  it("a user APC ends an alertable wait in user mode", () => {
    expect(wakes({ apc: userApc, waitMode: 1, alertable: true })).toMatchObject({
      woken: true,
      userPending: true,
      status: STATUS_USER_APC,
    });
  });

  it("a user APC does not end a wait in user mode that is not alertable", () => {
    expect(wakes({ apc: userApc, waitMode: 1, alertable: false })).toMatchObject({ ...asleep, userPending: false });
  });

  it("a user APC does not end an alertable wait in kernel mode", () => {
    expect(wakes({ apc: userApc, waitMode: 0, alertable: true })).toMatchObject({ ...asleep, userPending: false });
  });

  it("the exit APC ends a wait in user mode that is not alertable", () => {
    const exitApc = (k: Kernel, thread: KThread): KApc => Object.assign(userApc(k, thread), { isExit: true });
    expect(wakes({ apc: exitApc, waitMode: 1, alertable: false })).toMatchObject({
      woken: true,
      status: STATUS_USER_APC,
    });
  });

  it("the exit APC does not end a wait in kernel mode", () => {
    const exitApc = (k: Kernel, thread: KThread): KApc => Object.assign(userApc(k, thread), { isExit: true });
    expect(wakes({ apc: exitApc, waitMode: 0, alertable: false })).toMatchObject({ ...asleep, userPending: true });
  });

  it("an APC for a thread that is not waiting is only marked", () => {
    const k = testKernel();
    const thread = newThread(k);
    KeInsertQueueApc(k, normalApc(k, thread), null, null, 0);
    KeInsertQueueApc(k, userApc(k, thread), null, null, 0);
    expect([thread.state, thread.apcState.kernelApcPending, thread.apcState.userApcPending]).toEqual([
      ThreadState.Initialized,
      true,
      false,
    ]);
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
        // eslint-disable-next-line require-yield
        kernelRoutine: function* (kernel): Blocking<void> {
          seen.push([kernel.ke.prcb.irql, self.apcState.kernelApcInProgress]);
        },
        // eslint-disable-next-line require-yield
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
        // eslint-disable-next-line require-yield
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
        // eslint-disable-next-line require-yield
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
        // eslint-disable-next-line require-yield
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
        // eslint-disable-next-line require-yield
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
