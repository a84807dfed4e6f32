/** Scenarios: debug objects and threads that are held by a debugger. */
import type { Scenario } from "../scenario.ts";

export const debuggerScenarios: readonly Scenario[] = [];
