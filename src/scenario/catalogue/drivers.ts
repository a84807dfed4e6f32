/** Scenarios: drivers, devices and what else observes an exit. */
import type { Scenario } from "../scenario.ts";

export const driverScenarios: readonly Scenario[] = [];
