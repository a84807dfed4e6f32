/**
 * Every system service with wild pointers and random arguments, from several threads of several processes. The answer is
 * a status, or the caller's death; never an error of the host, a stopped machine, or something left behind.
 */
import { expect, test } from "vitest";
import { Costs } from "../support/costs.ts";
import { fuzzSystemCalls, servicesNotCalled } from "../support/syscallfuzz.ts";

const CALLS = 150_000;
const MOST_BYTES = 512 << 20;

test("no system call of a hostile program does more than to answer", () => {
  const costs = new Costs();
  const fuzz = costs.measure(() => fuzzSystemCalls({ firstSeed: 10_000, calls: CALLS }));
  console.log(`${fuzz.calls} calls of ${fuzz.programs} programs; ${JSON.stringify([...fuzz.outcomes])}`);
  console.log(`${fuzz.succeeded.size} of ${fuzz.called.size} services succeeded; ${costs.toString()}`);
  expect(servicesNotCalled(fuzz)).toEqual([]);
  expect(fuzz.succeeded.size).toBeGreaterThan(0.7 * fuzz.called.size);
  expect(fuzz.outcomes.has("bugcheck")).toBe(false);
  expect(costs.grownBytes).toBeLessThan(MOST_BYTES);
}, 900_000);
