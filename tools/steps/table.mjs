/** The table of steps, `src/ps/steptable.ts`, as it stands in the source: nothing has to be built for it. */
import { readFileSync } from "node:fs";
import { transformSync } from "esbuild";

/**
 * @typedef {{ readonly routine: string, readonly meaning: string, readonly branches?: readonly string[],
 *   readonly skips?: readonly string[] }} StepEntry
 * @typedef {{ readonly id: string, readonly name: string }} Goal something that a test has to reach: `E10:last`
 */

const SOURCE = new URL("../../src/ps/steptable.ts", import.meta.url);

const { code } = transformSync(readFileSync(SOURCE, "utf8"), { loader: "ts", format: "esm" });
const table = await import(`data:text/javascript;base64,${Buffer.from(code).toString("base64")}`);

/** @type {Readonly<Record<string, StepEntry>>} */
export const STEPS = table.STEPS;

/** Goals that no run can reach, with the reason. @type {Readonly<Record<string, string>>} */
export const UNREACHABLE = table.UNREACHABLE_STEPS;

/**
 * @param {string} id
 * @param {StepEntry} entry
 * @returns {Goal[]} each way that the step can go, and each reason for passing it over
 */
export function goalsOf(id, { branches, skips = [] }) {
  const ways = branches === undefined ? [id] : branches.map((branch) => `${id}:${branch}`);
  return [...ways, ...skips.map((reason) => `${id}~${reason}`)].map((name) => ({ id, name }));
}
