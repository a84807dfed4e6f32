/**
 * `npm run bench`: measures, and says whether what is promised is kept.
 *
 *   --only NAME       only this group; may be given several times
 *   --runs N          how often each figure is measured (5)
 *   --json FILE       writes the figures for programs
 *   --markdown FILE   writes them for people, with where they come from
 *
 * The table goes to standard output, progress to standard error. A target that is missed is no failure: machines differ.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import type { Context, Figure, Group } from "./figure.ts";
import { calls, instructions, machines } from "./kernel.ts";
import { kills } from "./kills.ts";
import { computing, memory, startup } from "./startup.ts";
import { jsonOf, loadNow, markdownOf, originOf, originText, tableOf } from "./table.ts";
import { processes, threads } from "./turnover.ts";

const GROUPS: readonly Group[] = [startup, memory, machines, calls, threads, processes, kills, instructions, computing];
const DEFAULT_RUNS = "5";

function main(): void {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true, default: [] },
      runs: { type: "string", default: DEFAULT_RUNS },
      json: { type: "string" },
      markdown: { type: "string" },
    },
  });
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error("--runs takes a number of runs");
  const chosen = chooseGroups(values.only);
  const loadBefore = loadNow();
  const figures: Figure[] = [];
  for (const group of chosen) figures.push(...group.measure(contextOf(group, runs)));
  const origin = originOf(loadBefore);
  process.stdout.write(`${tableOf(figures)}\n${originText(origin)}\n`);
  if (values.json !== undefined) writeFileSync(values.json, jsonOf(figures, origin));
  if (values.markdown !== undefined) writeFileSync(values.markdown, markdownOf(figures, origin, runs));
}

function chooseGroups(names: readonly string[]): readonly Group[] {
  const unknown = names.find((name) => !GROUPS.some((group) => group.name === name));
  if (unknown !== undefined) {
    throw new Error(`there is no group ${unknown}, only ${GROUPS.map(({ name }) => name).join(", ")}`);
  }
  return names.length === 0 ? GROUPS : GROUPS.filter(({ name }) => names.includes(name));
}

function contextOf(group: Group, runs: number): Context {
  return { runs, progress: (text) => process.stderr.write(`${group.name}: ${text}\n`) };
}

// As bin/rundown does: the engine would soon make all parts of a kernel where it collects garbage last.
setFlagsFromString("--no-allocation-site-pretenuring");
try {
  main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
