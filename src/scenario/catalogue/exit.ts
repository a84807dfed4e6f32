/** Scenarios: what a thread and its process leave behind, and what others see of them, while they exit. */
import { BugCheckCode, KernelMode, UserMode } from "../../abi/ke.ts";
import { CURRENT_THREAD_HANDLE } from "../../abi/ps.ts";
import { ntStatus, STATUS_SUCCESS, STATUS_THREAD_IS_TERMINATING, STATUS_TIMEOUT } from "../../abi/status.ts";
import type { Script } from "../../guest/script/context.ts";
import { nt, type ScriptInformation } from "../../guest/script/services.ts";
import { KeInsertQueueApc, KiDeliverApc, newApc, noKernelRoutine } from "../../ke/apc.ts";
import type { KApc, NormalRoutine, RundownRoutine } from "../../ke/objects.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../../ke/region.ts";
import type { Kernel } from "../../kernel.ts";
import { ObReferenceObjectByHandle } from "../../ob/handle.ts";
import { PsTerminateSystemThread, PspIsProcessExiting } from "../../ps/kill.ts";
import { NtTerminateThread } from "../../ps/killservices.ts";
import { PsSetCreateThreadNotifyRoutine } from "../../ps/notify.ts";
import type { EThread } from "../../ps/objects.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { erratumGap } from "../../sim/gap.ts";
import { run, type Scenario, until } from "../scenario.ts";
import type { Stage } from "../stage.ts";
import { makeNappers } from "./cast.ts";

const lateStatusWins: Scenario = {
  id: "d14a-status-of-the-last-thread-wins",
  defects: ["D14"],
  meaning: "a process is terminated with 5 while one of its threads is ending itself with 7, and that one is the last",
  kept: "the last thread's status is the process's: that is the documented interface, and it does not say who is last",
  *setUp(stage) {
    yield* makeNappers(stage, "victim", ["napper"]);
    const suicide = () => nt.NtTerminateThread(CURRENT_THREAD_HANDLE, 7);
    yield* stage.makeActor("suicide", suicide, { process: "victim" });
    yield* stage.makeActor("killer", () => nt.NtTerminateProcess(stage.handle("victim"), 5));
    yield* nt.call((k) =>
      PsSetCreateThreadNotifyRoutine(k, function* (kernel, _pid, _tid, create): Blocking<void> {
        if (!create) yield* erratumGap(kernel, "D14:exit-announced");
      }),
    );
  },
  schedule: [until("suicide", "D14:exit-announced"), run("killer"), run("suicide")],
  violation(stage) {
    if (!stage.hasEnded("victim") || stage.process("victim").exitStatus !== 7) return null;
    return "the process that was terminated with 5 ends with 7";
  },
};

/** Every thread ends with THREAD_IS_TERMINATING, so that nobody records a status for the process. */
function unrecordedStatus(part: Pick<Scenario, "id" | "defects" | "meaning" | "violation">): Scenario {
  return {
    ...part,
    *setUp(stage) {
      yield* makeNappers(stage, "victim", ["napper"]);
      const kill = () => nt.NtTerminateProcess(stage.handle("victim"), STATUS_THREAD_IS_TERMINATING);
      yield* stage.makeActor("killer", kill);
    },
    schedule: [run("killer")],
  };
}

const unrecordedReadsAsSuccess = unrecordedStatus({
  id: "d14b-unrecorded-status-reads-as-success",
  defects: ["D14"],
  meaning: "no thread of a process records an exit status",
  violation(stage) {
    if (!stage.hasEnded("victim") || stage.process("victim").exitStatus !== STATUS_SUCCESS) return null;
    return "the process was killed, and its exit status says success";
  },
});

const unrecordedReadsAsTimeout = unrecordedStatus({
  id: "d14c-unrecorded-status-reads-as-timeout",
  defects: ["D14c"],
  meaning:
    "no thread of a process records an exit status, and its first value is not the one that means so (other trees)",
  violation(stage) {
    if (!stage.hasEnded("victim") || stage.process("victim").exitStatus !== STATUS_TIMEOUT) return null;
    return "the process was killed, and its exit status is 0x102, STATUS_TIMEOUT";
  },
});

const exitInsideApc: Scenario = {
  id: "d23-exit-inside-kernel-apc",
  defects: ["D23"],
  meaning: "a system thread ends itself in a normal kernel APC, with another one behind it",
  *setUp(stage) {
    yield* stage.makeSystemThread("worker", function* (k) {
      KeEnterCriticalRegion(k);
      const exit: NormalRoutine = function* (kernel) {
        yield* PsTerminateSystemThread(kernel, STATUS_SUCCESS);
      };
      for (const routine of [exit, nothing]) queueKernelApc(k, stage.thread("worker"), routine);
      yield* KeLeaveCriticalRegion(k);
    });
  },
  schedule: [run("worker")],
  violation(stage) {
    if (stage.bugCheck !== BugCheckCode.KERNEL_APC_PENDING_DURING_EXIT) return null;
    return "the second APC waits behind a first one that never ends: bugcheck 0x20";
  },
};

function* nothing(): Blocking<void> {}

function queueKernelApc(k: Kernel, thread: EThread, normalRoutine: NormalRoutine): void {
  const apc = newApc(k, thread, { environment: 0, kernelRoutine: noKernelRoutine, normalRoutine, mode: KernelMode });
  KeInsertQueueApc(k, apc, null, null, 0);
}

const exitInsideExit: Scenario = {
  id: "d24-exit-inside-exit",
  defects: ["D24"],
  meaning:
    "a thread that is ending itself is killed before it is marked, and win32k calls back into user mode while it exits",
  *setUp(stage) {
    yield* makeNappers(stage, "victim", ["sibling"]);
    const suicide = () =>
      nt.call(function* (k) {
        yield* erratumGap(k, "D24:in-the-service");
        return yield* NtTerminateThread(k, CURRENT_THREAD_HANDLE, ntStatus(7));
      });
    yield* stage.makeActor("suicide", suicide, { process: "victim" });
    yield* stage.makeActor("killer", () => nt.NtTerminateThread(stage.handle("suicide"), 5));
    yield* nt.call((k) => connectWin32(k, stage.thread("suicide")));
  },
  schedule: [until("suicide", "D24:in-the-service"), run("killer"), run("suicide")],
  violation(stage) {
    const { activeThreads } = stage.process("victim");
    if (activeThreads > 0 || stage.hasEnded("sibling")) return null;
    return "the thread is counted out twice, and the process ends while its sibling lives";
  },
};

/** Makes the thread one of win32k's, whose exit callout calls back into user mode, where user APCs are delivered. */
function connectWin32(k: Kernel, thread: EThread): void {
  thread.win32Thread = {};
  k.ps.win32Callouts = {
    *thread(kernel, dying): Blocking<typeof STATUS_SUCCESS> {
      yield* KiDeliverApc(kernel, UserMode);
      dying.win32Thread = null;
      return STATUS_SUCCESS;
    },
    // eslint-disable-next-line require-yield
    *process(): Blocking<typeof STATUS_SUCCESS> {
      return STATUS_SUCCESS;
    },
  };
}

const handleWithoutTable: Scenario = {
  id: "d29-handle-without-table",
  defects: ["D29"],
  meaning: "the rundown routine of a user APC uses a handle of its process, whose handles have been closed",
  *setUp(stage) {
    // eslint-disable-next-line require-yield
    yield* makeExitingProcess(stage, function* (k) {
      const answer = ObReferenceObjectByHandle(k, 4, 0, null, UserMode);
      stage.notes.set("refused", !answer.ok);
    });
  },
  schedule: [run("last")],
  violation(stage) {
    if (stage.bugCheck !== BugCheckCode.PAGE_FAULT_IN_NONPAGED_AREA) return null;
    return "the process has no handle table any more, and nobody asked: bugcheck 0x50";
  },
};

/** A process whose only thread exits in its turn, and runs down a user APC once its handles are closed. */
function* makeExitingProcess(stage: Stage, rundown: (k: Kernel) => Blocking<void>): Script<void> {
  yield* stage.makeProcess("victim");
  yield* stage.makeActor("last", function* () {}, { process: "victim" });
  yield* nt.call((k) => queueUserApc(k, stage.thread("last"), rundown));
}

function queueUserApc(k: Kernel, thread: EThread, rundownRoutine: RundownRoutine): void {
  const routines = { kernelRoutine: noKernelRoutine, rundownRoutine, normalRoutine: 1 };
  const apc: KApc = newApc(k, thread, { environment: 0, ...routines, mode: UserMode });
  KeInsertQueueApc(k, apc, null, null, 0);
}

const processBeforeThread: Scenario = {
  id: "d30-process-signaled-before-its-thread",
  defects: ["D30"],
  meaning: "somebody waits for a process, wakes, and looks at its last thread",
  *setUp(stage) {
    yield* stage.makeProcess("victim");
    yield* stage.makeActor("last", function* () {}, { process: "victim" });
    yield* stage.makeActor("waiter", function* () {
      yield* nt.NtWaitForSingleObject(stage.handle("victim"));
      return yield* nt.queryThread(stage.handle("last"));
    });
  },
  schedule: [until("last", "D30:process-signaled"), run("waiter"), run("last")],
  violation(stage) {
    const answer = stage.answer("waiter") as { readonly value: ScriptInformation } | null;
    if (answer?.value.signaled !== false) return null;
    return "the process has ended, and its last thread seems to live";
  },
};

const answersFour: Scenario = {
  id: "d46-answers-four",
  defects: ["D46"],
  meaning: "a driver asks whether a process is exiting, and compares the answer with true",
  *setUp(stage) {
    yield* makeExitingProcess(stage, nothing);
    const ask = () => nt.call((k) => PspIsProcessExiting(k, stage.process("victim")) === true);
    yield* stage.makeActor("driver", ask);
  },
  schedule: [run("last"), run("driver")],
  violation(stage) {
    if (!stage.hasEnded("victim") || stage.answer("driver") !== false) return null;
    return "a process that has ended is not exiting, says a comparison with true";
  },
};

export const exitScenarios: readonly Scenario[] = [
  lateStatusWins,
  unrecordedReadsAsSuccess,
  unrecordedReadsAsTimeout,
  exitInsideApc,
  exitInsideExit,
  handleWithoutTable,
  processBeforeThread,
  answersFour,
];
