/** A kill reaches a thread wherever it is, but only where it holds nothing of the kernel. */
import { expect, test } from "vitest";
import {
  APC_LEVEL,
  DISPATCH_LEVEL,
  KernelMode,
  MAXIMUM_SUSPEND_COUNT,
  UserMode,
  WaitReason,
} from "../../../src/abi/ke.ts";
import { ntStatus, STATUS_KERNEL_APC, STATUS_SUCCESS, STATUS_USER_APC } from "../../../src/abi/status.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection, ExRundown } from "../../../src/ex/rundown.ts";
import type { Script } from "../../../src/guest/script/context.ts";
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
import { KeFreezeAllThreads, KeThawAllThreads } from "../../../src/ke/suspend.ts";
import { KeDelayExecutionThread, KeWaitForSingleObject } from "../../../src/ke/wait.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { NtTerminateThread } from "../../../src/ps/killservices.ts";
import { NtResumeThread } from "../../../src/ps/threadservices.ts";
import { PspTerminateThreadByPointer } from "../../../src/ps/kill.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import {
  Gate,
  joined,
  must,
  pause,
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

/** Kills a thread that runs `program` and demands that it dies of that alone, with the given status and no user code after. */
function kills(program: () => Script<void>): Scene {
  return play(function* () {
    let survived = false;
    const child = yield* start(function* () {
      yield* program();
      survived = true;
    });
    yield* settle();
    expect(yield* nt.NtTerminateThread(child.handle, 77)).toBe(STATUS_SUCCESS);
    expect(yield* joined(child.handle)).toBe(77);
    expect(survived).toBe(false);
  });
}

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

test("a kill ends a wait in user mode that is not alertable", () => {
  kills(function* () {
    yield* nt.NtWaitForSingleObject(must(yield* nt.NtCreateEvent("notification")));
  });
});

test("a kill ends a wait in user mode that is alertable", () => {
  kills(function* () {
    yield* nt.NtWaitForSingleObject(must(yield* nt.NtCreateEvent("notification")), true);
  });
});

test("a kill ends a wait in user mode for all of several objects", () => {
  kills(function* () {
    const events = [must(yield* nt.NtCreateEvent("notification")), must(yield* nt.NtCreateEvent("notification"))];
    yield* nt.NtWaitForMultipleObjects(events, "all");
  });
});

test("a kill ends a sleep, alertable or not", () => {
  for (const alertable of [false, true]) {
    kills(function* () {
      yield* nt.NtDelayExecution(alertable, null);
    });
  }
});

test("a kill ends a wait for an alert", () => {
  kills(function* () {
    yield* nt.NtWaitForAlertByThreadId();
  });
});

test("a kill ends a thread that spins in user mode", () => {
  play(
    function* () {
      const child = yield* start(spin);
      expect(yield* nt.NtTerminateThread(child.handle, 77)).toBe(STATUS_SUCCESS);
      expect(yield* joined(child.handle)).toBe(77);
    },
    { processors: 2 },
  );
});

test("T-WT3: a kill ends a thread that is suspended once", () => {
  kills(function* () {
    must(yield* nt.NtSuspendThread(0xfffffffe));
  });
});

test("K11: a kill ends a thread that is suspended as often as a thread can be", () => {
  play(function* () {
    const child = yield* start(spin);
    for (let count = 0; count < MAXIMUM_SUSPEND_COUNT; count++) {
      expect(must(yield* nt.NtSuspendThread(child.handle))).toBe(count);
    }
    yield* settle();
    expect(yield* nt.NtTerminateThread(child.handle, 77)).toBe(STATUS_SUCCESS);
    expect(yield* joined(child.handle)).toBe(77);
    const { suspendCount } = yield* nt.call((k) => threadById(k, child.id));
    expect(suspendCount).toBe(0);
  });
});

test("T-WT3: a kill ends a thread that was created suspended and never ran", () => {
  play(function* () {
    let ran = false;
    const child = yield* start(
      function* () {
        ran = true;
        yield* nt.NtTestAlert();
      },
      { suspended: true },
    );
    expect(yield* nt.NtTerminateThread(child.handle, 99)).toBe(STATUS_SUCCESS);
    expect(yield* joined(child.handle)).toBe(99);
    expect(ran).toBe(false);
  });
});

test("a thread that is killed before it first runs executes nothing in user mode", () => {
  play(function* () {
    let ran = false;
    const child = yield* start(function* () {
      ran = true;
      yield* nt.NtTestAlert();
    });
    yield* nt.NtTerminateThread(child.handle, 99);
    expect(yield* joined(child.handle)).toBe(99);
    expect(ran).toBe(false);
  });
});

test("K11, T-WS2: a kill ends a thread that is frozen, and the thaw tolerates it", () => {
  play(function* () {
    const child = yield* start(spin);
    yield* nt.call(function* (k) {
      const thread = threadById(k, child.id);
      KeFreezeAllThreads(k);
      yield* pause(k);
      expect(thread.freezeCount).toBe(1);
      expect(yield* NtTerminateThread(k, child.handle, ntStatus(77))).toBe(STATUS_SUCCESS);
      yield* pause(k);
      expect(thread.signalState).toBe(1);
      yield* KeThawAllThreads(k);
    });
    expect(yield* joined(child.handle)).toBe(77);
  });
});

test("T-WS2: a resume does not let a frozen thread run, the thaw does", () => {
  play(function* () {
    let turns = 0;
    const child = yield* start(function* () {
      for (;;) {
        turns++;
        yield* nt.NtTestAlert();
      }
    });
    yield* nt.call(function* (k) {
      KeFreezeAllThreads(k);
      yield* pause(k);
      const before = turns;
      expect(must(yield* NtResumeThread(k, child.handle))).toBe(0);
      yield* pause(k);
      expect(turns).toBe(before);
      yield* KeThawAllThreads(k);
    });
    const before = turns;
    yield* settle();
    expect(turns).toBeGreaterThan(before);
    yield* nt.NtTerminateThread(child.handle, 1);
  });
});

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
