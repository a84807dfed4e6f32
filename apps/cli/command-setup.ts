/** `rundown setup`: fetches the Windows DLLs, and says where they are. */
import { describeFailure, failureOf } from "./failure.ts";
import type { Output } from "./output.ts";
import { createProgress, megabytes, setUpWindows, silentProgress, withInterrupt } from "./setup.ts";
import { ExitStatus } from "./exitstatus.ts";

export async function setup(
  options: { readonly force: boolean; readonly quiet: boolean },
  { err }: { readonly err: Output },
): Promise<number> {
  const environment = process.env;
  const progress = options.quiet ? silentProgress : createProgress(process.stderr, environment);
  const done = await withInterrupt((signal) => setUpWindows({ environment, progress, signal, force: options.force }));
  if (!done.ok) {
    err.text(describeFailure(failureOf(done), false).text);
    return done.reason === "interrupted" ? ExitStatus.Interrupted : ExitStatus.OwnFailure;
  }
  const state = done.fetched ? "are now" : "are already";
  if (!options.quiet) err.text(`The Windows DLLs ${state} in ${done.dir} (${megabytes(done.bytes)}).\n`);
  return 0;
}
