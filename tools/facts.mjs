/**
 * `node tools/facts.mjs [--check]`: fills the last column of `docs/facts.md` with the tests whose names cite each fact, or says
 * which facts no test shows. A name may cite several, `T-LPC1, T-LPC3`, or a range, `T-LPC1 to T-LPC4`.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { format } from "prettier";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PAGE = `${ROOT}docs/facts.md`;
const ROW = /^\| (T-[A-Z]+\d+) +\| (.*?) +\| (.*?) *\|$/;
const NO_TEST = /^(not modelled|user mode, not yet)/;

/** @returns {Map<string, string[]>} the files that cite each fact */
function citations() {
  /** @type {Map<string, string[]>} */
  const found = new Map();
  for (const entry of readdirSync(`${ROOT}test`, { recursive: true, encoding: "utf8" }).sort()) {
    if (!entry.endsWith(".test.ts")) continue;
    for (const id of idsIn(readFileSync(`${ROOT}test/${entry}`, "utf8"))) {
      const files = found.get(id) ?? [];
      if (!files.includes(entry)) found.set(id, [...files, entry]);
    }
  }
  return found;
}

/** @param {string} text @returns {string[]} */
function idsIn(text) {
  const single = [...text.matchAll(/T-[A-Z]+\d+/g)].map(([id]) => id);
  const ranges = [...text.matchAll(/T-([A-Z]+)(\d+) to (?:T-\1)?(\d+)/g)].flatMap(([, series, first, last]) =>
    Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => `T-${series}${Number(first) + index}`),
  );
  return [...single, ...ranges];
}

const cited = citations();
const lines = readFileSync(PAGE, "utf8").split("\n");
const known = new Set(lines.flatMap((line) => ROW.exec(line)?.[1] ?? []));
/** @type {string[]} */
const problems = [];
const filled = lines.map((line) => {
  const [, id, fact, shown = ""] = ROW.exec(line) ?? [];
  if (id === undefined || NO_TEST.test(shown)) return line;
  const files = cited.get(id) ?? [];
  if (files.length === 0) problems.push(`${id} is shown by no test`);
  return `| ${id} | ${fact} | ${files.map((file) => `\`${file}\``).join(", ")} |`;
});
for (const id of cited.keys())
  if (!known.has(id)) problems.push(`${id} is cited by a test and is not in docs/facts.md`);
if (!process.argv.includes("--check"))
  writeFileSync(PAGE, await format(filled.join("\n"), { parser: "markdown", printWidth: 120 }));
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
