/**
 * `rundown doctor`: looks at everything that a run needs, says what is missing and what to do about it.
 *
 * It changes nothing, apart from a file that it makes and removes to see whether the cache folder is writable. Each check
 * stands alone: one that fails never hides another. Only a check that a run needs makes the whole fail.
 */
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createColors } from "picocolors";
import type { Problem } from "./setup-directory.ts";
import { cacheRoot, findWindowsDirectory, fullDamage, readManifest } from "./setup-directory.ts";
import type { WindowsPackage } from "./setup-package.ts";
import { LIBWINE } from "./setup-package.ts";
import type { Environment } from "./setup-process.ts";
import { findTool } from "./setup-process.ts";

export type CheckState = "ok" | "missing" | "broken";

export interface Check {
  readonly name: string;
  readonly state: CheckState;
  /** What was found. */
  readonly detail: string;
  /** False for what is only good to have. */
  readonly required: boolean;
  /** What to do; empty when all is well. */
  readonly advice: readonly string[];
}

export interface DoctorReport {
  readonly format: "rundown.doctor/1";
  /** True when every required check is ok. */
  readonly ok: boolean;
  readonly checks: readonly Check[];
}

export interface DoctorOptions {
  readonly environment: Environment;
  /** Such as `process.versions.node`. */
  readonly nodeVersion: string;
  readonly windowsDir?: string | undefined;
  readonly package?: WindowsPackage;
  /** The file of the processor; found beside this package's dependencies when absent. */
  readonly processorPath?: string;
}

const OLDEST_NODE: readonly [number, number] = [20, 19];
const PROCESSOR_VERSION = "0.5.462";
/** SHA-256 of build/v86.wasm in that version. Another processor would run other instructions in another order. */
const PROCESSOR_SHA256 = "aa0d0e149d6b60063b85de4871e78505637ce92821e14a9f9802c4008ba2336e";

/** Makes all checks. */
export function examine(options: DoctorOptions): DoctorReport {
  const checks = [
    checkNode(options.nodeVersion),
    checkProcessor(options.processorPath ?? locateProcessor()),
    checkCache(cacheRoot(options.environment)),
    checkWindowsDirectory(options),
    checkCompiler(options.environment),
  ];
  const ok = checks.every((check) => check.state === "ok" || !check.required);
  return { format: "rundown.doctor/1", ok, checks };
}

function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const recent = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  const detail = `version ${version}`;
  if (recent) return { name: "Node.js", state: "ok", detail, required: true, advice: [] };
  const advice = [`Install Node.js ${OLDEST_NODE.join(".")} or later.`];
  return { name: "Node.js", state: "broken", detail, required: true, advice };
}

/** The wasm file of the x86 processor, searched upwards as Node searches packages; null when there is none. */
function locateProcessor(): string | null {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const path = join(folder, "node_modules", "v86", "build", "v86.wasm");
    if (existsSync(path)) return path;
    if (dirname(folder) === folder) return null;
  }
}

function checkProcessor(path: string | null): Check {
  const name = "x86 processor";
  const advice = [`Reinstall Rundown, so that it finds the package v86 ${PROCESSOR_VERSION}.`];
  if (path === null || !existsSync(path)) {
    return { name, state: "missing", detail: `no package v86 ${PROCESSOR_VERSION}`, required: true, advice };
  }
  const digest = createHash("sha256").update(readFileSync(path)).digest("hex");
  if (digest === PROCESSOR_SHA256) {
    return { name, state: "ok", detail: `v86 ${PROCESSOR_VERSION}`, required: true, advice: [] };
  }
  return { name, state: "broken", detail: `${path} is not that of v86 ${PROCESSOR_VERSION}`, required: true, advice };
}

function checkCache(root: string): Check {
  const name = "cache folder";
  const advice = ["Set RUNDOWN_CACHE_DIR to a folder that you may write to."];
  try {
    if (!existsSync(root)) {
      accessSync(nearestFolder(root), constants.W_OK);
      return { name, state: "ok", detail: `${root} (will be made when needed)`, required: true, advice: [] };
    }
    const probe = mkdtempSync(join(root, ".doctor-"));
    rmSync(probe, { recursive: true, force: true });
    return { name, state: "ok", detail: root, required: true, advice: [] };
  } catch {
    return { name, state: "broken", detail: `${root} is not writable`, required: true, advice };
  }
}

function nearestFolder(path: string): string {
  let folder = path;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

function checkWindowsDirectory(options: DoctorOptions): Check {
  const name = "Windows DLLs";
  const source = options.package ?? LIBWINE;
  const { environment, windowsDir } = options;
  const found = findWindowsDirectory({ environment, windowsDir, package: source });
  if (!found.ok) return problemCheck(name, found);
  if (found.source !== "cache")
    return { name, state: "ok", detail: `${found.dir} (yours)`, required: true, advice: [] };
  const manifest = readManifest(found.dir);
  const damage = manifest === null ? "its manifest is gone" : fullDamage(found.dir, manifest, source);
  if (damage === null) {
    const detail = `${source.name} ${source.version} in ${found.dir}`;
    return { name, state: "ok", detail, required: true, advice: [] };
  }
  const advice = ["Fetch them again with: rundown setup --force"];
  return { name, state: "broken", detail: `${found.dir}: ${damage}`, required: true, advice };
}

function problemCheck(name: string, problem: Problem): Check {
  const state = problem.reason === "windows-dlls-missing" ? "missing" : "broken";
  return { name, state, detail: problem.message, required: true, advice: problem.advice };
}

function checkCompiler(environment: Environment): Check {
  const name = "C compiler for samples";
  const path = findTool("i686-w64-mingw32-gcc", environment);
  if (path !== null) return { name, state: "ok", detail: path, required: false, advice: [] };
  const advice = ["Only needed to rebuild the samples: install the package gcc-mingw-w64-i686."];
  return { name, state: "missing", detail: "no i686-w64-mingw32-gcc", required: false, advice };
}

/** The report as a table for people. */
export function formatReport(report: DoctorReport, options: { readonly colour: boolean }): string {
  const colours = createColors(options.colour);
  const paint = { ok: colours.green, missing: colours.yellow, broken: colours.red };
  const width = Math.max(...report.checks.map((check) => check.name.length));
  const lines = report.checks.flatMap((check) => {
    const optional = check.state !== "ok" && !check.required ? " (optional)" : "";
    const head = `${paint[check.state](check.state.padEnd(7))}  ${check.name.padEnd(width)}  ${check.detail}${optional}`;
    return [head, ...check.advice.map((line) => `${" ".repeat(width + 11)}${colours.dim(line)}`)];
  });
  const verdict = report.ok ? "Ready to run Windows programs." : "Not ready: see above.";
  return [...lines, "", verdict, ""].join("\n");
}

export interface DoctorIo {
  readonly out: { write(text: string): unknown };
  readonly json: boolean;
  readonly colour: boolean;
}

/** Examines, prints the table or the JSON document, and answers with the exit status, 0 or 1. */
export function runDoctor(options: DoctorOptions, io: DoctorIo): number {
  const report = examine(options);
  io.out.write(io.json ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report, { colour: io.colour }));
  return report.ok ? 0 : 1;
}
