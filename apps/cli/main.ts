/**
 * Entry of the command line. Does as little as it can before the guest runs: a plain `rundown run PROGRAM` loads neither
 * the full command-line parser nor any other command.
 */
import { run } from "./command-run.ts";
import type { Commands } from "./commandline.ts";
import { describeFailure } from "./failure.ts";
import { Output } from "./output.ts";
import { usedParts } from "./parts.ts";
import { parsePlainRun } from "./runoptions.ts";

export { usedParts };

const streams = { out: new Output(1), err: new Output(2) };

const commands: Commands = {
  run: (options) => run(options, streams),
  setup: async (options) => (await import("./command-setup.ts")).setup(options, streams),
  doctor: async (options) => (await import("./command-doctor.ts")).doctor(options, streams),
  demo: async (options) => (await import("./command-demo.ts")).demo(options, streams),
};

async function main(argv: readonly string[]): Promise<number> {
  const plain = argv[0] === "run" ? parsePlainRun(argv.slice(1)) : null;
  if (plain !== null) return await commands.run(plain);
  usedParts.add("commander");
  const { runCommandLine } = await import("./commandline.ts");
  return await runCommandLine(argv, commands, streams);
}

/** Does what the arguments say; whatever goes wrong ends up in words and an exit status. */
async function enter(argv: readonly string[]): Promise<void> {
  try {
    process.exitCode = await main(argv.length === 0 ? ["--help"] : argv);
  } catch (error) {
    const own = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
    const { text, status } = describeFailure(error, own.includes("-v") || own.includes("--verbose"));
    process.exitCode = status;
    streams.err.text(text);
  }
}

void enter(process.argv.slice(2));
