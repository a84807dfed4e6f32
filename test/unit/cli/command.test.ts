/** The command as people start it: bin/rundown in a process of its own, as `npm run build` left it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const command = process.env["RUNDOWN_COMMAND"] ?? join(root, "bin/rundown");
const folder = mkdtempSync(join(tmpdir(), "rundown-command-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function rundown(...argv: readonly string[]): Outcome {
  const environment = { ...process.env, RUNDOWN_CACHE_DIR: join(folder, "cache"), NO_COLOR: "1" };
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...argv], {
    encoding: "utf8",
    env: environment,
  });
  return { status, out: stdout, err: stderr };
}

function programFile(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** The headers of a program for another machine; the processor's number is at offset 0x44. */
function programFor(machine: number): Uint8Array {
  const bytes = new Uint8Array(readFileSync(join(root, "samples/native/hello.exe")));
  const header = new DataView(bytes.buffer).getUint32(0x3c, true);
  new DataView(bytes.buffer).setUint16(header + 4, machine, true);
  return bytes;
}

describe("help", () => {
  it.each([[[]], [["--help"]], [["help"]]])("is printed on standard output for %j", (argv) => {
    const { status, out, err } = rundown(...argv);
    expect([status, err]).toEqual([0, ""]);
    expect(out).toContain("Usage: rundown [options] [command]");
  });

  it.each(["run", "setup", "doctor", "demo"])("of %s has an example", (name) => {
    const { status, out } = rundown(name, "--help");
    expect(status).toBe(0);
    expect(out).toMatch(new RegExp(`Examples?:\\n(.*\\n)*.*rundown ${name}`, "u"));
  });

  it("explains every exit status", () => {
    const { out } = rundown("run", "--help");
    for (const status of [120, 121, 122, 124, 125, 126, 127, 130, 141]) expect(out).toContain(String(status));
  });

  it("has no error when nobody reads it", () => {
    const script = '{ "$0" "$1" --help; echo $? >"$2"; } | true';
    const statusFile = join(folder, "status");
    const { stderr } = spawnSync("sh", ["-c", script, process.execPath, command, statusFile], { encoding: "utf8" });
    expect([readFileSync(statusFile, "utf8").trim(), stderr]).toEqual(["0", ""]);
  });
});

describe("the version", () => {
  it("is the package's", () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
    expect(rundown("--version").out).toBe(`${version}\n`);
  });
});

describe("a command line that makes no sense", () => {
  it.each([
    [["runn"], "Did you mean run?"],
    [["run"], "missing required argument 'program'"],
    [["run", "a.exe", "--prot", "80"], "unknown option '--prot'"],
    [["run", "a.exe", "--cpus", "99"], "must be a whole number from 1 to 32"],
    [["run", "a.exe", "--timeout", "soon"], "must be a duration"],
    [["run", "a.exe", "--mount", "data"], "HOST:GUEST"],
    [["run", "a.exe", "--environment", "os2"], "must be one of auto, win32, builtin"],
    [["run", "a.exe", "--fail-on", "everything"], "must be one of leak, not-implemented"],
  ])("%j ends with 125 and says why", (argv, words) => {
    const { status, out, err } = rundown(...argv);
    expect([status, out]).toEqual([125, ""]);
    expect(err).toMatch(/^rundown: /u);
    expect(err).toContain(words);
  });

  it("is answered with where the program's own options go", () => {
    expect(rundown("run", "a.exe", "--port").err).toContain("the program's own arguments go after --");
  });
});

describe("a program that cannot be run", () => {
  it("ends with 127 if it does not exist", () => {
    expect(rundown("run", join(folder, "nothing.exe"))).toEqual({
      status: 127,
      out: "",
      err: `rundown: no such file: ${join(folder, "nothing.exe")}\n`,
    });
  });

  it.each([
    ["a script", programFile("script.exe", "#!/bin/sh\n"), /not a Windows program/u],
    ["a 64-bit program", programFile("wide.exe", programFor(0x8664)), /64-bit/u],
    ["an empty file", programFile("empty.exe", ""), /cannot run/u],
    ["a folder", folder, /it is a folder/u],
  ])("ends with 126 and the reason if it is %s", (_what, path, reason) => {
    const { status, out, err } = rundown("run", path);
    expect([status, out]).toEqual([126, ""]);
    expect(err).toMatch(reason);
  });

  it("ends with 126 if it needs more than the built-in ntdll, which is all it may have", () => {
    const { status, err } = rundown("run", "--environment", "builtin", join(root, "samples/hello.exe"));
    expect([status, err]).toEqual([126, expect.stringContaining("it imports more than ntdll.dll")]);
  });

  it("ends with 125 and what to do if the Windows DLLs are missing and may not be fetched", () => {
    const { status, err } = rundown("run", "--no-setup", join(root, "samples/hello.exe"));
    expect([status, err]).toEqual([125, expect.stringContaining("rundown setup")]);
  });

  it("shows no stack", () => {
    expect(rundown("run", join(folder, "nothing.exe")).err).not.toContain("    at ");
  });
});
