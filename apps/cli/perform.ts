/**
 * What a command line asks for, from its arguments to its exit status. Does as little as it can before the guest runs: a
 * plain `rundown run PROGRAM` loads neither the full command-line parser nor any other command.
 */
import { run, type Streams } from "./command-run.ts";
import type { Commands } from "./commandline.ts";
import { describeFailure } from "./failure.ts";
import { usedParts } from "./parts.ts";
import { parsePlainRun } from "./runoptions.ts";

/** Does what the arguments say; whatever goes wrong ends up in words. @returns the exit status */
export async function perform(argv: readonly string[], streams: Streams): Promise<number> {
  try {
    return await obey(argv.length === 0 ? ["--help"] : argv, streams);
  } catch (error) {
    const own = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
    const { text, status } = describeFailure(error, own.includes("-v") || own.includes("--verbose"));
    streams.err.text(text);
    return status;
  }
}

async function obey(argv: readonly string[], streams: Streams): Promise<number> {
  const plain = argv[0] === "run" ? parsePlainRun(argv.slice(1)) : null;
  if (plain !== null) return await run(plain, streams);
  usedParts.add("commander");
  const { runCommandLine } = await import("./commandline.ts");
  return await runCommandLine(argv, commandsOn(streams), streams);
}

function commandsOn(streams: Streams): Commands {
  return {
    run: (options) => run(options, streams),
    setup: async (options) => (await import("./command-setup.ts")).setup(options, streams),
    doctor: async (options) => (await import("./command-doctor.ts")).doctor(options, streams),
    scenarios: async (options) => (await import("./command-scenarios.ts")).scenarios(options, streams),
    defects: async (options) => (await import("./command-scenarios.ts")).defects(options, streams),
    demo: async (options) => (await import("./command-demo.ts")).demo(options, streams),
  };
}
