import { expect, test } from "vitest";
import { fuzzSystemCalls } from "../../support/syscallfuzz.ts";

test("three thousand hostile system calls answer a status and leave nothing behind", () => {
  const fuzz = fuzzSystemCalls({ firstSeed: 1, calls: 3000 });
  expect(fuzz.called.size).toBeGreaterThan(90);
  expect(fuzz.outcomes.has("bugcheck")).toBe(false);
});
