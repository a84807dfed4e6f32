/** Wine's DLLs for tests; the test run's set-up has fetched them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { findWindowsDirectory } from "../../apps/cli/setup-directory.ts";
import { createWin32Environment, type Environment } from "../../src/guest/environment.ts";

let environment: Environment | null = null;

export function win32Environment(): Environment {
  if (environment !== null) return environment;
  const found = findWindowsDirectory({ environment: process.env });
  if (!found.ok) throw new Error(`${found.message} Run: bin/rundown setup`);
  const made = createWin32Environment(readFiles(found.dir, ".dll"), readFiles(found.nlsDir, ".nls"));
  if (!made.ok) throw new Error(made.reason);
  environment = made.value;
  return environment;
}

function readFiles(directory: string, ending: string): Map<string, Uint8Array> {
  const names = readdirSync(directory).filter((name) => name.endsWith(ending));
  return new Map(names.map((name) => [name.toLowerCase(), readFileSync(join(directory, name))]));
}
