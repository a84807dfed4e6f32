/** Every scenario shows its violation with its errata, and nothing at all without; what is kept is seen either way. */
import { describe, expect, test } from "vitest";
import { allScenarios } from "../../src/scenario/registry.ts";
import { runScenario } from "../../src/scenario/run.ts";

describe.each(allScenarios().filter(({ kept }) => kept === undefined))("$id", (scenario) => {
  const { defects } = scenario;

  test(`shows its violation with ${defects.join(", ")} on`, () => {
    const { violation, described } = runScenario(scenario, { errata: defects });
    expect(violation).toBeTypeOf("string");
    expect(described, violation ?? "").toBe(true);
  });

  test(`is clean without ${defects.join(", ")}`, () => {
    const { violation, end } = runScenario(scenario);
    expect({ violation, outcome: end.outcome }).toEqual({ violation: null, outcome: "exited" });
  });
});

describe.each(allScenarios().filter(({ kept }) => kept !== undefined))("$id", (scenario) => {
  test("shows what is kept", () => {
    const { violation, described } = runScenario(scenario);
    expect(violation).toBeTypeOf("string");
    expect(described, violation ?? "").toBe(true);
  });
});
