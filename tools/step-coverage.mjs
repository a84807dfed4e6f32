/**
 * `node tools/step-coverage.mjs [--last-run]`: which steps of the termination routines, and which of their branches, tests
 * reached, and how many tests. Runs the suites that are about termination, or takes what the last run of the tests left
 * behind. Exits with 1 unless everything that can be reached was.
 *
 * A name with a colon is a way that a step went, `E10:last`; one with a tilde is a reason for which a routine went on without
 * it, `E39~no-section`.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { goalsOf, STEPS, UNREACHABLE } from "./steps/table.mjs";

const SUITES = ["test/scenario", "test/unit/ps", "test/unit/dbgk", "test/unit/lpc"];
const REPORTS = "coverage/steps";
const ID_COLUMNS = 6;
const COUNT_COLUMNS = 6;

/** @param {string} root @returns {Map<string, number>} how many tests reached each name */
function readReports(root) {
  const directory = join(root, REPORTS);
  const files = existsSync(directory) ? readdirSync(directory, { recursive: true, withFileTypes: true }) : [];
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const file of files) {
    if (!file.isFile()) continue;
    const report = JSON.parse(readFileSync(join(file.parentPath, file.name), "utf8"));
    for (const [name, tests] of Object.entries(report)) counts.set(name, (counts.get(name) ?? 0) + Number(tests));
  }
  return counts;
}

/** @param {Map<string, number>} counts @returns {{ text: string, missing: string[], reached: number }} */
function compare(counts) {
  const lines = [];
  const missing = [];
  let reached = 0;
  for (const [id, entry] of Object.entries(STEPS)) {
    const goals = goalsOf(id, entry);
    const shown = goals.map(({ name }) => {
      const tests = counts.get(name) ?? 0;
      if (tests > 0) reached++;
      else if (!(name in UNREACHABLE)) missing.push(name);
      return `${name.slice(id.length) || "tests"} ${tests > 0 ? tests : name in UNREACHABLE ? "unreachable" : "NONE"}`;
    });
    const taken = goals.filter(({ name }) => !name.includes("~"));
    const most = Math.max(0, ...taken.map(({ name }) => counts.get(name) ?? 0));
    lines.push(`${id.padEnd(ID_COLUMNS)}${String(most).padStart(COUNT_COLUMNS)}  ${shown.join("  ")}`);
  }
  return { text: lines.join("\n"), missing, reached };
}

const root = fileURLToPath(new URL("..", import.meta.url));
if (!process.argv.includes("--last-run")) {
  const suites = SUITES.filter((suite) => existsSync(join(root, suite)));
  try {
    execFileSync("npx", ["vitest", "run", "--reporter=dot", ...suites], { cwd: root, stdio: ["ignore", "ignore", 2] });
  } catch {
    console.error("step-coverage: some of the tests failed");
    process.exitCode = 1;
  }
}
const { text, missing, reached } = compare(readReports(root));
console.log(text);
const unreachable = Object.entries(UNREACHABLE);
for (const [name, reason] of unreachable) console.log(`unreachable: ${name}: ${reason}`);
const goals = reached + missing.length;
console.log(
  `${reached} of ${goals} branches of ${Object.keys(STEPS).length} steps reached, ${unreachable.length} unreachable`,
);
if (missing.length > 0) {
  console.log(`not reached by any test: ${missing.join(" ")}`);
  process.exitCode = 1;
}
