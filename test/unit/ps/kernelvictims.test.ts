/** A kill waits for a thread that is in the kernel until it holds nothing there any more. */
import { expect, test } from "vitest";
import { APC_LEVEL, DISPATCH_LEVEL, KernelMode, UserMode, WaitReason } from "../../../src/abi/ke.ts";
import { ntStatus, STATUS_KERNEL_APC, STATUS_SUCCESS, STATUS_USER_APC } from "../../../src/abi/status.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection, ExRundown } from "../../../src/ex/rundown.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { KeInsertQueueApc, newApc, noKernelRoutine } from "../../../src/ke/apc.ts";
import { KeStackAttachProcess, KeUnstackDetachProcess } from "../../../src/ke/attach.ts";
import { KeGetCurrentThread } from "../../../src/ke/current.ts";
import { KeLowerIrql, KeRaiseIrql } from "../../../src/ke/irql.ts";
import {
  KeEnterCriticalRegion,
  KeEnterGuardedRegion,
  KeLeaveCriticalRegion,
  KeLeaveGuardedRegion,
} from "../../../src/ke/region.ts";
import { KeDelayExecutionThread, KeWaitForSingleObject } from "../../../src/ke/wait.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { PspTerminateThreadByPointer } from "../../../src/ps/kill.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import {
  Gate,
  joined,
  must,
  play,
  processById,
  type Scene,
  settle,
  spawn,
  spin,
  start,
  threadById,
} from "../../support/scene.ts";

const FOR_EVER = { timeout100ns: null } as const;

/**
 * Kills a thread while `routine`, which it runs in the kernel, waits at the gate; demands that it does not die before
 * the gate opens, that the routine runs to its end, and that the thread dies then.
 */
function diesAfterwards(routine: (k: Kernel, gate: Gate) => Blocking<void>): Scene {
  return play(function* () {
    const gate = new Gate();
    const reached: string[] = [];
    const child = yield* start(function* () {
      yield* nt.call(function* (k) {
        yield* routine(k, gate);
        reached.push("end of the routine");
      });
      reached.push("user mode");
    });
    yield* settle();
    expect(yield* nt.NtTerminateThread(child.handle, 77)).toBe(STATUS_SUCCESS);
    yield* settle();
    expect(must(yield* nt.queryThread(child.handle)).signaled).toBe(false);
    expect(reached).toEqual([]);
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* joined(child.handle)).toBe(77);
    expect(reached).toEqual(["end of the routine"]);
  });
}

test("a kill does not end a wait in kernel mode; the thread dies when it leaves the kernel", () => {
  diesAfterwards((k, gate) => gate.pass(k));
});

test("a kill does not end a sleep in kernel mode", () => {
  play(function* () {
    const child = yield* start(() =>
      nt.call((k) => KeDelayExecutionThread(k, { mode: KernelMode, alertable: false, timeout100ns: 40_000 })),
    );
    yield* settle();
    const before = yield* nt.call((k) => k.ke.prcb.clock);
    yield* nt.NtTerminateThread(child.handle, 77);
    expect(yield* joined(child.handle)).toBe(77);
    expect((yield* nt.call((k) => k.ke.prcb.clock)) - before).toBeGreaterThan(2_900_000);
  });
});

test("a kill waits for the end of a critical region", () => {
  diesAfterwards(function* (k, gate) {
    KeEnterCriticalRegion(k);
    yield* gate.pass(k);
    yield* KeLeaveCriticalRegion(k);
  });
});

test("a kill waits for the end of a guarded region", () => {
  diesAfterwards(function* (k, gate) {
    KeEnterGuardedRegion(k);
    yield* gate.pass(k);
    yield* KeLeaveGuardedRegion(k);
  });
});

test("a wait in user mode inside a critical region is not ended by a kill", () => {
  diesAfterwards(function* (k, gate) {
    KeEnterCriticalRegion(k);
    const wait = { mode: UserMode, alertable: false, reason: WaitReason.UserRequest, ...FOR_EVER } as const;
    expect(yield* KeWaitForSingleObject(k, gate.of(k), wait)).toBe(STATUS_SUCCESS);
    yield* KeLeaveCriticalRegion(k);
  });
});

test("a kill waits until the thread lowers its IRQL below APC_LEVEL", () => {
  diesAfterwards(function* (k, gate) {
    const old = KeRaiseIrql(k, APC_LEVEL);
    yield* gate.pass(k);
    yield* KeLowerIrql(k, old);
  });
});

test("a thread that holds rundown protection gives it back before it dies", () => {
  const rundown = new ExRundown();
  diesAfterwards(function* (k, gate) {
    expect(ExAcquireRundownProtection(rundown)).toBe(true);
    yield* gate.pass(k);
    ExReleaseRundownProtection(k, rundown);
  });
  expect(rundown.count).toBe(0);
});

test("a thread that is attached elsewhere dies only after it has detached", () => {
  play(function* () {
    const gate = new Gate();
    let detached = false;
    const host = yield* spawn(spin, { suspended: true });
    const child = yield* start(() =>
      nt.call(function* (k) {
        const undo = KeStackAttachProcess(k, processById(k, host.id));
        yield* gate.pass(k);
        detached = true;
        yield* KeUnstackDetachProcess(k, undo);
      }),
    );
    yield* settle();
    expect(yield* nt.NtTerminateThread(child.handle, 77)).toBe(STATUS_SUCCESS);
    yield* settle();
    expect(must(yield* nt.queryThread(child.handle)).signaled).toBe(false);
    const thread = yield* nt.call((k) => threadById(k, child.id));
    expect(thread.savedApcState.kernelList.flink?.owner?.isExit).toBe(true);
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* joined(child.handle)).toBe(77);
    expect(detached).toBe(true);
    yield* nt.NtTerminateProcess(host.handle, 1);
  });
});

test("a wait in user mode while attached is not ended by a kill", () => {
  play(function* () {
    const gate = new Gate();
    let answer = -1;
    const host = yield* spawn(spin, { suspended: true });
    const child = yield* start(() =>
      nt.call(function* (k) {
        const undo = KeStackAttachProcess(k, processById(k, host.id));
        const wait = { mode: UserMode, alertable: true, reason: WaitReason.UserRequest, ...FOR_EVER } as const;
        answer = yield* KeWaitForSingleObject(k, gate.of(k), wait);
        yield* KeUnstackDetachProcess(k, undo);
      }),
    );
    yield* settle();
    yield* nt.NtTerminateThread(child.handle, 77);
    yield* settle();
    expect(answer).toBe(-1);
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* joined(child.handle)).toBe(77);
    expect(answer).toBe(STATUS_SUCCESS);
    yield* nt.NtTerminateProcess(host.handle, 1);
  });
});

test("a kill waits for the end of a kernel APC in which the thread blocks", () => {
  play(function* () {
    const gate = new Gate();
    let finished = false;
    const child = yield* start(spin);
    yield* nt.call((k) => {
      const normalRoutine = function* (kernel: Kernel) {
        yield* gate.pass(kernel);
        finished = true;
      };
      const thread = threadById(k, child.id);
      const apc = newApc(k, thread, {
        environment: 0,
        kernelRoutine: noKernelRoutine,
        normalRoutine,
        mode: KernelMode,
      });
      KeInsertQueueApc(k, apc, null, null, 0);
    });
    yield* settle();
    yield* nt.NtTerminateThread(child.handle, 77);
    yield* settle();
    expect(must(yield* nt.queryThread(child.handle)).signaled).toBe(false);
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* joined(child.handle)).toBe(77);
    expect(finished).toBe(true);
  });
});

test("the wait of a killed thread answers USER_APC inside the kernel, after the kernel APC has run", () => {
  play(function* () {
    const answers: number[] = [];
    const child = yield* start(() =>
      nt.call(function* (k) {
        const wait = { mode: UserMode, alertable: false, reason: WaitReason.UserRequest, ...FOR_EVER } as const;
        answers.push(yield* KeWaitForSingleObject(k, new Gate().of(k), wait));
        answers.push(KeGetCurrentThread(k).waitStatus);
      }),
    );
    yield* settle();
    yield* nt.NtTerminateThread(child.handle, 77);
    expect(yield* joined(child.handle)).toBe(77);
    // The wait was interrupted by the kernel pass; the user pass was found when the wait was tried again.
    expect(answers).toEqual([STATUS_USER_APC, STATUS_KERNEL_APC]);
  });
});

test("an object that is signaled when the wait is tried again beats the kill", () => {
  play(function* () {
    const gate = new Gate();
    const answers: number[] = [];
    const child = yield* start(() =>
      nt.call(function* (k) {
        const wait = { mode: UserMode, alertable: false, reason: WaitReason.UserRequest, ...FOR_EVER } as const;
        answers.push(yield* KeWaitForSingleObject(k, gate.of(k), wait));
      }),
    );
    yield* settle();
    // Both happen before the victim can run: the kill interrupts the wait, and then the event is signaled.
    yield* nt.call(function* (k) {
      const old = KeRaiseIrql(k, DISPATCH_LEVEL);
      const kill = { self: false, route: "killed", via: "test" } as const;
      yield* PspTerminateThreadByPointer(k, threadById(k, child.id), ntStatus(77), kill);
      gate.open(k);
      yield* KeLowerIrql(k, old);
    });
    expect(yield* joined(child.handle)).toBe(77);
    expect(answers).toEqual([STATUS_SUCCESS]);
  });
});
