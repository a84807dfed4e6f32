/** Before the tests: makes sure that Wine's DLLs are there, as `rundown setup` would. */
import { createProgress, setUpWindows } from "../../apps/cli/setup.ts";

export async function setup(): Promise<void> {
  if (process.env["RUNDOWN_WINDOWS_DIR"]) return;
  const progress = createProgress(process.stderr, process.env);
  const done = await setUpWindows({ environment: process.env, progress, signal: new AbortController().signal });
  if (!done.ok) throw new Error([done.message, ...done.advice].join("\n"));
}
