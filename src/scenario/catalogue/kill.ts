/** Scenarios: the deciding half of termination, and what comes between its steps. */
import type { Script } from "../../guest/script/context.ts";
import { nt } from "../../guest/script/services.ts";
import { run, type Scenario, until } from "../scenario.ts";

/** A victim that can die at any time: it sleeps in user mode, again and again. */
export function* naps(): Script<void> {
  for (;;) yield* nt.NtDelayExecution(false, 1_000);
}

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
    if (stage.hasEnded("victim") || stage.answer("second killer") !== 0) return null;
    return "the second killer is told that the victim is dying, and the victim runs on without any kill";
  },
};

export const killScenarios: readonly Scenario[] = [killLostBySuspendedKiller];
