/** Which folder of Windows DLLs a run uses, and what `rundown doctor` says of it. */
import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { DoctorOptions } from "../../../apps/cli/doctor.ts";
import { examine, formatReport, runDoctor } from "../../../apps/cli/doctor.ts";
import { setUpWindows, silentProgress } from "../../../apps/cli/setup.ts";
import { cacheRoot, findWindowsDirectory } from "../../../apps/cli/setup-directory.ts";
import type { Bench } from "./setup-fixture.ts";
import { makeBench, makeImage, temporaryFolder } from "./setup-fixture.ts";

interface Installed extends Bench {
  readonly dir: string;
}

async function install(): Promise<Installed> {
  const bench = makeBench();
  const { signal } = new AbortController();
  const done = await setUpWindows({ ...bench, progress: silentProgress, signal });
  if (!done.ok) throw new Error(done.message);
  return { ...bench, dir: done.dir };
}

function copyOf(dir: string): string {
  const copy = join(temporaryFolder(), "dlls");
  cpSync(dir, copy, { recursive: true });
  return copy;
}

describe("findWindowsDirectory", () => {
  it("finds what set-up made in the cache", async () => {
    const bench = await install();
    expect(findWindowsDirectory(bench)).toMatchObject({ ok: true, dir: bench.dir, source: "cache" });
  });

  it("prefers the environment variable to the cache and the option to both", async () => {
    const bench = await install();
    const named = copyOf(bench.dir);
    const optional = copyOf(bench.dir);
    const environment = { ...bench.environment, RUNDOWN_WINDOWS_DIR: named };
    expect(findWindowsDirectory({ ...bench, environment })).toMatchObject({ dir: named, source: "environment" });
    const both = findWindowsDirectory({ ...bench, environment, windowsDir: optional });
    expect(both).toMatchObject({ dir: optional, source: "option" });
  });

  it("refuses a named folder rather than use another one", async () => {
    const bench = await install();
    const found = findWindowsDirectory({ ...bench, windowsDir: join(bench.dir, "absent") });
    expect(found).toMatchObject({ ok: false, reason: "windows-dir-unusable" });
  });

  it("refuses 64-bit DLLs", async () => {
    const bench = await install();
    const windowsDir = copyOf(bench.dir);
    writeFileSync(join(windowsDir, "ntdll.dll"), makeImage({ sections: [".text"], machine: 0x8664 }));
    const found = findWindowsDirectory({ ...bench, windowsDir });
    expect(found).toMatchObject({ ok: false });
    expect(JSON.stringify(found)).toContain("32-bit");
  });

  it("finds the tables of Wine's own layout", async () => {
    const bench = await install();
    const prefix = temporaryFolder();
    mkdirSync(join(prefix, "lib/wine"), { recursive: true });
    mkdirSync(join(prefix, "share/wine"), { recursive: true });
    const windowsDir = join(prefix, "lib/wine/i386-windows");
    cpSync(bench.dir, windowsDir, { recursive: true });
    renameSync(join(windowsDir, "nls"), join(prefix, "share/wine/nls"));
    const found = findWindowsDirectory({ ...bench, windowsDir });
    expect(found).toMatchObject({ ok: true, nlsDir: join(prefix, "share/wine/nls") });
  });

  it("sees a file of another size in the cache", async () => {
    const bench = await install();
    writeFileSync(join(bench.dir, "kernel32.dll"), "cut short");
    const found = findWindowsDirectory(bench);
    expect(found).toMatchObject({ ok: false, reason: "windows-dlls-missing" });
    expect(JSON.stringify(found)).toContain("kernel32.dll");
  });

  it("does not use the files of another package", async () => {
    const bench = await install();
    const other = { ...bench.package, sha256: "1".repeat(64) };
    expect(findWindowsDirectory({ ...bench, package: other }).ok).toBe(false);
  });

  it("does not follow a manifest out of its folder", async () => {
    const bench = await install();
    const path = join(bench.dir, "manifest.json");
    writeFileSync(path, readFileSync(path, "utf8").replace('"kernel32.dll"', '"../kernel32.dll"'));
    expect(findWindowsDirectory(bench).ok).toBe(false);
  });

  it("says how to get the DLLs when there are none", () => {
    const found = findWindowsDirectory({ environment: { RUNDOWN_CACHE_DIR: "/nonexistent" } });
    expect(found).toMatchObject({ ok: false });
    expect(JSON.stringify(found)).toContain("rundown setup");
  });
});

describe("cacheRoot", () => {
  it("is RUNDOWN_CACHE_DIR, else under XDG_CACHE_HOME, else under the home folder", () => {
    const environment = { RUNDOWN_CACHE_DIR: "/a", XDG_CACHE_HOME: "/b", HOME: "/c" };
    expect(cacheRoot(environment)).toBe("/a");
    expect(cacheRoot({ ...environment, RUNDOWN_CACHE_DIR: "" })).toBe("/b/rundown");
    expect(cacheRoot({ HOME: "/c" })).toBe("/c/.cache/rundown");
  });
});

describe("doctor", () => {
  const stateOf = (options: DoctorOptions, name: string): string | undefined =>
    examine(options).checks.find((check) => check.name === name)?.state;

  it("finds nothing wrong after a set-up and ends with 0", async () => {
    const options = { ...(await install()), nodeVersion: "20.19.0" };
    let text = "";
    const status = runDoctor(options, { out: { write: (t) => (text += t) }, json: false, colour: false });
    expect(text).toContain("Ready");
    expect(status).toBe(0);
  });

  it("finds one changed byte, which a run does not look for", async () => {
    const bench = await install();
    const path = join(bench.dir, "kernelbase.dll");
    const content = readFileSync(path);
    content[0x1800] = (content[0x1800] ?? 0) ^ 1;
    writeFileSync(path, content);
    expect(findWindowsDirectory(bench).ok).toBe(true);
    expect(stateOf({ ...bench, nodeVersion: "22.0.0" }, "Windows DLLs")).toBe("broken");
  });

  it("misses the DLLs, says how to fetch them and ends with 1", () => {
    const options = { environment: { RUNDOWN_CACHE_DIR: "/nonexistent" }, nodeVersion: "22.0.0" };
    let text = "";
    expect(runDoctor(options, { out: { write: (t) => (text += t) }, json: true, colour: false })).toBe(1);
    const report = JSON.parse(text) as ReturnType<typeof examine>;
    expect(report.checks.find((check) => check.name === "Windows DLLs")?.state).toBe("missing");
    expect(text).toContain("rundown setup");
  });

  it("refuses an old Node.js", async () => {
    const bench = await install();
    expect(stateOf({ ...bench, nodeVersion: "20.18.9" }, "Node.js")).toBe("broken");
    expect(stateOf({ ...bench, nodeVersion: "21.0.0" }, "Node.js")).toBe("ok");
  });

  it("tells a wrong processor from an absent one", async () => {
    const bench = await install();
    const processorPath = join(bench.dir, "v86.wasm");
    expect(stateOf({ ...bench, nodeVersion: "22.0.0", processorPath }, "x86 processor")).toBe("missing");
    writeFileSync(processorPath, "not it");
    expect(stateOf({ ...bench, nodeVersion: "22.0.0", processorPath }, "x86 processor")).toBe("broken");
  });

  it("does without the C compiler", async () => {
    const options = { ...(await install()), nodeVersion: "22.0.0" };
    const report = examine({ ...options, environment: { ...options.environment, PATH: "" } });
    expect(report.checks.find((check) => check.name.startsWith("C compiler"))?.state).toBe("missing");
    expect(report.ok).toBe(true);
  });

  it("colours its table only when it is asked to", () => {
    const report = examine({ environment: { RUNDOWN_CACHE_DIR: "/nonexistent" }, nodeVersion: "22.0.0" });
    expect(formatReport(report, { colour: false })).not.toContain("\u001b");
    expect(formatReport(report, { colour: true })).toContain("\u001b[32m");
  });
});
