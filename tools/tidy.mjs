/**
 * `node tools/tidy.mjs [DIRECTORY]`: what the compiler and the linter cannot check. Prints `file:line: message` for everything
 * that is not as it must be, and exits with 1 if there was anything.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

import { checkCitations, compareWithListing } from "./tidy/citations.mjs";
import { checkCode } from "./tidy/code.mjs";
import { checkWords } from "./tidy/words.mjs";

const NOT_OURS = new Set(["node_modules", "dist", "coverage", ".git", ".cache"]);
const CODE = /\.(ts|js|mjs|cjs|c|h|sh)$|^(bin|\.ci)\//;
const LISTED = "ntoskrnl/ps/kill.c";
const TABLE = "tools/source-lines.json";

/** @typedef {{ file: string, line: number, message: string }} Finding */

/**
 * @param {string} root the directory of the tree
 * @returns {string[]} `file:line: message`, in the order of the files' names
 */
export function tidyTree(root) {
  const table = JSON.parse(readFileSync(new URL("source-lines.json", import.meta.url), "utf8"));
  const findings = textFiles(root).flatMap(({ file, text }) => {
    const problems = [
      ...(CODE.test(file) ? checkCode(file, text) : []),
      ...(file.endsWith(".ts") ? checkCitations(text, table) : []),
      ...checkWords(text),
    ];
    return problems.map((problem) => ({ file, ...problem }));
  });
  return [...findings, ...checkTable(root, table)].map(({ file, line, message }) => `${file}:${line}: ${message}`);
}

/** @param {string} root @returns {{ file: string, text: string }[]} */
function textFiles(root) {
  return filesBelow(root)
    .map((path) => ({ file: relative(root, path).split(sep).join("/"), text: readFileSync(path, "utf8") }))
    .filter(({ text }) => !text.includes("\0"))
    .sort((a, b) => (a.file < b.file ? -1 : 1));
}

/** @param {string} directory @returns {string[]} */
function filesBelow(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    // `.git` is a file in a second working tree.
    if (NOT_OURS.has(entry.name)) return [];
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}

/** @param {string} root @param {import("./tidy/citations.mjs").SourceTable} table @returns {Finding[]} */
function checkTable(root, table) {
  const seed = join(root, "../shared/seed");
  const name = existsSync(seed) ? readdirSync(seed).find((entry) => entry.endsWith(".txt")) : undefined;
  if (name === undefined) return [];
  const differences = compareWithListing(readFileSync(join(seed, name), "utf8"), LISTED, table);
  return differences.map((message) => ({ file: TABLE, line: 1, message }));
}

function main() {
  const findings = tidyTree(resolve(process.argv[2] ?? fileURLToPath(new URL("..", import.meta.url))));
  for (const finding of findings) console.log(finding);
  process.exitCode = findings.length === 0 ? 0 : 1;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) main();
