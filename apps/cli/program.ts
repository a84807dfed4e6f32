/**
 * The program to run: found, read, and looked at just enough to know whether it can run here and what it needs. Nothing
 * of it is trusted.
 */
import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { parseImage } from "../../src/guest/pe.ts";
import { readImports } from "../../src/guest/peimports.ts";
import { ExitStatus } from "./exitstatus.ts";
import { CliFailure } from "./failure.ts";
import { errorCode } from "./output.ts";

export interface Program {
  readonly name: string;
  readonly path: string;
  readonly bytes: Uint8Array;
  /** True if it imports nothing but ntdll.dll, so that the built-in ntdll is all it needs. */
  readonly native: boolean;
}

/** Whether it is the id of a scenario, `d02-kill-lost-by-suspended-killer`, rather than a file. */
export function namesScenario(program: string): boolean {
  return /^d\d\d[a-z]?-[a-z0-9-]+$/u.test(program);
}

/** No console program is larger; what is, is something else. */
const MAXIMUM_BYTES = 512 << 20;

export function readProgram(path: string): Program {
  const bytes = readBytes(path);
  const parsed = parseImage(bytes);
  if (!parsed.ok) throw notRunnable(path, parsed.reason);
  const imports = readImports(parsed.value);
  if (!imports.ok) throw notRunnable(path, "its import table is damaged");
  const native = imports.value.every(({ dll }) => dll.toLowerCase() === "ntdll.dll");
  return { name: basename(path), path, bytes, native };
}

export function notRunnable(path: string, reason: string): CliFailure {
  return new CliFailure(ExitStatus.NotRunnable, `cannot run ${path}: ${reason}`);
}

function readBytes(path: string): Uint8Array {
  try {
    const status = statSync(path);
    if (status.isDirectory()) throw notRunnable(path, "it is a folder");
    if (status.size > MAXIMUM_BYTES) throw notRunnable(path, "it is larger than 512 MiB");
    return readFileSync(path);
  } catch (error) {
    if (error instanceof CliFailure) throw error;
    throw unreadable(path, errorCode(error) ?? String(error));
  }
}

function unreadable(path: string, code: string): CliFailure {
  if (code !== "ENOENT" && code !== "ENOTDIR") {
    return notRunnable(path, code === "EACCES" || code === "EPERM" ? "it may not be read" : code);
  }
  const sibling = [`${path}.exe`, `${path}.EXE`].find((candidate) => isFile(candidate));
  const advice = sibling === undefined ? [] : [`Did you mean ${sibling}?`];
  return new CliFailure(ExitStatus.NotFound, `no such file: ${path}`, advice);
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
