/** Random ring-3 code as programs: each ends in some ordinary way, and the machine gets everything back. */
import { expect, test } from "vitest";
import { Costs } from "../support/costs.ts";
import { auditAfterwards, runHostile } from "../support/hostile.ts";
import { randomFrom } from "../support/random.ts";
import { randomCodeProgram } from "../support/randomcode.ts";

const PROGRAMS = 100_000;
const INSTRUCTIONS = 50_000;
const LONGEST_MS = 1000;
const MOST_BYTES = 256 << 20;

test("no random program stops the machine or leaves something behind", () => {
  const costs = new Costs();
  const outcomes = new Map<string, number>();
  for (let seed = 0; seed < PROGRAMS; seed++) {
    const file = randomCodeProgram(randomFrom(seed));
    const found = costs.measure(() => {
      const run = runHostile(file, {
        processors: 1 + (seed % 3),
        limits: { instructions: INSTRUCTIONS, threads: 32, processes: 4, handles: 1000 },
      });
      const outcome = run.end?.outcome ?? `refused: ${run.refusal}`;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      return auditAfterwards(run);
    });
    if (found.length > 0) throw new Error(`seed ${seed}: ${found.join("; ")}`);
  }
  console.log(`${costs.toString()}; ${JSON.stringify([...outcomes])}`);
  expect([...outcomes.keys()].sort()).toEqual(expect.arrayContaining(["crashed", "limit"]));
  expect([...outcomes.keys()].filter((outcome) => /bugcheck|refused/.test(outcome))).toEqual([]);
  expect(costs.longestMs).toBeLessThan(LONGEST_MS);
  expect(costs.grownBytes).toBeLessThan(MOST_BYTES);
}, 2_400_000);
