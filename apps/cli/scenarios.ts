/**
 * Scenarios on the command line: finding them and their errata by name, and running one like a program. Loaded only when
 * somebody names a scenario or an erratum.
 */
import { existsSync } from "node:fs";
import { findScenario, knownErrata } from "../../src/scenario/registry.ts";
import { startScenario } from "../../src/scenario/run.ts";
import type { GuestStreams, RunningMachine } from "./command-run.ts";
import { ExitStatus } from "./exitstatus.ts";
import { CliFailure } from "./failure.ts";
import { usedParts } from "./parts.ts";
import { namesScenario, type Program } from "./program.ts";
import type { RunOptions } from "./runoptions.ts";

/** A scenario in the place of a program. */
export interface ScenarioProgram {
  readonly program: Program;
  readonly boot: (streams: GuestStreams) => RunningMachine;
}

/** Checks the errata of a run, and finds the scenario that it names. @returns null if it names a file */
export function findScenarioProgram(options: Pick<RunOptions, "program" | "errata">): ScenarioProgram | null {
  usedParts.add("scenarios");
  refuseUnknownErrata(options.errata);
  const scenario = findScenario(options.program);
  if (scenario === null) {
    if (!namesScenario(options.program) || existsSync(options.program)) return null;
    throw new CliFailure(ExitStatus.NotFound, `no such scenario: ${options.program}`, [
      "rundown scenarios lists them.",
    ]);
  }
  return {
    program: { name: scenario.id, path: scenario.id, bytes: new Uint8Array(), native: true },
    boot(streams) {
      const { record, trace, observe } = streams;
      const performance = startScenario(scenario, {
        errata: options.errata,
        record,
        ...(trace === null ? {} : { trace }),
        ...(observe === null ? {} : { observe }),
      });
      const { machine } = performance;
      return {
        run: (slice) => performance.run(slice),
        stop: (why) => performance.stop(why),
        get statistics() {
          return machine.statistics;
        },
        ledger: () => machine.ledger(),
        waitGraph: () => machine.waitGraph(),
        notImplemented: () => machine.notImplemented(),
        verdict: () => performance.verdict().violation,
      };
    },
  };
}

function refuseUnknownErrata(errata: readonly string[]): void {
  const known = knownErrata();
  const unknown = errata.filter((id) => !known.includes(id));
  if (unknown.length === 0) return;
  throw new CliFailure(ExitStatus.OwnFailure, `no such erratum: ${unknown.join(", ")}`, [
    `Known are ${known.join(", ")}.`,
    "rundown scenarios says what each of them does.",
  ]);
}
