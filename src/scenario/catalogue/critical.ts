/** Scenarios: critical processes and threads, whose death stops the machine, and when it must not. */
import { BugCheckCode, KernelMode } from "../../abi/ke.ts";
import { CT_BREAK_ON_TERMINATION, PSF_BREAK_ON_TERMINATION } from "../../abi/ps.ts";
import { ntStatus } from "../../abi/status.ts";
import type { Script } from "../../guest/script/context.ts";
import { nt } from "../../guest/script/services.ts";
import { KeDelayExecutionThread } from "../../ke/wait.ts";
import {
  PspClearCrossThreadFlag,
  PspClearProcessFlag,
  PspSetCrossThreadFlag,
  PspSetProcessFlag,
} from "../../ps/flags.ts";
import { PspTerminateThreadByPointer } from "../../ps/kill.ts";
import { run, type Scenario } from "../scenario.ts";
import type { Stage } from "../stage.ts";
import { naps, pauseInKernel } from "./cast.ts";

/** The machine stops because of a critical object; `because` says why it should not. */
function stopped(stage: Stage, because: string): string | null {
  return stage.bugCheck === BugCheckCode.CRITICAL_OBJECT_TERMINATION ? `the machine stops with 0xF4 ${because}` : null;
}

function* makeCriticalProcess(stage: Stage, name: string): Script<void> {
  yield* nt.call(() => {
    PspSetProcessFlag(stage.process(name), PSF_BREAK_ON_TERMINATION);
  });
}

function* makeCriticalThread(stage: Stage, name: string): Script<void> {
  yield* nt.call(() => {
    PspSetCrossThreadFlag(stage.thread(name), CT_BREAK_ON_TERMINATION);
  });
}

const deadProcessStops: Scenario = {
  id: "d47a-ended-critical-process-stops",
  defects: ["D47"],
  meaning: "a process that has ended is made critical and terminated",
  *setUp(stage) {
    yield* stage.makeProcess("victim");
    yield* stage.makeThread("only", function* () {}, { process: "victim" });
    yield* stage.makeActor("killer", function* () {
      yield* makeCriticalProcess(stage, "victim");
      return yield* nt.NtTerminateProcess(stage.handle("victim"), 5);
    });
  },
  schedule: [run("killer")],
  violation: (stage) => stopped(stage, "for a process that ended long ago"),
};

const deadThreadStops: Scenario = {
  id: "d47b-ended-critical-thread-stops",
  defects: ["D47"],
  meaning: "a thread that has ended is made critical and terminated",
  *setUp(stage) {
    yield* stage.makeThread("victim", function* () {});
    yield* stage.makeActor("killer", function* () {
      yield* makeCriticalThread(stage, "victim");
      return yield* nt.NtTerminateThread(stage.handle("victim"), 5);
    });
  },
  schedule: [run("killer")],
  violation: (stage) => stopped(stage, "for a thread that ended long ago"),
};

const systemThreadStops: Scenario = {
  id: "d47c-critical-system-thread-stops",
  defects: ["D47"],
  meaning: "somebody terminates a critical system thread, which nobody may",
  *setUp(stage) {
    yield* stage.makeSystemThread("worker", pauseInKernel);
    yield* makeCriticalThread(stage, "worker");
    const how = { self: false, route: "killed", via: "NtTerminateThread" } as const;
    yield* stage.makeActor("killer", () =>
      nt.call((k) => PspTerminateThreadByPointer(k, stage.thread("worker"), ntStatus(5), how)),
    );
  },
  schedule: [run("killer")],
  violation: (stage) => stopped(stage, "for a call that ends nothing and answers ACCESS_DENIED"),
  *cleanUp(stage) {
    yield* nt.call(() => {
      PspClearCrossThreadFlag(stage.thread("worker"), CT_BREAK_ON_TERMINATION);
    });
  },
};

const purgeStops: Scenario = {
  id: "d47d-purge-in-critical-process-stops",
  defects: ["D47"],
  meaning: "a thread of a critical process ends its siblings",
  *setUp(stage) {
    yield* stage.makeProcess("victim");
    yield* stage.makeThread("sibling", naps, { process: "victim" });
    const purge = function* () {
      yield* nt.NtTerminateProcess(0, 5);
      yield* naps();
    };
    yield* stage.makeActor("caller", purge, { process: "victim" });
    yield* makeCriticalProcess(stage, "victim");
  },
  schedule: [run("caller")],
  violation: (stage) => stopped(stage, "for a process that is not being ended"),
  *cleanUp(stage) {
    yield* nt.call(() => {
      PspClearProcessFlag(stage.process("victim"), PSF_BREAK_ON_TERMINATION);
    });
  },
};

const askedTwice: Scenario = {
  id: "d47e-asked-twice-about-one-death",
  defects: ["D47"],
  meaning: "two threads kill one critical thread that is busy in the kernel, under a kernel debugger",
  machine: { kernelDebugger: { enabled: true, notPresent: false } },
  *setUp(stage) {
    yield* nt.call((k) => {
      k.ke.kd.prompt = () => {
        stage.notes.set("prompts", 1 + ((stage.notes.get("prompts") as number | undefined) ?? 0));
        return "i";
      };
    });
    const busy = { mode: KernelMode, alertable: false, timeout100ns: 200_000 } as const;
    yield* stage.makeThread("victim", () => nt.call((k) => KeDelayExecutionThread(k, busy)));
    yield* makeCriticalThread(stage, "victim");
    yield* stage.makeActor("first killer", () => nt.NtTerminateThread(stage.handle("victim"), 1));
    yield* stage.makeActor("second killer", () => nt.NtTerminateThread(stage.handle("victim"), 2));
  },
  schedule: [run("first killer"), run("second killer")],
  violation(stage) {
    if (stage.end !== null || stage.notes.get("prompts") !== 2) return null;
    return "the debugger is asked a second time about a death that it has allowed";
  },
};

export const criticalScenarios: readonly Scenario[] = [
  deadProcessStops,
  deadThreadStops,
  systemThreadStops,
  purgeStops,
  askedTwice,
];
