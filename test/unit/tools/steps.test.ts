/** The table of steps and what is made of it. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { STEPS, type StepEntry, UNREACHABLE_STEPS } from "../../../src/ps/steptable.ts";

const entries = Object.entries<StepEntry>(STEPS);

test("the page about steps is what its tool makes of the table", () => {
  execFileSync("node", ["tools/step-docs.mjs", "--check"], { stdio: "pipe" });
});

test("steps are numbered without gaps within their series", () => {
  const series = new Map<string, number[]>();
  for (const [id] of entries) {
    const [, letters = "", number = ""] = /^([A-Z]+)(\d+)$/.exec(id) ?? [];
    series.set(letters, [...(series.get(letters) ?? []), Number(number)]);
  }
  expect([...series.keys()].sort()).toEqual(["C", "DP", "DT", "E", "K", "NP", "NT", "PT", "R", "RT", "X"]);
  for (const numbers of series.values()) expect(numbers).toEqual(numbers.map((_, index) => index + 1));
});

test("no more than five branches are out of reach, and all of them exist", () => {
  const names = Object.keys(UNREACHABLE_STEPS);
  expect(names.length).toBeLessThanOrEqual(5);
  const known = entries.flatMap(([id, { branches = [], skips = [] }]) => [
    id,
    ...branches.map((branch) => `${id}:${branch}`),
    ...skips.map((reason) => `${id}~${reason}`),
  ]);
  for (const name of names) expect(known).toContain(name);
});
