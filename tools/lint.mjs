/**
 * `node tools/lint.mjs`: every check of the tree that runs no test, as many at a time as there are processors. Prints what a
 * check that failed had to say, then one line for each check, and exits with 1 if any failed.
 */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** The scripts of package.json, the longest first, and what each checks. */
const CHECKS = [
  { script: "lint:code", what: "rules of the language and of this kernel" },
  { script: "typecheck", what: "types" },
  { script: "format:check", what: "format" },
  { script: "lint:unused", what: "unused code" },
  { script: "lint:layers", what: "layers" },
  { script: "tidy", what: "sizes, openings, citations" },
];

/** @typedef {{ script: string, what: string, passed: boolean, output: string, seconds: number }} Outcome */

/** @param {{ script: string, what: string }} check @returns {Promise<Outcome>} */
function run(check) {
  const started = performance.now();
  const child = spawn("npm", ["run", "--silent", check.script], {
    cwd: dirname(dirname(fileURLToPath(import.meta.url))),
    stdio: ["ignore", "pipe", "pipe"],
    shell: process.platform === "win32",
  });
  /** @type {string[]} */
  const output = [];
  child.stdout.on("data", (text) => output.push(String(text)));
  child.stderr.on("data", (text) => output.push(String(text)));
  return new Promise((resolve) => {
    /** @param {boolean} passed */
    const end = (passed) =>
      resolve({ ...check, passed, output: output.join("").trim(), seconds: (performance.now() - started) / 1000 });
    child.on("error", (error) => {
      output.push(error.message);
      end(false);
    });
    child.on("close", (status) => end(status === 0));
  });
}

const waiting = [...CHECKS];
/** @type {Outcome[]} */
const outcomes = [];
async function work() {
  for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) outcomes.push(await run(check));
}
await Promise.all(Array.from({ length: availableParallelism() }, work));

const failed = outcomes.filter((outcome) => !outcome.passed);
for (const { script, output } of failed) console.log(`== npm run ${script}\n${output}\n`);
for (const { script, what } of CHECKS) {
  const outcome = outcomes.find((candidate) => candidate.script === script);
  const verdict = outcome?.passed === true ? "ok    " : "FAILED";
  console.log(`${verdict} ${script.padEnd(12)} ${what}, ${Math.round(outcome?.seconds ?? 0)} s`);
}
process.exitCode = failed.length === 0 ? 0 : 1;
