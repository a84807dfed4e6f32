/** Spoilt program files by the ten thousand, each given to the command line: 126 and a reason, or an ordinary end. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ExitStatus } from "../../apps/cli/exitstatus.ts";
import { perform } from "../../apps/cli/perform.ts";
import { Costs } from "../support/costs.ts";
import { randomDamage, soundPrograms, systematicDamage } from "../support/damage.ts";
import { keptStreams } from "../support/outputs.ts";
import { randomFrom } from "../support/random.ts";

const LONGEST_MS = 1000;
const MOST_BYTES = 256 << 20;
const RANDOM_FILES = 14_000;
const OPTIONS = ["run", "--max-instructions", "100k", "--environment", "builtin"];

const folder = mkdtempSync(join(tmpdir(), "rundown-spoilt-"));
const path = join(folder, "spoilt.exe");
afterAll(() => rmSync(folder, { recursive: true }));

/** @returns true if the file was refused */
async function give(file: Uint8Array, costs: Costs): Promise<boolean> {
  writeFileSync(path, file);
  const streams = keptStreams();
  const status = await costs.measureSlowly(() => perform([...OPTIONS, path], streams));
  const said = streams.err.written;
  expect(said).not.toMatch(/\n +at |internal error/u);
  expect([120, 121, ExitStatus.OwnFailure]).not.toContain(status);
  if (status !== ExitStatus.NotRunnable) return false;
  expect(said).toMatch(/^rundown: cannot run .*spoilt\.exe: \S.*\n$/u);
  return true;
}

test("every file with a spoilt header field, or cut off in its headers, is refused or runs to an end", async () => {
  const costs = new Costs();
  let refused = 0;
  for (const program of soundPrograms()) {
    for (const file of systematicDamage(program)) if (await give(file, costs)) refused++;
  }
  console.log(`${costs.toString()}; ${refused} refused`);
  expect(costs.cases).toBeGreaterThan(6000);
  expect(refused).toBeGreaterThan(1000);
  expect(costs.longestMs).toBeLessThan(LONGEST_MS);
  expect(costs.grownBytes).toBeLessThan(MOST_BYTES);
}, 900_000);

test("every randomly spoilt file is refused or runs to an end", async () => {
  const costs = new Costs();
  const random = randomFrom(11);
  const programs = soundPrograms();
  let refused = 0;
  for (let index = 0; index < RANDOM_FILES; index++) {
    if (await give(randomDamage(random.pick(programs), random), costs)) refused++;
  }
  console.log(`${costs.toString()}; ${refused} refused`);
  expect(refused).toBeGreaterThan(1000);
  expect(costs.longestMs).toBeLessThan(LONGEST_MS);
  expect(costs.grownBytes).toBeLessThan(MOST_BYTES);
}, 900_000);
