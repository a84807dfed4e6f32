/** Scenarios: how a thread and its process exit. */
import type { Scenario } from "../scenario.ts";

export const exitScenarios: readonly Scenario[] = [];
