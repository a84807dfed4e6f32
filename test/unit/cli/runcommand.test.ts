/** `rundown run` on real programs: the samples for the built-in ntdll, each in a process of its own. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, describe, expect, it } from "vitest";
import type { Report } from "../../../src/report/report.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const command = process.env["RUNDOWN_COMMAND"] ?? join(root, "bin/rundown");
const folder = mkdtempSync(join(tmpdir(), "rundown-runs-"));
afterAll(() => rmSync(folder, { recursive: true }));

const environment = { ...process.env, RUNDOWN_CACHE_DIR: join(folder, "cache") };
const sample = (name: string): string => join(root, `samples/native/${name}.exe`);

interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function run(...argv: readonly string[]): Outcome {
  const whole = [command, "run", ...argv];
  const { status, stdout, stderr } = spawnSync(process.execPath, whole, { encoding: "utf8", env: environment });
  return { status, out: stdout, err: stderr };
}

describe("a run of a real program", () => {
  it("passes on its output and its exit status", () => {
    const { status, out, err } = run(sample("exit-return"));
    expect(status).toBe(7);
    expect(out).not.toContain("exit-return.exe");
    expect(err).toMatch(/^exit-return\.exe ended with 7 · /u);
  });

  it("ends with 1 and the whole status in the text if the status does not fit", () => {
    const { status, err } = run(sample("exit-status-high"));
    expect(status).toBe(1);
    expect(err).toContain("0xc0000022 (STATUS_ACCESS_DENIED)");
  });

  it("says who killed a thread, and with what", () => {
    expect(run(sample("terminate-spinner")).err).toMatch(/spinner +77 +killed by thread 12 with NtTerminateThread/u);
  });

  it("is a deadlock with a ring when two threads wait for each other", () => {
    const { status, err } = run(sample("deadlock"));
    expect(status).toBe(122);
    expect(err).toMatch(/each waits for the next: thread \d+ → thread \d+ → thread \d+\n/u);
  });

  it("stops at its limit of instructions", () => {
    const { status, err } = run("--max-instructions", "1M", sample("spin-forever"));
    expect([status, err]).toEqual([124, expect.stringContaining("was stopped: instruction limit of 1000000")]);
  });

  it("stops at its limit of time", () => {
    const { status, err } = run("--timeout", "300ms", sample("spin-forever"));
    expect([status, err]).toEqual([124, expect.stringContaining("--timeout of 0.3 s")]);
  });

  it("stops at its limit of virtual time before that has passed on the host", () => {
    const { status, err } = run("--virtual-timeout", "1m", sample("sleeper"));
    expect([status, err]).toEqual([124, expect.stringContaining("virtual time limit of 60 s")]);
  });

  it("says nothing of its own with --quiet", () => {
    expect(run("--quiet", sample("hello")).err).toBe("");
  });

  it("gives the same report twice", () => {
    const reports = [1, 2].map(() => run("--json", "-", "-q", sample("exit-while-waiting")).out);
    expect(reports[0]).toBe(reports[1]);
  });

  it.each(["exit-while-waiting", "deadlock", "access-violation", "fork-threads"])(
    "writes a report of %s that keeps to the schema",
    (name) => {
      const schema = JSON.parse(readFileSync(join(root, "schema/report-1.schema.json"), "utf8")) as object;
      const validate = new Ajv2020({ strictTypes: false }).compile(schema);
      const report = JSON.parse(run("--json", "-", "-q", sample(name)).out) as Report;
      validate(report);
      expect(validate.errors).toBeNull();
      expect(report.processes.some((process) => process.image === `${name}.exe`)).toBe(true);
    },
  );

  it("writes a trace whose events are numbered", () => {
    const path = join(folder, "trace.jsonl");
    run("--trace", path, sample("hello"));
    const lines = readFileSync(path, "utf8").trimEnd().split("\n");
    const last = JSON.parse(lines.at(-1) ?? "") as { sequence: number };
    expect([lines.length > 10, last.sequence]).toEqual([true, lines.length - 2]);
  });

  it("does not wait for standard input that the program never reads", async () => {
    const child = spawn(process.execPath, [command, "run", "-q", sample("hello")], { env: environment });
    const status = await new Promise((resolve) => child.on("close", resolve));
    expect(status).toBe(0);
  });
});

describe("Ctrl-C", () => {
  it("stops the program, prints the report and ends with 130", async () => {
    const child = spawn(process.execPath, [command, "run", sample("spin-forever")], { env: environment });
    let text = "";
    child.stderr.on("data", (data: Buffer) => (text += data.toString()));
    // The program says that it spins; from then on only the signal can end it.
    await new Promise((resolve) => child.stdout.once("data", resolve));
    child.kill("SIGINT");
    const status = await new Promise((resolve) => child.on("close", resolve));
    expect(status).toBe(130);
    expect(text).toContain("was stopped: interrupted by the user");
  });
});
