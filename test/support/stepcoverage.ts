/**
 * Notes for every test which steps of the termination routines it reached, whether or not its machine keeps a trace, and
 * leaves the counts of each test file below `coverage/steps/`, where `tools/step-coverage.mjs` reads them.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { afterAll, afterEach, expect, vi } from "vitest";

const DIRECTORY = "coverage/steps";

/** What the running test has reached: `E10:last`, or `E39~no-section` for a step that was passed over. */
const reached = vi.hoisted(() => new Set<string>());
const testsThatReached = new Map<string, number>();

vi.mock("../../src/ps/steps.ts", async (original) => {
  const steps = await original<typeof import("../../src/ps/steps.ts")>();
  const step = (...call: [never, never, never?]): void => {
    const [, id, branch] = call as readonly [unknown, string, string?];
    reached.add(branch === undefined ? id : `${id}:${branch}`);
    steps.step(...(call as [never, never, never]));
  };
  const skip = (k: never, id: never, reason: never): void => {
    reached.add(`${String(id)}~${String(reason)}`);
    steps.skip(k, id, reason);
  };
  return { ...steps, step, skip };
});

afterEach(() => {
  for (const name of reached) testsThatReached.set(name, (testsThatReached.get(name) ?? 0) + 1);
  reached.clear();
});

afterAll(() => {
  if (testsThatReached.size === 0) return;
  const file = relative(resolve("."), expect.getState().testPath ?? "unknown");
  const path = join(DIRECTORY, `${file}.json`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(Object.fromEntries(testsThatReached)));
});
