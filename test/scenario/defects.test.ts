/** Every scenario shows its violation with its erratum, and nothing at all without. */
import { expect, test } from "vitest";
import { allScenarios } from "../../src/scenario/registry.ts";
import { runScenario } from "../../src/scenario/run.ts";

for (const scenario of allScenarios()) {
  const { id, defects } = scenario;
  test(`${id} shows its violation with ${defects.join(", ")} on`, () => {
    const { violation, described } = runScenario(scenario, { errata: defects });
    expect(violation).toBeTypeOf("string");
    expect(described, violation ?? "").toBe(true);
  });

  test(`${id} is clean without ${defects.join(", ")}`, () => {
    const { violation, end } = runScenario(scenario);
    expect({ violation, outcome: end.outcome }).toEqual({ violation: null, outcome: "exited" });
  });
}
