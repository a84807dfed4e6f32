/** Scenarios: creating and deleting processes and threads. */
import type { Scenario } from "../scenario.ts";

export const creationScenarios: readonly Scenario[] = [];
