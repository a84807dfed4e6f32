/** Spoilt program files by the ten thousand, each started on a machine: refused with a reason, or run to an end. */
import { expect, test } from "vitest";
import { Costs } from "../support/costs.ts";
import { randomDamage, soundPrograms, systematicDamage } from "../support/damage.ts";
import { expectOrdinaryEnd } from "../support/hostile.ts";
import { randomFrom } from "../support/random.ts";

const LONGEST_MS = 1000;
const MOST_BYTES = 256 << 20;
/** The kernel's books are checked after each of these many files. */
const AUDIT_EVERY = 8;
const RANDOM_FILES = 14_000;

test("every file with a spoilt header field, or cut off in its headers, is refused or runs to an end", () => {
  const costs = new Costs();
  let refused = 0;
  for (const program of soundPrograms()) {
    for (const file of systematicDamage(program)) {
      const audit = costs.cases % AUDIT_EVERY === 0;
      if (costs.measure(() => expectOrdinaryEnd(file, { audit })) === "refused") refused++;
    }
  }
  console.log(`${costs.toString()}; ${refused} refused`);
  expect(costs.cases).toBeGreaterThan(6000);
  expect(refused).toBeGreaterThan(1000);
  expect(costs.longestMs).toBeLessThan(LONGEST_MS);
  expect(costs.grownBytes).toBeLessThan(MOST_BYTES);
}, 900_000);

test("every randomly spoilt file is refused or runs to an end", () => {
  const costs = new Costs();
  const random = randomFrom(7);
  const programs = soundPrograms();
  for (let index = 0; index < RANDOM_FILES; index++) {
    const file = randomDamage(random.pick(programs), random);
    costs.measure(() => expectOrdinaryEnd(file, { audit: index % AUDIT_EVERY === 0 }));
  }
  console.log(costs.toString());
  expect(costs.longestMs).toBeLessThan(LONGEST_MS);
  expect(costs.grownBytes).toBeLessThan(MOST_BYTES);
}, 900_000);
