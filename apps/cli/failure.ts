/**
 * What can go wrong before or beside the guest, and how it is told: one paragraph, what to do next, and a status. A stack
 * is shown only to those who ask for it with -v.
 */
import { readFileSync } from "node:fs";
import { ExitStatus } from "./exitstatus.ts";
import type { Problem } from "./setup-directory.ts";

/** Something that the user can understand and do something about. */
export class CliFailure extends Error {
  override readonly name = "CliFailure";
  readonly status: number;
  readonly advice: readonly string[];

  constructor(status: number, message: string, advice: readonly string[] = []) {
    super(message);
    this.status = status;
    this.advice = advice;
  }
}

export function failureOf(problem: Problem): CliFailure {
  return new CliFailure(ExitStatus.OwnFailure, problem.message, problem.advice);
}

/** The text for an error that ended the command, and its exit status. */
export function describeFailure(error: unknown, verbose: boolean): { readonly text: string; readonly status: number } {
  if (error instanceof CliFailure) {
    const advice = error.advice.map((line) => `  ${line}\n`).join("");
    return { text: `rundown: ${error.message}\n${advice}`, status: error.status };
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const stack = verbose && error instanceof Error ? `${error.stack ?? ""}\n` : "";
  return { text: `${ownDefect(message, verbose)}${stack}`, status: ExitStatus.OwnFailure };
}

function ownDefect(message: string, verbose: boolean): string {
  const again = verbose ? "" : " Run it again with -v to see where it happened.";
  return (
    `rundown: internal error: ${message}\n` +
    `This is a defect of Rundown, not of the program that it ran.${again} Please report it (npm bugs ntrundown shows where),\n` +
    `with the program, the command line, this message, and: rundown ${packageVersion()}, Node ${process.versions.node}, ${process.platform} ${process.arch}.\n`
  );
}

/** The folder of the package: two above this file, in the sources as in what is built from them. */
export function packageFile(path: string): URL {
  return new URL(`../../${path}`, import.meta.url);
}

export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(packageFile("package.json"), "utf8"));
  const version = typeof manifest === "object" && manifest !== null && "version" in manifest ? manifest.version : null;
  return typeof version === "string" ? version : "of unknown version";
}
