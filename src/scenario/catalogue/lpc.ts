/** Scenarios: ports and those who wait for the death of a client. */
import type { Scenario } from "../scenario.ts";

export const lpcScenarios: readonly Scenario[] = [];
