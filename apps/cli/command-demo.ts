/**
 * `rundown demo`: a few of the samples, each with a word on what to look for. They import only ntdll.dll, so nothing has to
 * be fetched. All of it goes to standard output, since here our text is what was asked for.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { run } from "./command-run.ts";
import { ExitStatus } from "./exitstatus.ts";
import { CliFailure, packageFile } from "./failure.ts";
import type { Output } from "./output.ts";
import { defaultRunOptions, type RunOptions } from "./runoptions.ts";
import { wantsColor } from "./terminal.ts";

export interface DemoScene {
  readonly sample: string;
  readonly words: string;
  /** Exit status of `rundown run` that proves that the scene went as told. */
  readonly status: number;
}

const SCENES: readonly DemoScene[] = [
  {
    sample: "kill-busy",
    words: "A process is killed while its threads compute, wait, sleep, or have not begun. How did each of them end?",
    status: 9,
  },
  {
    sample: "exit-while-waiting",
    words: "A program exits while its worker waits and owns a mutant: who ended whom, and what the dead still held.",
    status: 41,
  },
  {
    sample: "last-thread-code",
    words: "The first thread leaves with 3, the last one with 5: the process takes the status of the last.",
    status: 5,
  },
  {
    sample: "sleeper",
    words: "Ten minutes of sleep cost nothing: time is virtual.",
    status: 0,
  },
  {
    sample: "deadlock",
    words: "Two threads take two locks in opposite order. A hang is a finding, with the ring that explains it.",
    status: ExitStatus.Deadlock,
  },
];

type RunOne = (options: RunOptions, streams: { readonly out: Output; readonly err: Output }) => Promise<number>;

/** @returns 0 if every scene ended as it should */
export async function demo(
  options: { readonly color: boolean },
  { out }: { readonly out: Output },
  runOne: RunOne = run,
): Promise<number> {
  const bold = wantsColor(options.color, out.isTerminal, process.env)
    ? (text: string) => `\u001b[1m${text}\u001b[0m`
    : (text: string) => text;
  const surprises: string[] = [];
  for (const { sample, words, status } of SCENES) {
    out.text(`${bold(words)}\n$ rundown run samples/native/${sample}.exe\n`);
    const program = samplePath(sample);
    const result = await runOne({ ...defaultRunOptions(), program, color: options.color }, { out, err: out });
    out.text(`[exit status ${result}]\n\n`);
    if (result !== status) surprises.push(`${sample} ended with ${result} instead of ${status}`);
  }
  if (surprises.length > 0) throw new Error(`the demo did not go as it should: ${surprises.join(", ")}`);
  out.text("Next: rundown run YOUR.exe, or rundown --help\n");
  return 0;
}

function samplePath(sample: string): string {
  const path = fileURLToPath(packageFile(`samples/native/${sample}.exe`));
  if (existsSync(path)) return path;
  throw new CliFailure(ExitStatus.OwnFailure, `the package is incomplete: ${path} is missing`);
}
