/** Scenarios: creating threads while somebody ends what they are created in. */
import { STATUS_SUCCESS } from "../../abi/status.ts";
import type { Script } from "../../guest/script/context.ts";
import { nt } from "../../guest/script/services.ts";
import type { Kernel } from "../../kernel.ts";
import { EThread } from "../../ps/objects.ts";
import { run, type Scenario, until } from "../scenario.ts";
import type { Stage } from "../stage.ts";
import { makeNappers, naps } from "./cast.ts";

const newcomerEscapes: Scenario = {
  id: "d07-newcomer-escapes-purge",
  defects: ["D07"],
  meaning: "a thread ends all its siblings while one of them is creating another thread",
  *setUp(stage) {
    yield* stage.makeProcess("victim");
    yield* stage.makeActor("creator", () => nt.NtCreateThread(naps), { process: "victim" });
    const purge = function* () {
      yield* nt.NtTerminateProcess(0, 5);
      yield* naps();
    };
    yield* stage.makeActor("purger", purge, { process: "victim" });
  },
  schedule: [until("creator", "D07:built"), run("purger"), run("creator")],
  violation(stage) {
    if (!stage.hasEnded("creator") || stage.process("victim").activeThreads < 2) return null;
    return "the caller believes that it is alone in its process, and the thread that its victim made runs beside it";
  },
};

const refusedThreadNeverSignaled: Scenario = {
  id: "d08-refused-thread-never-signaled",
  defects: ["D08"],
  meaning: "a thread is found by its id and told to die before it is linked, and then its creation is refused",
  *setUp(stage) {
    yield* makeNappers(stage, "victim", ["napper"]);
    yield* makeCreatorAndKiller(stage);
    yield* stage.makeActor("ender", () => nt.NtTerminateProcess(stage.handle("victim"), 6));
    yield* stage.makeActor("waiter", function* () {
      const thread = stage.notes.get("handle");
      if (typeof thread === "number") yield* nt.NtWaitForSingleObject(thread);
    });
  },
  schedule: [until("creator", "D07:built"), run("killer"), run("ender"), run("creator"), run("waiter")],
  violation(stage) {
    if (stage.answer("killer") !== STATUS_SUCCESS || stage.isDone("waiter")) return null;
    return "the killer is told that the thread is dying, and whoever waits for it waits for ever";
  },
};

const halfBuiltThreadKilled: Scenario = {
  id: "d09-half-built-thread-killed",
  defects: ["D09"],
  meaning: "a thread is found by its id and told to die before it has what a kill needs",
  *setUp(stage) {
    yield* makeNappers(stage, "victim", ["napper"]);
    yield* makeCreatorAndKiller(stage);
  },
  schedule: [until("creator", "D09:id-given"), run("killer"), run("creator")],
  violation(stage) {
    if (stage.assertion !== "every user thread owns its kill APC") return null;
    return "the kill works on a thread without APC, where the seed finds lists that nobody has initialised";
  },
};

/** A creator of a thread in the victim, and somebody who looks for that thread by its id in order to kill it. */
function* makeCreatorAndKiller(stage: Stage): Script<void> {
  yield* stage.makeActor("creator", () => nt.NtCreateThread(naps, { process: stage.handle("victim") }));
  yield* stage.makeActor("killer", function* () {
    const tid = yield* nt.call((k) => findNewcomer(k, stage));
    const thread = yield* nt.NtOpenThread(tid);
    if (!thread.ok) return thread.status;
    stage.notes.set("handle", thread.value);
    return yield* nt.NtTerminateThread(thread.value, 5);
  });
}

/** The id that was given to a thread of the victim which is not of the cast, as an enumeration of ids finds it. */
function findNewcomer(k: Kernel, stage: Stage): number {
  const home = stage.process("victim");
  const known = stage.thread("napper");
  for (const { object } of k.ps.cidTable.entries) {
    if (object instanceof EThread && object.threadsProcess === home && object !== known) return object.tid;
  }
  return 0;
}

const suspendedCreatorHoldsEnd: Scenario = {
  id: "d36-suspended-creator-holds-the-end",
  defects: ["D36"],
  meaning:
    "a creator is suspended when its new thread is linked into another process and cannot run yet; that process is terminated",
  *setUp(stage) {
    yield* makeNappers(stage, "victim", ["napper"]);
    yield* stage.makeActor("creator", () => nt.NtCreateThread(naps, { process: stage.handle("victim") }));
    yield* stage.makeActor("suspender", () => nt.NtSuspendThread(stage.handle("creator")));
    yield* stage.makeActor("killer", () => nt.NtTerminateProcess(stage.handle("victim"), 5));
  },
  schedule: [until("creator", "D36:linked"), run("suspender"), run("killer"), run("creator")],
  violation(stage) {
    if (stage.answer("killer") !== STATUS_SUCCESS || stage.hasEnded("victim")) return null;
    return "the new thread counts, is told to die and is never scheduled, so the process cannot end before its creator is resumed";
  },
};

export const creationScenarios: readonly Scenario[] = [
  newcomerEscapes,
  refusedThreadNeverSignaled,
  halfBuiltThreadKilled,
  suspendedCreatorHoldsEnd,
];
