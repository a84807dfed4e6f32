/** Scenarios: how processes are terminated, by handle and from the kernel. */
import { BugCheckCode, UserMode } from "../../abi/ke.ts";
import { CURRENT_PROCESS_HANDLE, PROCESS_ALL_ACCESS } from "../../abi/ps.ts";
import { ntStatus, STATUS_PROCESS_IS_TERMINATING, STATUS_SUCCESS } from "../../abi/status.ts";
import type { Script } from "../../guest/script/context.ts";
import { nt } from "../../guest/script/services.ts";
import { KeInsertQueueApc, newApc, noKernelRoutine } from "../../ke/apc.ts";
import { KeStackAttachProcess, KeUnstackDetachProcess } from "../../ke/attach.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../../ke/region.ts";
import type { Kernel } from "../../kernel.ts";
import { ObDereferenceObject } from "../../ob/reference.ts";
import { PspShutdownProcessManager, PsTerminateProcess } from "../../ps/kill.ts";
import { PsCreateSystemThread } from "../../ps/thread.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { erratumGap } from "../../sim/gap.ts";
import { run, type Scenario, until } from "../scenario.ts";
import { must, type Stage } from "../stage.ts";
import { makeNappers, naps, pauseInKernel } from "./cast.ts";

const SYSTEM_PID = 4;

/** Three threads of one process; the second one, once it goes, ends the process from the kernel. */
function* makeSuicidalProcess(stage: Stage): Script<void> {
  yield* stage.makeProcess("victim");
  yield* stage.makeThread("first", naps, { process: "victim" });
  const suicide = () => nt.call((k) => PsTerminateProcess(k, stage.process("victim"), ntStatus(5)));
  yield* stage.makeActor("second", suicide, { process: "victim" });
  yield* stage.makeThread("third", naps, { process: "victim" });
}

const forgottenThread: Scenario = {
  id: "d04a-thread-forgotten-by-suicide",
  defects: ["D04"],
  meaning: "the second of three threads ends its own process from the kernel, and dies in the middle of the walk",
  setUp: makeSuicidalProcess,
  schedule: [run("second")],
  violation(stage) {
    if (!stage.hasEnded("second") || stage.hasEnded("third")) return null;
    return "the thread behind the suicide in the list is never told to die, and its process lives on";
  },
};

const leakedBySuicide: Scenario = {
  id: "d04b-leaked-by-suicide",
  defects: ["D04"],
  meaning:
    "the walk of a thread that ends its own process holds a reference on that thread, who cannot drop it any more",
  setUp: makeSuicidalProcess,
  schedule: [run("second")],
  violation(stage) {
    if (!stage.leaks.some((leak) => leak.startsWith("Thread "))) return null;
    return "the thread, its process and their ids are never freed";
  },
};

const suicideInRegion: Scenario = {
  id: "d04d-suicide-in-critical-region",
  defects: ["D04"],
  meaning: "a thread in a critical region, as close procedures are, ends its own process from the kernel",
  *setUp(stage) {
    yield* stage.makeProcess("victim");
    const suicide = () =>
      nt.call(function* (k) {
        KeEnterCriticalRegion(k);
        yield* PsTerminateProcess(k, stage.process("victim"), ntStatus(5));
        yield* KeLeaveCriticalRegion(k);
      });
    yield* stage.makeActor("caller", suicide, { process: "victim" });
  },
  schedule: [run("caller")],
  violation(stage) {
    if (stage.bugCheck !== BugCheckCode.KERNEL_APC_PENDING_DURING_EXIT) return null;
    return "the thread exits with its APCs off: bugcheck 0x20";
  },
};

const shutdownHalfWay: Scenario = {
  id: "d05-shutdown-half-way",
  defects: ["D05"],
  meaning:
    "a thread of an ordinary process shuts all processes down, and comes to its own before it comes to the last one (also D04c)",
  *setUp(stage) {
    yield* stage.makeProcess("caller's");
    yield* stage.makeActor("caller", () => nt.call(PspShutdownProcessManager), { process: "caller's" });
    yield* makeNappers(stage, "later", ["napper"]);
  },
  schedule: [run("caller")],
  violation(stage) {
    if (!stage.hasEnded("caller's") || stage.hasEnded("later")) return null;
    return "the loop ends with its caller: the process behind it is never terminated";
  },
};

const endedProcessTerminated: Scenario = {
  id: "d06a-ended-process-terminated-again",
  defects: ["D06"],
  meaning: "the kernel terminates a process that has ended, of which a thread object is still open",
  *setUp(stage) {
    yield* stage.makeProcess("victim");
    yield* stage.makeThread("only", function* () {}, { process: "victim" });
    yield* stage.makeActor("killer", () => nt.call((k) => PsTerminateProcess(k, stage.process("victim"), ntStatus(5))));
  },
  schedule: [run("killer")],
  violation(stage) {
    if (stage.answer("killer") !== STATUS_SUCCESS) return null;
    return "a process that ended long ago is reported as terminated now";
  },
};

/** Rundown routine of a user APC: an honest place to be preempted between the close of the handles and the signal. */
function parkInRundown(k: Kernel): Blocking<void> {
  return erratumGap(k, "D06:user-apcs");
}

const endingProcessTerminated: Scenario = {
  id: "d06b-ending-process-terminated-again",
  defects: ["D06"],
  meaning: "the kernel terminates a process whose last thread has closed its handles and has not yet signaled it",
  *setUp(stage) {
    yield* stage.makeProcess("victim");
    yield* stage.makeActor("last", function* () {}, { process: "victim" });
    yield* stage.makeActor("killer", () => nt.call((k) => PsTerminateProcess(k, stage.process("victim"), ntStatus(5))));
    yield* nt.call((k) => {
      const parks = { kernelRoutine: noKernelRoutine, rundownRoutine: parkInRundown };
      const apc = newApc(k, stage.thread("last"), { environment: 0, ...parks, normalRoutine: 1, mode: UserMode });
      KeInsertQueueApc(k, apc, null, null, 0);
    });
  },
  schedule: [until("last", "D06:user-apcs"), run("killer"), run("last")],
  violation(stage) {
    if (stage.answer("killer") !== STATUS_SUCCESS) return null;
    return "the kernel says that it terminated a process that is past its end, where NtTerminateProcess says PROCESS_IS_TERMINATING";
  },
};

const systemProcessMarked: Scenario = {
  id: "d10-system-process-marked",
  defects: ["D10"],
  meaning: "a privileged program terminates the System process",
  *setUp(stage) {
    yield* stage.makeActor("killer", function* () {
      const system = must(yield* nt.NtOpenProcess(SYSTEM_PID, PROCESS_ALL_ACCESS));
      return yield* nt.NtTerminateProcess(system, 5);
    });
    yield* stage.makeActor("driver", () =>
      nt.call(function* (k) {
        const created = yield* PsCreateSystemThread(k, pauseInKernel, "worker");
        if (!created.ok) return created.status;
        yield* ObDereferenceObject(k, created.value);
        return STATUS_SUCCESS;
      }),
    );
  },
  schedule: [run("killer"), run("driver")],
  violation(stage) {
    if (stage.answer("driver") !== STATUS_PROCESS_IS_TERMINATING) return null;
    return "no driver can create a system thread any more";
  },
};

const neverSignaled: Scenario = {
  id: "d11-process-without-threads-never-signaled",
  defects: ["D11"],
  meaning: "a process that never had a thread is terminated, and somebody waits for its end",
  kept: "a process is signaled by its last thread, and this one has none; nothing documented says otherwise",
  *setUp(stage) {
    yield* stage.makeProcess("victim");
    yield* stage.makeActor("killer", () => nt.NtTerminateProcess(stage.handle("victim"), 5));
    yield* stage.makeActor("waiter", () => nt.NtWaitForSingleObject(stage.handle("victim")));
  },
  schedule: [run("killer"), run("waiter")],
  violation(stage) {
    if (stage.answer("killer") !== STATUS_SUCCESS || stage.isDone("waiter")) return null;
    return "the killer is told that it is terminated, and the waiter waits for ever";
  },
};

const attachedSuicide: Scenario = {
  id: "d15a-attached-caller-ends-its-host",
  defects: ["D15"],
  meaning: "kernel code that is attached to another process terminates the current process",
  setUp: (stage) => makeAttachedCaller(stage, () => nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 5)),
  schedule: [run("caller")],
  violation(stage) {
    if (stage.bugCheck !== BugCheckCode.INVALID_PROCESS_ATTACH_ATTEMPT) return null;
    return "the other process is half dead when its guest is told to exit while attached: bugcheck 0x05";
  },
};

const attachedPurge: Scenario = {
  id: "d15b-attached-caller-ends-the-wrong-siblings",
  defects: ["D15"],
  meaning: "kernel code that is attached to another process ends all other threads of its own",
  setUp: (stage) => makeAttachedCaller(stage, () => nt.NtTerminateProcess(0, 5)),
  schedule: [run("caller")],
  violation(stage) {
    if (!stage.hasEnded("guest's napper") || stage.hasEnded("sibling")) return null;
    return "all threads of the other process are dead, and its own siblings live";
  },
};

/** A caller with a sibling, attached to another process with one thread, for the length of `act`. */
function* makeAttachedCaller(stage: Stage, act: () => Script<unknown>): Script<void> {
  yield* makeNappers(stage, "other", ["guest's napper"]);
  yield* makeNappers(stage, "own", ["sibling"]);
  const caller = function* () {
    const attachment = yield* nt.call((k) => KeStackAttachProcess(k, stage.process("other")));
    yield* act();
    yield* nt.call((k) => KeUnstackDetachProcess(k, attachment));
  };
  yield* stage.makeActor("caller", caller, { process: "own" });
}

const bothAreNotLast: Scenario = {
  id: "d33-both-are-not-the-last",
  defects: ["D33"],
  meaning: "two threads ask at the same time to end themselves unless they are the last",
  kept: "the check is advisory in the documented interface too: the answer may be stale when it arrives",
  *setUp(stage) {
    yield* stage.makeProcess("victim");
    for (const name of ["first", "second"]) {
      yield* stage.makeActor(name, () => nt.NtTerminateThread(0, 5), { process: "victim" });
    }
  },
  schedule: [until("first", "D33:counted"), run("second"), run("first")],
  violation(stage) {
    if (!stage.hasEnded("victim")) return null;
    return "both are told that they are not the last, and their process ends";
  },
};

const suspendedKillerHoldsEnd: Scenario = {
  id: "d35-suspended-killer-holds-the-end",
  defects: ["D35"],
  meaning: "a killer is suspended while it holds the rundown of the process that it ends",
  *setUp(stage) {
    yield* makeNappers(stage, "victim", ["only"]);
    yield* stage.makeActor("killer", () => nt.NtTerminateProcess(stage.handle("victim"), 5));
    yield* stage.makeActor("suspender", () => nt.NtSuspendThread(stage.handle("killer")));
    yield* stage.makeActor("second killer", () => nt.NtTerminateProcess(stage.handle("victim"), 6));
  },
  schedule: [until("killer", "D35:rundown-held"), run("suspender"), run("second killer"), run("killer")],
  violation(stage) {
    if (stage.answer("second killer") !== STATUS_SUCCESS || stage.hasEnded("victim")) return null;
    return "the process is marked and its thread told to die, and it cannot end before its killer is resumed";
  },
};

export const processKillScenarios: readonly Scenario[] = [
  forgottenThread,
  leakedBySuicide,
  suicideInRegion,
  shutdownHalfWay,
  endedProcessTerminated,
  endingProcessTerminated,
  systemProcessMarked,
  neverSignaled,
  attachedSuicide,
  attachedPurge,
  bothAreNotLast,
  suspendedKillerHoldsEnd,
];
