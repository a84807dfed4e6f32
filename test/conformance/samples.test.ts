/**
 * Every sample does what Windows would make it do: its output, its exit status, its outcome, and its report. The reports
 * are golden files: `UPDATE_GOLDEN=1 npx vitest run test/conformance` writes them, and a change is reviewed like code.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { ReportBuilder } from "../../src/report/builder.ts";
import { reportText } from "../../src/report/text.ts";
import { builtinEnvironment, runSample } from "../support/machine.ts";
import { win32Environment } from "../support/windows.ts";

interface Sample {
  readonly program: string;
  readonly environment: "win32" | "native";
  readonly arguments: readonly string[];
  readonly variables?: Record<string, string>;
  readonly stdin?: string;
  readonly stdout: string | null;
  readonly exitStatus: string;
  readonly outcome: string;
}

const { samples } = JSON.parse(readFileSync("samples/expected.json", "utf8")) as { samples: readonly Sample[] };

/** Programs that need hundreds of millions of instructions belong to the slow suite. */
function isLong(sample: Sample): boolean {
  return sample.program.endsWith("cpu-mix.exe") && sample.arguments.length === 0;
}

/** Programs that never end are stopped by a limit. */
const ENDLESS = new Set(["native/spin-forever.exe"]);
const INSTRUCTION_LIMIT = 200_000_000;

function title(sample: Sample): string {
  const given = [...sample.arguments.map((argument) => JSON.stringify(argument)), ...(sample.stdin ? ["< input"] : [])];
  return [sample.program, ...given].join(" ");
}

describe.each(["native", "win32"] as const)("in the %s environment", (kind) => {
  const mine = samples.filter((sample) => sample.environment === kind && !isLong(sample));
  test.each(mine.map((sample) => [title(sample), sample] as const))("%s behaves as on Windows", (name, sample) => {
    const report = new ReportBuilder();
    const path = join("samples", sample.program);
    const run = runSample(
      path,
      {
        environment: kind === "win32" ? win32Environment() : builtinEnvironment(),
        stdin: Buffer.from(sample.stdin ?? "", "latin1"),
        limits: { instructions: ENDLESS.has(sample.program) ? 1_000_000 : INSTRUCTION_LIMIT },
        record: report.sink,
      },
      sample,
    );
    expect(run.end.outcome).toBe(sample.outcome);
    if (sample.stdout !== null)
      expect(run.stdout.replaceAll("\r\n", "\n")).toBe(sample.stdout.replaceAll("\r\n", "\n"));
    if (sample.outcome !== "limit" && sample.outcome !== "deadlock") {
      expect(run.end.exitStatus).toBe(Number(sample.exitStatus));
    }
    expectGolden(name, run, report);
  });
});

function expectGolden(name: string, { machine, end }: ReturnType<typeof runSample>, report: ReportBuilder): void {
  const finished = report.finish({
    end,
    program: name,
    arguments: [],
    statistics: machine.statistics,
    notImplemented: machine.notImplemented(),
    leaks: machine.ledger(),
    waitGraph: end.outcome === "deadlock" ? machine.waitGraph() : null,
    replay: "",
  });
  const text = reportText(finished, { color: (_style, piece) => piece });
  const file = join("test/golden/reports", `${name.replace(/[^\w./-]+/g, "_")}.txt`);
  if (process.env["UPDATE_GOLDEN"] === "1" || !existsSync(file)) {
    expect(process.env["CI"], "a golden report is missing").toBeFalsy();
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  expect(text).toBe(readFileSync(file, "utf8"));
}
