/** Scenarios: jobs and their members. */
import type { Scenario } from "../scenario.ts";

export const jobScenarios: readonly Scenario[] = [];
