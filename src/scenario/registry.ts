/** All scenarios. Loaded only by those who ask for them: an ordinary run never does. */
import { apcScenarios } from "./catalogue/apc.ts";
import { creationScenarios } from "./catalogue/creation.ts";
import { criticalScenarios } from "./catalogue/critical.ts";
import { debuggerScenarios } from "./catalogue/debugger.ts";
import { driverScenarios } from "./catalogue/drivers.ts";
import { exitScenarios } from "./catalogue/exit.ts";
import { familyScenarios } from "./catalogue/family.ts";
import { jobScenarios } from "./catalogue/jobs.ts";
import { killScenarios } from "./catalogue/kill.ts";
import { processKillScenarios } from "./catalogue/killprocess.ts";
import { lpcScenarios } from "./catalogue/lpc.ts";
import type { Scenario } from "./scenario.ts";

/** In the order of the defects that they show. */
export function allScenarios(): readonly Scenario[] {
  const all = [
    ...killScenarios,
    ...processKillScenarios,
    ...criticalScenarios,
    ...apcScenarios,
    ...exitScenarios,
    ...creationScenarios,
    ...familyScenarios,
    ...jobScenarios,
    ...debuggerScenarios,
    ...lpcScenarios,
    ...driverScenarios,
  ];
  return all.sort((a, b) => (a.id < b.id ? -1 : 1));
}

export function findScenario(id: string): Scenario | null {
  return allScenarios().find((scenario) => scenario.id === id) ?? null;
}

/** The errata that a machine knows, sorted. */
export function knownErrata(): readonly string[] {
  const errata = allScenarios().flatMap(({ defects, kept }) => (kept === undefined ? defects : []));
  return [...new Set(errata)].sort();
}
