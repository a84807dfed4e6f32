/** Scenarios and errata on the command line. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { perform } from "../../../apps/cli/perform.ts";
import { keptStreams } from "../../support/outputs.ts";

const D02 = "d02-kill-lost-by-suspended-killer";
const SENTENCE = "the second killer is told that the victim is dying, and the victim runs on without any kill";
const root = fileURLToPath(new URL("../../../", import.meta.url));

async function rundown(...argv: string[]): Promise<{ status: number; out: string; err: string }> {
  const streams = keptStreams();
  const status = await perform(argv, streams);
  return { status, out: streams.out.written, err: streams.err.written };
}

test("a scenario is run like a program, and ends with 121 when its violation is seen", async () => {
  const run = await rundown("run", "--errata", "D02", D02);
  expect(run.status).toBe(121);
  expect(run.err).toContain(`with D02: ${SENTENCE}`);
});

test("a scenario without errata ends with 0 and nothing left behind", async () => {
  const run = await rundown("run", D02);
  expect(run.status).toBe(0);
  expect(run.err).toContain("without errata nothing is wrong");
  expect(run.err).toContain("left behind: nothing");
});

test("the report of a scenario keeps to the schema and has its errata and its violation", async () => {
  const schema = JSON.parse(readFileSync(join(root, "schema/report-1.schema.json"), "utf8")) as object;
  const report: unknown = JSON.parse((await rundown("run", "-q", "--json", "-", "--errata", "d02", D02)).out);
  const ajv = new Ajv2020();
  expect(ajv.validate(schema, report), ajv.errorsText()).toBe(true);
  expect(report).toMatchObject({ program: D02, errata: ["D02"], violation: SENTENCE });
});

test("errata work with programs", async () => {
  const run = await rundown("run", "--errata", "D02", join(root, "samples/native/exit-return.exe"));
  expect(run.status).toBe(7);
  expect(run.err).toContain("with D02");
});

test("an unknown erratum is refused, and the known ones are named", async () => {
  const run = await rundown("run", "--errata", "D02,D99", D02);
  expect(run.status).toBe(125);
  expect(run.err).toMatch(/^rundown: no such erratum: D99\n {2}Known are (D\d\d, )*D02/u);
});

test("an unknown scenario is no missing file", async () => {
  const run = await rundown("run", "d98-nothing-of-the-kind");
  expect(run.status).toBe(127);
  expect(run.err).toContain("no such scenario");
});

test("scenarios are listed with their defects", async () => {
  const listed = JSON.parse((await rundown("scenarios", "--json")).out) as { scenarios: { id: string }[] };
  expect(listed.scenarios).toContainEqual({
    id: D02,
    defects: ["D02"],
    meaning: expect.stringContaining("suspended") as string,
    kept: null,
  });
});

test("a defect is shown with its erratum and without", async () => {
  const shown = await rundown("defects", "d02");
  expect(shown.status).toBe(0);
  expect(shown.out).toContain(`with D02: ${SENTENCE}\n      without: clean\n`);
});

test("defects ends with 1 when there is nothing to show", async () => {
  expect((await rundown("defects", "D99", "--json")).status).toBe(1);
});

test("a program whose name looks like a scenario's is a program all the same", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rundown-scenarios-"));
  const path = join(folder, "d99-tool");
  const before = process.cwd();
  writeFileSync(path, readFileSync(join(root, "samples/native/exit-return.exe")));
  try {
    process.chdir(folder);
    expect((await rundown("run", "d99-tool")).status).toBe(7);
  } finally {
    process.chdir(before);
    rmSync(folder, { recursive: true });
  }
});
