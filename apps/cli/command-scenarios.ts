/** `rundown scenarios` and `rundown defects`: what the seed gets wrong, listed and shown. */
import { allScenarios } from "../../src/scenario/registry.ts";
import { runScenario } from "../../src/scenario/run.ts";
import type { Scenario } from "../../src/scenario/scenario.ts";
import type { Output } from "./output.ts";
import { usedParts } from "./parts.ts";
import { wantsColor } from "./terminal.ts";

interface Streams {
  readonly out: Output;
}

export interface ListOptions {
  readonly json: boolean;
  readonly color: boolean;
}

/** Lists the scenarios. @returns 0 */
export function scenarios(options: ListOptions, { out }: Streams): Promise<number> {
  usedParts.add("scenarios");
  const all = allScenarios();
  if (options.json) {
    const list = all.map(({ id, defects, meaning, kept = null }) => ({ id, defects, meaning, kept }));
    out.text(`${JSON.stringify({ scenarios: list }, null, 2)}\n`);
    return Promise.resolve(0);
  }
  const color = options.color && wantsColor(options.color, out.isTerminal, process.env);
  const errata = Math.max(...all.map(({ defects }) => defects.join(", ").length));
  for (const { id, defects, meaning } of all) {
    out.text(`${defects.join(", ").padEnd(errata)}  ${paint(color, "1", id)}\n${" ".repeat(errata)}  ${meaning}\n`);
  }
  out.text("\nNext: rundown run --errata D02 d02-kill-lost-by-suspended-killer\n");
  return Promise.resolve(0);
}

/** A scenario both ways. */
interface Shown {
  readonly id: string;
  readonly defects: readonly string[];
  /** What was seen with the errata on; of what is kept, what was seen. */
  readonly on: string | null;
  /** What was seen without: null, or something is wrong. */
  readonly off: string | null;
  /** Why it is no defect here; null if it is one. */
  readonly kept: string | null;
  /** Whether all is as it should be. */
  readonly ok: boolean;
}

/** Shows every defect, or those that are named. @returns 0 if each is there with its erratum and only then, else 1 */
export function defects(options: ListOptions & { readonly ids: readonly string[] }, { out }: Streams): Promise<number> {
  usedParts.add("scenarios");
  const wanted = options.ids.map((id) => id.toUpperCase());
  const chosen = allScenarios().filter(
    (scenario) =>
      wanted.length === 0 || [scenario.id.toUpperCase(), ...scenario.defects].some((id) => wanted.includes(id)),
  );
  const color = options.color && wantsColor(options.color, out.isTerminal, process.env);
  const all: Shown[] = [];
  for (const scenario of chosen) {
    const shown = show(scenario);
    all.push(shown);
    if (!options.json) out.text(describe(shown, color));
  }
  const wrong = all.filter(({ ok }) => !ok).length;
  if (options.json) out.text(`${JSON.stringify({ ok: wrong === 0 && all.length > 0, scenarios: all }, null, 2)}\n`);
  else out.text(`\n${summary(all.length, wrong)}\n`);
  return Promise.resolve(wrong === 0 && all.length > 0 ? 0 : 1);
}

function show(scenario: Scenario): Shown {
  const { id, defects: errata, kept = null } = scenario;
  const off = runScenario(scenario);
  if (kept !== null) return { id, defects: errata, on: off.violation, off: null, kept, ok: off.described };
  const on = runScenario(scenario, { errata });
  return {
    id,
    defects: errata,
    on: on.violation,
    off: off.violation,
    kept,
    ok: on.described && off.violation === null,
  };
}

function describe({ id, defects: errata, on, off, kept, ok }: Shown, color: boolean): string {
  const mark = !ok ? paint(color, "31", "WRONG") : kept === null ? paint(color, "32", "ok   ") : "kept ";
  const head = `${mark} ${paint(color, "1", id)}\n`;
  if (kept !== null) return `${head}      always: ${on ?? "nothing is seen"}\n      kept: ${kept}\n`;
  return `${head}      with ${errata.join(", ")}: ${on ?? "nothing is seen"}\n      without: ${off ?? "clean"}\n`;
}

function summary(count: number, wrong: number): string {
  if (count === 0) return "no such scenario; rundown scenarios lists them";
  if (wrong > 0) return `${wrong} of ${count} scenarios are not as they should be`;
  return `${count === 1 ? "1 scenario" : `${count} scenarios`}: each violation is there with its erratum, and only then; what is kept is always there`;
}

function paint(color: boolean, code: string, text: string): string {
  return color ? `\u001b[${code}m${text}\u001b[0m` : text;
}
