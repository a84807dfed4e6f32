/** The wake rules: which APC ends which wait, and what it leaves pending. */
import { describe, expect, it } from "vitest";
import { APC_LEVEL, PASSIVE_LEVEL, ThreadState } from "../../../src/abi/ke.ts";
import { STATUS_USER_APC } from "../../../src/abi/status.ts";
import { KeInsertQueueApc, newApc, noKernelRoutine } from "../../../src/ke/apc.ts";
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
import type { Blocking } from "../../../src/sim/blocking.ts";
import { newThread, run, spawn, testKernel } from "../../support/kernel.ts";

type Mode = 0 | 1;

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
  });
  run(k);
  const answered = status;
  if (!waiter.finished) {
    spawn(k, function* (kernel) {
      KeSetEvent(kernel, event, 0);
    });
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
