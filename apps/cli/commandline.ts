/**
 * The full command line: all commands with their help and examples. Loaded for everything but a plain `rundown run`.
 * What a command does is loaded only when it runs.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { EXIT_STATUS_HELP, ExitStatus } from "./exitstatus.ts";
import { packageVersion } from "./failure.ts";
import type { Output } from "./output.ts";
import { defaultRunOptions, type OptionSpec, RUN_OPTIONS, type RunOptions } from "./runoptions.ts";
import { UsageError } from "./values.ts";

/** What the command line can ask for. Each answers with the exit status. */
export interface Commands {
  run(options: RunOptions): Promise<number>;
  setup(options: { readonly force: boolean; readonly quiet: boolean }): Promise<number>;
  doctor(options: { readonly json: boolean; readonly color: boolean; readonly windowsDir?: string }): Promise<number>;
  demo(options: { readonly color: boolean }): Promise<number>;
  scenarios(options: { readonly json: boolean; readonly color: boolean }): Promise<number>;
  defects(options: {
    readonly ids: readonly string[];
    readonly json: boolean;
    readonly color: boolean;
  }): Promise<number>;
}

/** Parses and does what the arguments ask for. @returns the exit status */
export async function runCommandLine(
  argv: readonly string[],
  commands: Commands,
  streams: { readonly out: Output; readonly err: Output },
): Promise<number> {
  let status = 0;
  const program = createProgram(commands, (result) => (status = result));
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => streams.out.text(text),
      writeErr: (text) => streams.err.text(text),
      outputError: (text, write) => write(text.replace(/^error: /u, "rundown: ")),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  }
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : ExitStatus.OwnFailure;
  }
  return status;
}

function createProgram(commands: Commands, done: (status: number) => void): Command {
  const program = new Command("rundown")
    .description(
      "Runs unmodified i386 Windows console programs deterministically, and says how each thread of them ended.",
    )
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .addHelpText(
      "after",
      `
Examples:
  rundown run app.exe                  run a program
  rundown run app.exe -- -x --help     what follows -- is for the program
  rundown run --json report.json app.exe
  rundown demo                         see it at work, without a program of your own

${EXIT_STATUS_HELP}`,
    );
  addRun(program, commands, done);
  addSetup(program, commands, done);
  addDoctor(program, commands, done);
  addDemo(program, commands, done);
  addScenarios(program, commands, done);
  addDefects(program, commands, done);
  return program;
}

function addRun(program: Command, commands: Commands, done: (status: number) => void): void {
  const options = defaultRunOptions();
  const command = program
    .command("run")
    .summary("run a Windows program")
    .description(
      "Runs a 32-bit Windows console program, passes its output on, and reports how it ended on standard error.",
    )
    .argument("<program>", "the program, a file of this machine, or the id of a scenario")
    .argument("[arguments...]", "its arguments; put -- before them if they begin with a dash")
    .showHelpAfterError("(rundown run --help lists the options; the program's own arguments go after --)")
    .addHelpText(
      "after",
      `
Examples:
  rundown run hello.exe
  rundown run --timeout 10s --fail-on leak server.exe -- --port 80
  rundown run --mount ./data:D: --cwd D:\\ tool.exe -- D:\\in.txt
  rundown run --json - app.exe | jq .processes
  rundown run --cpus 2 race.exe
  rundown run --errata D02 d02-kill-lost-by-suspended-killer
  rundown run --kernel-debugger ignore critical.exe

Ctrl-C stops the program and still prints the report; a second Ctrl-C ends rundown at once.
What a first run needs and lacks (the Windows DLLs) is fetched by itself.

${EXIT_STATUS_HELP}`,
    )
    .action(async (file: string, rest: string[]) => {
      done(await commands.run({ ...options, program: file, arguments: rest }));
    });
  for (const spec of RUN_OPTIONS) command.addOption(commanderOption(spec, options));
  for (const spec of RUN_OPTIONS.filter(({ value }) => value === undefined)) {
    command.on(`option:${switchName(spec)}`, () => spec.apply(options, ""));
  }
}

function commanderOption(spec: OptionSpec, options: RunOptions): Option {
  const short = spec.short === undefined ? "" : `${spec.short}, `;
  const value = spec.value === undefined ? "" : ` <${spec.value}>`;
  const option = new Option(`${short}${spec.long}${value}`, spec.help);
  if (spec.value === undefined) return option;
  return option.argParser((text: string) => {
    try {
      spec.apply(options, text);
    } catch (error) {
      if (error instanceof UsageError) throw new InvalidArgumentError(`It ${error.message}.`);
      throw error;
    }
    return text;
  });
}

/** Commander reports `--no-x` under its own name, and every other switch without the dashes too. */
function switchName(spec: OptionSpec): string {
  return new Option(spec.long).name();
}

function addSetup(program: Command, commands: Commands, done: (status: number) => void): void {
  program
    .command("setup")
    .summary("fetch the Windows DLLs that Win32 programs need")
    .description("Fetches Wine's 32-bit DLLs through this machine's own package client, without touching its state.")
    .option("--force", "fetch again even if they are there")
    .option("-q, --quiet", "print only what goes wrong")
    .addHelpText(
      "after",
      `
Examples:
  rundown setup
  RUNDOWN_CACHE_DIR=/opt/rundown rundown setup --force`,
    )
    .action(async (options: { force?: boolean; quiet?: boolean }) => {
      done(await commands.setup({ force: options.force === true, quiet: options.quiet === true }));
    });
}

function addDoctor(program: Command, commands: Commands, done: (status: number) => void): void {
  program
    .command("doctor")
    .summary("check that everything is there")
    .description("Checks everything that a run needs, and says what to do about what is missing. Ends with 0 or 1.")
    .option("--json", "print the result as JSON")
    .option("--windows-dir <DIR>", "check this folder of Windows DLLs")
    .option("--no-color", "print without colour")
    .addHelpText(
      "after",
      `
Examples:
  rundown doctor
  rundown doctor --json | jq .ok`,
    )
    .action(async (options: { json?: boolean; color: boolean; windowsDir?: string }) => {
      done(await commands.doctor({ ...options, json: options.json === true }));
    });
}

function addDemo(program: Command, commands: Commands, done: (status: number) => void): void {
  program
    .command("demo")
    .summary("run a few of the samples, with a word on each")
    .description("Runs a few small programs that come with the package. Needs no download.")
    .option("--no-color", "print without colour")
    .addHelpText(
      "after",
      `
Example:
  rundown demo`,
    )
    .action(async (options: { color: boolean }) => {
      done(await commands.demo(options));
    });
}

function addScenarios(program: Command, commands: Commands, done: (status: number) => void): void {
  program
    .command("scenarios")
    .summary("list what the original kernel gets wrong, and can be shown")
    .description(
      "Lists the scenarios: each shows one defect of the kernel's original, which its erratum switches on. They need no program.",
    )
    .option("--json", "print them as JSON")
    .option("--no-color", "print without colour")
    .addHelpText(
      "after",
      `
Examples:
  rundown scenarios
  rundown run d02-kill-lost-by-suspended-killer                 the same threads in the same order, done right
  rundown run --errata D02 d02-kill-lost-by-suspended-killer    with the defect`,
    )
    .action(async (options: { json?: boolean; color: boolean }) => {
      done(await commands.scenarios({ json: options.json === true, color: options.color }));
    });
}

function addDefects(program: Command, commands: Commands, done: (status: number) => void): void {
  program
    .command("defects")
    .summary("run every scenario with its erratum and without")
    .description(
      "Runs scenarios twice: with the erratum on the violation must be there, without it nothing may be wrong. Ends with 0 or 1.",
    )
    .argument("[ids...]", "defects (D02) or scenarios to run; all by default")
    .option("--json", "print the result as JSON")
    .option("--no-color", "print without colour")
    .addHelpText(
      "after",
      `
Examples:
  rundown defects
  rundown defects D02 D04
  rundown defects --json | jq .ok`,
    )
    .action(async (ids: string[], options: { json?: boolean; color: boolean }) => {
      done(await commands.defects({ ids, json: options.json === true, color: options.color }));
    });
}
