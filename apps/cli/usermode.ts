/**
 * Which user mode a program runs in: our built-in ntdll, or Wine's DLLs. What a run needs and lacks is fetched here, with a
 * progress line that names it.
 */
import { FileMap } from "./filemap.ts";
import { ExitStatus } from "./exitstatus.ts";
import { CliFailure, failureOf } from "./failure.ts";
import type { Program } from "./program.ts";
import type { RunOptions } from "./runoptions.ts";
import type { Environment } from "./setup-process.ts";

/** Wine's DLLs and tables, by lower-case name. */
export interface WindowsFiles {
  readonly kind: "wine";
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly nls: ReadonlyMap<string, Uint8Array>;
}

export async function chooseUserMode(
  options: Pick<RunOptions, "userMode" | "windowsDirectory" | "setup" | "quiet">,
  program: Program,
  environment: Environment,
): Promise<"builtin" | WindowsFiles> {
  if (options.userMode === "builtin" && !program.native) {
    throw new CliFailure(
      ExitStatus.NotRunnable,
      `cannot run ${program.path}: it imports more than ntdll.dll, which is all that --environment builtin has`,
    );
  }
  if (options.userMode === "builtin" || (options.userMode === "auto" && program.native)) return "builtin";
  const { findWindowsDirectory } = await import("./setup-directory.ts");
  const find = () => findWindowsDirectory({ windowsDir: options.windowsDirectory, environment });
  let found = find();
  if (!found.ok && found.reason === "windows-dlls-missing" && options.setup) {
    await fetchWindows(program, environment, options.quiet);
    found = find();
  }
  if (!found.ok) throw failureOf(found);
  return {
    kind: "wine",
    files: new FileMap(found.dir, (name) => /\.(dll|drv|exe|sys)$/u.test(name)),
    nls: new FileMap(found.nlsDir, (name) => name.endsWith(".nls")),
  };
}

async function fetchWindows(program: Program, environment: Environment, quiet: boolean): Promise<void> {
  const { createProgress, setUpWindows, silentProgress, withInterrupt } = await import("./setup.ts");
  const progress = quiet ? silentProgress : createProgress(process.stderr, environment);
  progress.step(`${program.name} needs the Windows DLLs, which are not here yet`);
  const done = await withInterrupt((signal) => setUpWindows({ environment, progress, signal }));
  if (done.ok) return;
  if (done.reason === "interrupted") throw new CliFailure(ExitStatus.Interrupted, done.message, done.advice);
  throw failureOf(done);
}
