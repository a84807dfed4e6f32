/** Scenarios: how one thread tells another to die, and what comes between the steps. */
import { BugCheckCode, UserMode } from "../../abi/ke.ts";
import { OBJ_PERMANENT } from "../../abi/ob.ts";
import {
  CT_ACTIVE_IMPERSONATION_INFO,
  CT_BREAK_ON_TERMINATION,
  CT_DEAD_THREAD,
  CT_HIDE_FROM_DEBUGGER,
  TAG_TERMINATE_APC,
  THREAD_ALL_ACCESS,
} from "../../abi/ps.ts";
import { type NtStatus, STATUS_SUCCESS } from "../../abi/status.ts";
import type { Script } from "../../guest/script/context.ts";
import { createScriptThread, nt } from "../../guest/script/services.ts";
import type { Kernel } from "../../kernel.ts";
import { ObDereferenceObject } from "../../ob/reference.ts";
import { hasCrossThreadFlag, PspClearCrossThreadFlag, PspSetCrossThreadFlag } from "../../ps/flags.ts";
import { PsImpersonateClient } from "../../ps/impersonation.ts";
import { PsLookupThreadByThreadId } from "../../ps/lookup.ts";
import { PsSetCreateThreadNotifyRoutine } from "../../ps/notify.ts";
import { SeCreateUserToken } from "../../se/token.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { erratumGap } from "../../sim/gap.ts";
import { run, type Scenario, until } from "../scenario.ts";
import { must, type Stage } from "../stage.ts";
import { makeNappers, naps } from "./cast.ts";

const READ = "D01:between-read-and-exchange";

/** A killer that is overtaken between reading the victim's flags and writing them back. */
function overtakenKiller(part: Omit<Scenario, "defects" | "schedule">): Scenario {
  return { ...part, defects: ["D01"], schedule: [until("killer", READ), run("other"), run("killer")] };
}

/** A napping victim, its killer, and somebody who does `act` in between. */
function* makeOvertakenKiller(stage: Stage, act: (k: Kernel) => void): Script<void> {
  yield* stage.makeThread("victim", naps);
  yield* stage.makeActor("killer", () => nt.NtTerminateThread(stage.handle("victim"), 1));
  yield* stage.makeActor("other", () => nt.call(act));
}

const tokenDroppedTwice = overtakenKiller({
  id: "d01a-token-dropped-twice",
  meaning:
    "while a killer marks its victim, the victim's impersonation ends; the killer's old copy of the flags revives it",
  *setUp(stage) {
    yield* stage.makeThread("victim", naps);
    yield* stage.makeActor("killer", () => nt.NtTerminateThread(stage.handle("victim"), 1));
    yield* stage.makeActor("other", () => nt.call((k) => PsImpersonateClient(k, stage.thread("victim"), null)));
    yield* nt.call(function* (k) {
      const token = must(SeCreateUserToken(k));
      yield* PsImpersonateClient(k, stage.thread("victim"), { token, level: 2 });
    });
  },
  violation(stage) {
    if (stage.bugCheck !== BugCheckCode.REFERENCE_BY_POINTER) return null;
    const revived = hasCrossThreadFlag(stage.thread("victim"), CT_ACTIVE_IMPERSONATION_INFO);
    return `the victim's deletion drops a token that is gone${revived ? ", for a flag that was revived" : ""}: bugcheck 0x18`;
  },
});

const hiddenThreadShown = overtakenKiller({
  id: "d01b-hidden-thread-shown",
  meaning:
    "while a killer marks its victim, the victim is hidden from its debugger; the killer's old copy of the flags shows it",
  setUp: (stage) =>
    makeOvertakenKiller(stage, () => {
      PspSetCrossThreadFlag(stage.thread("victim"), CT_HIDE_FROM_DEBUGGER);
    }),
  violation(stage) {
    if (!stage.isDone("other") || hasCrossThreadFlag(stage.thread("victim"), CT_HIDE_FROM_DEBUGGER)) return null;
    return "a thread that was hidden from its debugger is not, and its exit will be told";
  },
});

const deadThreadRevived: Scenario = {
  id: "d01c-dead-thread-revived",
  defects: ["D01"],
  meaning:
    "while a killer marks a thread that is being created, the creation fails; the killer's old copy of the flags forgets it",
  *setUp(stage) {
    yield* stage.makeActor("creator", () => nt.call((k) => createInVain(k, stage)));
    yield* stage.makeActor("killer", function* () {
      const thread = must(yield* nt.NtOpenThread(stage.notes.get("tid") as number));
      return yield* nt.NtTerminateThread(thread, 1);
    });
    yield* nt.call((k) =>
      PsSetCreateThreadNotifyRoutine(k, function* (kernel, _pid, tid, create): Blocking<void> {
        if (!create) return;
        stage.notes.set("tid", tid);
        yield* erratumGap(kernel, "D01:created");
      }),
    );
  },
  schedule: [
    until("creator", "D01:created"),
    until("killer", READ),
    until("creator", "D01:creation-failed"),
    run("killer"),
    run("creator"),
  ],
  violation(stage) {
    if (!stage.isDone("creator") || stage.notes.get("dead") !== false) return null;
    return "a thread whose creation failed is taken for one that lived";
  },
};

/** Creates a thread whose handle cannot be made, and notes whether it counts as dead once everybody is through with it. */
function* createInVain(k: Kernel, stage: Stage): Blocking<NtStatus> {
  const own = stage.thread("killer").threadsProcess;
  const handle = { desiredAccess: THREAD_ALL_ACCESS, attributes: OBJ_PERMANENT, mode: UserMode } as const;
  const created = yield* createScriptThread(k, own, naps, { handle });
  const found = PsLookupThreadByThreadId(k, stage.notes.get("tid") as number);
  yield* erratumGap(k, "D01:creation-failed");
  if (found.ok) {
    stage.notes.set("dead", hasCrossThreadFlag(found.value, CT_DEAD_THREAD));
    yield* ObDereferenceObject(k, found.value);
  }
  return created.ok ? STATUS_SUCCESS : created.status;
}

const criticalThreadForgotten = overtakenKiller({
  id: "d01d-critical-thread-forgotten",
  meaning:
    "while a killer marks its victim, the victim is made critical; the killer's old copy of the flags forgets it",
  setUp: (stage) =>
    makeOvertakenKiller(stage, () => {
      PspSetCrossThreadFlag(stage.thread("victim"), CT_BREAK_ON_TERMINATION);
    }),
  violation(stage) {
    if (!stage.isDone("other") || hasCrossThreadFlag(stage.thread("victim"), CT_BREAK_ON_TERMINATION)) return null;
    return "a thread that was made critical is not";
  },
});

const criticalThreadAgain = overtakenKiller({
  id: "d01e-critical-again",
  meaning:
    "while a killer marks a critical victim, the victim is made ordinary; the killer's old copy of the flags undoes it",
  machine: { kernelDebugger: { enabled: true, notPresent: false, prompt: () => "i" } },
  *setUp(stage) {
    yield* makeOvertakenKiller(stage, () => {
      PspClearCrossThreadFlag(stage.thread("victim"), CT_BREAK_ON_TERMINATION);
    });
    yield* nt.call(() => {
      PspSetCrossThreadFlag(stage.thread("victim"), CT_BREAK_ON_TERMINATION);
    });
  },
  violation(stage) {
    if (!stage.isDone("other") || !hasCrossThreadFlag(stage.thread("victim"), CT_BREAK_ON_TERMINATION)) return null;
    return "a thread that was made ordinary is critical again, and stops a machine without a debugger";
  },
});

const killLostBySuspendedKiller: Scenario = {
  id: "d02-kill-lost-by-suspended-killer",
  defects: ["D02"],
  meaning: "a killer is suspended between marking its victim and queueing the kill; a second killer finds the mark",
  *setUp(stage) {
    yield* stage.makeThread("victim", naps);
    yield* stage.makeActor("killer", () => nt.NtTerminateThread(stage.handle("victim"), 1));
    yield* stage.makeActor("suspender", () => nt.NtSuspendThread(stage.handle("killer")));
    yield* stage.makeActor("second killer", () => nt.NtTerminateThread(stage.handle("victim"), 2));
  },
  schedule: [
    until("killer", "D02:between-mark-and-queue"),
    run("suspender"),
    run("second killer"),
    // It is suspended, so it gets no further.
    run("killer"),
  ],
  violation(stage) {
    if (stage.hasEnded("victim") || stage.answer("second killer") !== STATUS_SUCCESS) return null;
    return "the second killer is told that the victim is dying, and the victim runs on without any kill";
  },
};

const killWithoutMemory: Scenario = {
  id: "d03-kill-without-memory",
  defects: ["D03"],
  meaning: "a process with two threads is terminated while there is no memory for the second one's APC",
  *setUp(stage) {
    yield* makeNappers(stage, "victim", ["first", "second"]);
    yield* stage.makeActor("killer", () => nt.NtTerminateProcess(stage.handle("victim"), 5));
    yield* nt.call((k) => {
      let kills = 0;
      k.ex.pool.failure = (_ordinal, tag) => tag === TAG_TERMINATE_APC && ++kills === 2;
    });
  },
  schedule: [run("killer")],
  violation(stage) {
    if (stage.answer("killer") !== STATUS_SUCCESS || stage.hasEnded("second")) return null;
    return "the killer is told that the process is terminated, and one of its threads runs on for ever";
  },
};

export const killScenarios: readonly Scenario[] = [
  tokenDroppedTwice,
  hiddenThreadShown,
  deadThreadRevived,
  criticalThreadForgotten,
  criticalThreadAgain,
  killLostBySuspendedKiller,
  killWithoutMemory,
];
