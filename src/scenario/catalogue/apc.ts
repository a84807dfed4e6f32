/** Scenarios: APCs that get lost, and thread rundown. */
import { KernelMode, UserMode } from "../../abi/ke.ts";
import { ntStatus, STATUS_SUCCESS } from "../../abi/status.ts";
import type { Script } from "../../guest/script/context.ts";
import { nt } from "../../guest/script/services.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../../ex/rundown.ts";
import { KeInitializeApc, KeInsertQueueApc, newApc, noKernelRoutine } from "../../ke/apc.ts";
import { KeStackAttachProcess, KeUnstackDetachProcess } from "../../ke/attach.ts";
import type { Kernel } from "../../kernel.ts";
import { PsGetCurrentThread } from "../../ps/current.ts";
import { PsExitSpecialApc, PspExitApcRundown, PspExitNormalApc } from "../../ps/exitapc.ts";
import { PsImpersonateClient } from "../../ps/impersonation.ts";
import { SeCreateUserToken } from "../../se/token.ts";
import { assert } from "../../rtl/assert.ts";
import { erratumGap } from "../../sim/gap.ts";
import { run, type Scenario, until } from "../scenario.ts";
import { must, type Stage } from "../stage.ts";
import { makeNappers, naps } from "./cast.ts";

function* makeImpersonator(stage: Stage): Script<void> {
  yield* stage.makeActor("impersonator", () =>
    nt.call((k) => PsImpersonateClient(k, stage.thread("victim"), { token: must(SeCreateUserToken(k)), level: 2 })),
  );
}

const releaseAfterTheEnd: Scenario = {
  id: "d25-release-after-the-end",
  defects: ["D25", "D26"],
  meaning: "the hint in a thread's TEB is written after the thread's rundown, which was never marked as completed",
  *setUp(stage) {
    yield* stage.makeThread("victim", function* () {});
    yield* makeImpersonator(stage);
  },
  schedule: [run("impersonator")],
  violation(stage) {
    if (stage.assertion !== "rundown protection is released once for each time it was acquired") return null;
    return "rundown protection that nobody holds is released, where the seed follows a wait block on a dead stack";
  },
};

const releaseForAnother: Scenario = {
  id: "d26-release-for-another",
  defects: ["D26"],
  meaning: "the hint in a thread's TEB is written while the thread waits, in its exit, for somebody who works on it",
  *setUp(stage) {
    yield* stage.makeActor("victim", function* () {});
    yield* stage.makeActor("holder", () =>
      nt.call(function* (k) {
        const { rundownProtect } = stage.thread("victim");
        if (!ExAcquireRundownProtection(rundownProtect)) return;
        yield* erratumGap(k, "D26:holding");
        ExReleaseRundownProtection(k, rundownProtect);
      }),
    );
    yield* makeImpersonator(stage);
  },
  schedule: [until("holder", "D26:holding"), run("victim"), run("impersonator")],
  violation(stage) {
    if (!stage.hasEnded("victim") || stage.end !== null) return null;
    return "the thread is dead and freed while somebody who was promised that it stays still works on it";
  },
};

const lostRequest: Scenario = {
  id: "d31-lost-apc-request",
  defects: ["D31"],
  meaning:
    "a kill is queued after the victim found its list empty and before it clears the request; modelled as that order",
  *setUp(stage) {
    yield* stage.makeActor("victim", function* () {
      yield* nt.call(queueToSelf);
      yield* naps();
    });
    yield* stage.makeActor("killer", () => nt.NtTerminateThread(stage.handle("victim"), 5));
  },
  schedule: [until("victim", "D31:between-scan-and-clear"), run("killer"), run("victim")],
  violation(stage) {
    if (stage.answer("killer") !== STATUS_SUCCESS || stage.hasEnded("victim")) return null;
    return "the kill is queued and nobody knows it: the victim runs on until something else comes";
  },
};

/** Gives the current thread a kernel APC to deliver. */
function queueToSelf(k: Kernel): void {
  const thread = PsGetCurrentThread(k);
  const apc = newApc(k, thread, {
    environment: 0,
    kernelRoutine: noKernelRoutine,
    normalRoutine: null,
    mode: KernelMode,
  });
  KeInsertQueueApc(k, apc, null, null, 0);
}

const killArmedElsewhere: Scenario = {
  id: "d32-kill-armed-elsewhere",
  defects: ["D32"],
  meaning:
    "the second half of a kill is queued while its thread is attached: latent, for the kernel never does that and the scenario does",
  *setUp(stage) {
    yield* makeNappers(stage, "host", ["host's napper"]);
    yield* stage.makeActor("victim", function* () {
      yield* nt.call(function* (k) {
        const attachment = KeStackAttachProcess(k, stage.process("host"));
        queueSecondHalf(k);
        yield* KeUnstackDetachProcess(k, attachment);
      });
      yield* naps();
    });
  },
  schedule: [run("victim")],
  violation(stage) {
    if (stage.hasEnded("victim")) return null;
    return "the delivery was armed where the thread was and not where it belongs: it runs on";
  },
};

/** What the normal routine of the kill does, wherever the current thread is. */
function queueSecondHalf(k: Kernel): void {
  const thread = PsGetCurrentThread(k);
  const apc = thread.exitApc;
  assert(apc !== null, "every user thread owns its kill APC");
  const routines = {
    kernelRoutine: PsExitSpecialApc,
    rundownRoutine: PspExitApcRundown,
    normalRoutine: PspExitNormalApc,
  };
  KeInitializeApc(apc, thread, { environment: 0, ...routines, mode: UserMode, context: ntStatus(5) });
  apc.isExit = true;
  KeInsertQueueApc(k, apc, apc, 1, 0);
}

export const apcScenarios: readonly Scenario[] = [
  releaseAfterTheEnd,
  releaseForAnother,
  lostRequest,
  killArmedElsewhere,
];
