/**
 * `node tools/step-docs.mjs [--check]`: writes `docs/steps.md` from the table of steps, or says whether it is as it would be
 * written.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { format } from "prettier";

import { STEPS, UNREACHABLE } from "./steps/table.mjs";

const PAGE = fileURLToPath(new URL("../docs/steps.md", import.meta.url));

const INTRODUCTION = `# Steps

\`node tools/step-docs.mjs\` made this page from \`src/ps/steptable.ts\`.

The termination routines name their steps in the record as each is reached: \`{ kind: "step", step: "E10", branch: "last", … }\` in a
trace. A step that a routine goes on without is named with the reason: \`{ kind: "step-skipped", step: "E39", reason: "no-section", … }\`.
Every step, every branch and every reason is reached by tests; \`npm run coverage:steps\` says by how many.`;

const READING = `"Goes" are the ways that a step can go, "passed over" the reasons for which it is not taken.`;

/** @returns {Promise<string>} the page */
async function page() {
  /** @type {Map<string, string[]>} */
  const routines = new Map();
  for (const [id, { routine, meaning, branches = [], skips = [] }] of Object.entries(STEPS)) {
    const row = `| ${id} | ${meaning} | ${branches.join(", ")} | ${skips.join(", ")} |`;
    routines.set(routine, [...(routines.get(routine) ?? []), row]);
  }
  const tables = [...routines].map(([routine, rows]) =>
    [`## \`${routine}\``, "", "| id | what happens | goes | passed over |", "| --- | --- | --- | --- |", ...rows].join(
      "\n",
    ),
  );
  const unreachable = Object.entries(UNREACHABLE).map(([name, reason]) => `- \`${name}\`: ${reason}.`);
  const parts = [INTRODUCTION, READING, ...tables, "## Out of reach", unreachable.join("\n")];
  return format(parts.join("\n\n"), { parser: "markdown", printWidth: 120 });
}

const wanted = await page();
if (!process.argv.includes("--check")) {
  writeFileSync(PAGE, wanted);
} else if (readFileSync(PAGE, "utf8") !== wanted) {
  console.error("docs/steps.md is not what tools/step-docs.mjs writes: run it");
  process.exitCode = 1;
}
