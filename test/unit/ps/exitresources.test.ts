/** What a thread leaves when it exits: timers, tokens, requests of power, and its own APCs. */
import { expect, test } from "vitest";
import { KernelMode } from "../../../src/abi/ke.ts";
import {
  CT_ACTIVE_IMPERSONATION_INFO,
  CT_HIDE_FROM_DEBUGGER,
  CT_TERMINATED,
  CURRENT_THREAD_HANDLE,
  PSF_SET_TIMER_RESOLUTION,
  TAG_SEPA,
  WORKING_SET_WATCH_QUOTA,
} from "../../../src/abi/ps.ts";
import { ntStatus, STATUS_SUCCESS } from "../../../src/abi/status.ts";
import { ExAllocatePoolWithTag } from "../../../src/ex/pool.ts";
import { chargeQuota } from "../../../src/ex/quota.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../../../src/ex/rundown.ts";
import type { ScriptApc } from "../../../src/guest/script/context.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { KeInsertQueueApc, newApc, noKernelRoutine } from "../../../src/ke/apc.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { NtCreateTimer, NtSetTimer } from "../../../src/ob/exobjects/timer.ts";
import { headerOf } from "../../../src/ob/header.ts";
import { ObReferenceObject } from "../../../src/ob/reference.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../../../src/ps/current.ts";
import { PspClearCrossThreadFlag, PspSetCrossThreadFlag, PspSetProcessFlag } from "../../../src/ps/flags.ts";
import { NtTerminateThread } from "../../../src/ps/killservices.ts";
import type { EThread } from "../../../src/ps/objects.ts";
import { PsSuspendThread } from "../../../src/ps/suspend.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import {
  ended,
  Gate,
  joined,
  must,
  play,
  processById,
  settle,
  sleepForever,
  spawn,
  start,
  stepsOf,
  threadById,
} from "../../support/scene.ts";
import { newPort } from "../../support/port.ts";

const TIMER_ALL_ACCESS = 0x1f0003;

/** Sets a timer of the calling thread's that queues an APC to it. */
function setTimer(due100ns: number, periodMs: number, userRoutine: ScriptApc) {
  return nt.call(function* (k) {
    const { handle } = must(yield* NtCreateTimer(k, TIMER_ALL_ACCESS, null, "notification"));
    must(NtSetTimer(k, handle, { due100ns, periodMs, apc: { routine: 1, userRoutine, context: 0 } }));
    return handle;
  });
}

test("E27: the timers of a dead thread go off no more", () => {
  const { events } = play(function* () {
    const child = yield* start(function* () {
      yield* setTimer(20_000, 1, function* () {});
      yield* sleepForever();
    });
    yield* settle();
    yield* nt.NtTerminateThread(child.handle, 1);
    yield* joined(child.handle);
    yield* nt.NtDelayExecution(false, 100_000);
    expect(yield* nt.call((k) => k.ke.timers.length)).toBe(0);
  });
  // The timer's APC is the only one that is no kill.
  const kills = events.flatMap((event) => (event.kind === "apc" && event.act === "queued" ? [event.mode] : []));
  expect(kills).toEqual([0, 1]);
});

test("E27 before E42: a timer whose APC is queued when its thread dies loses both references and is not freed twice", () => {
  play(function* () {
    let timer = 0;
    const child = yield* start(function* () {
      timer = yield* setTimer(5_000, 0, function* () {
        throw new Error("the APC runs");
      });
      yield* sleepForever();
    });
    yield* settle();
    yield* nt.NtTerminateThread(child.handle, 1);
    yield* joined(child.handle);
    // The timer itself went off and stays signaled; only the handle refers to it now.
    expect(yield* nt.NtWaitForSingleObject(timer, false, 0)).toBe(STATUS_SUCCESS);
  });
});

/** Has a thread impersonate, as far as its end is concerned. @returns the number of references on the token */
function impersonate(thread: EThread): () => number {
  const token = thread.threadsProcess.token!;
  ObReferenceObject(token);
  thread.impersonationInfo = { token, level: 2 };
  PspSetCrossThreadFlag(thread, CT_ACTIVE_IMPERSONATION_INFO);
  return () => headerOf(token).pointerCount;
}

test("DT3: a thread that dies while it impersonates drops the token once", () => {
  play(function* () {
    const child = yield* start(sleepForever);
    const references = yield* nt.call((k) => impersonate(threadById(k, child.id)));
    const before = references();
    yield* nt.NtTerminateThread(child.handle, 1);
    yield* joined(child.handle);
    yield* nt.NtClose(child.handle);
    yield* settle();
    expect(references()).toBe(before - 1);
  });
});

test("D01: the kill leaves the other cross-thread flags as they are at that moment", () => {
  play(function* () {
    const gate = new Gate();
    const child = yield* start(() => nt.call((k) => gate.pass(k)));
    yield* settle();
    yield* nt.call(function* (k) {
      const thread = threadById(k, child.id);
      PspSetCrossThreadFlag(thread, CT_HIDE_FROM_DEBUGGER | CT_ACTIVE_IMPERSONATION_INFO);
      PspClearCrossThreadFlag(thread, CT_ACTIVE_IMPERSONATION_INFO);
      yield* NtTerminateThread(k, child.handle, ntStatus(1));
      expect(thread.crossThreadFlags).toBe(CT_TERMINATED | CT_HIDE_FROM_DEBUGGER);
      gate.open(k);
    });
    yield* joined(child.handle);
  });
});

test("E7, X3, X5: a thread and its process take back what they asked of power and of the clock", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    const thread = yield* nt.call((k) => {
      const process = processById(k, child.id);
      const first = process.ethreadListHead.flink!.owner!;
      first.powerState = 3;
      process.powerState = 3;
      PspSetProcessFlag(process, PSF_SET_TIMER_RESOLUTION);
      return first;
    });
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
    expect([thread.powerState, thread.threadsProcess.powerState]).toEqual([0, 0]);
    expect(thread.threadsProcess.flags & PSF_SET_TIMER_RESOLUTION).toBe(0);
  });
});

test("E6, D25: the exit waits for whoever works on the thread, and lets nobody else begin", () => {
  play(function* () {
    const child = yield* start(sleepForever);
    const thread = yield* nt.call((k) => threadById(k, child.id));
    expect(ExAcquireRundownProtection(thread.rundownProtect)).toBe(true);
    yield* nt.NtTerminateThread(child.handle, 1);
    yield* settle();
    expect(thread.signalState).toBe(0);
    expect(thread.threadsProcess.activeThreads).toBe(2);
    expect(ExAcquireRundownProtection(thread.rundownProtect)).toBe(false);
    yield* nt.call((k) => {
      ExReleaseRundownProtection(k, thread.rundownProtect);
    });
    yield* joined(child.handle);
    expect(ExAcquireRundownProtection(thread.rundownProtect)).toBe(false);
  });
});

test("D23: a thread that ends itself inside a normal kernel APC still runs the kernel APCs behind it", () => {
  const log: string[] = [];
  play(function* () {
    const child = yield* start(sleepForever);
    yield* settle();
    yield* nt.call((k) => {
      const thread = threadById(k, child.id);
      const queue = (normalRoutine: (kernel: Kernel) => Blocking<void>) => {
        const apc = newApc(k, thread, {
          environment: 0,
          kernelRoutine: noKernelRoutine,
          normalRoutine,
          mode: KernelMode,
        });
        KeInsertQueueApc(k, apc, null, null, 0);
      };
      queue(function* (kernel) {
        log.push("ends itself");
        yield* NtTerminateThread(kernel, CURRENT_THREAD_HANDLE, ntStatus(3));
      });
      queue(function* () {
        log.push("runs behind it");
      });
    });
    expect(yield* joined(child.handle)).toBe(3);
  });
  expect(log).toEqual(["ends itself", "runs behind it"]);
});

test("E41: a thread that is suspended while it exits goes on", () => {
  const scene = play(function* () {
    const gate = new Gate();
    const child = yield* start(function* () {
      yield* nt.NtTestAlert();
    });
    yield* nt.call((k) => {
      const thread = threadById(k, child.id);
      thread.win32Thread = thread;
      k.ps.win32Callouts = {
        thread: function* (kernel, dying) {
          yield* gate.pass(kernel);
          dying.win32Thread = null;
          return STATUS_SUCCESS;
        },
        process: function* () {
          return STATUS_SUCCESS;
        },
      };
    });
    yield* settle();
    yield* nt.call((k) => {
      const thread = threadById(k, child.id);
      // PsSuspendThread refuses a thread past its rundown; the thread itself is never asked.
      expect(PsSuspendThread(k, thread).ok).toBe(false);
      gate.open(k);
    });
    expect(yield* joined(child.handle)).toBe(0);
  });
  expect(stepsOf(scene)).toContain("E23");
});

test("hard errors stay disabled only while the handles of the process are being closed", () => {
  let during: boolean | null = null;
  play(function* () {
    const child = yield* spawn(sleepForever);
    yield* nt.call((k) => {
      const process = processById(k, child.id);
      const { closeProcedure } = k.ob.eventType;
      expect(closeProcedure).toBe(null);
      const type = k.ob.eventType as { closeProcedure: unknown };
      type.closeProcedure = function* (kernel: Kernel): Blocking<void> {
        if (PsGetCurrentProcess(kernel) === process) during = PsGetCurrentThread(kernel).hardErrorsDisabled;
      };
    });
    must(
      yield* nt.NtCreateThread(
        function* () {
          must(yield* nt.NtCreateEvent("notification"));
        },
        { process: child.handle },
      ),
    );
    yield* settle();
    const thread = yield* nt.call((k) => processById(k, child.id).ethreadListHead.flink!.owner!);
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
    expect(during).toBe(true);
    expect(thread.hardErrorsDisabled).toBe(false);
  });
});

test("E39, DP2, DP14: the image section goes with the last thread, audit name and working-set watch with the object", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    const section = yield* nt.call((k) => {
      const process = processById(k, child.id);
      process.auditImageName = ExAllocatePoolWithTag(k, 0x20, TAG_SEPA);
      process.workingSetWatch = ExAllocatePoolWithTag(k, 0x100, "WsWt");
      expect(chargeQuota(process.quotaBlock!, "poolBytes", WORKING_SET_WATCH_QUOTA)).toBe(true);
      const object = newPort(k);
      process.sectionObject = object as never;
      return object;
    });
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
    expect(headerOf(section).deleted).toBe(true);
    const used = () => nt.call((k) => k.ex.machineQuota.usage.poolBytes);
    expect(yield* used()).toBe(WORKING_SET_WATCH_QUOTA);
    yield* nt.NtClose(child.thread);
    yield* nt.NtClose(child.handle);
    yield* settle();
    expect(yield* used()).toBe(0);
  });
});
