/**
 * The options of `rundown run`, in one table: how each is written, what it means, and what it does. The help, the full
 * command-line parser and the fast one for plain command lines are all made from this table, so they cannot disagree.
 */
import { KERNEL_DEBUGGERS, type KernelDebugger } from "./kerneldebugger.ts";
import {
  type MountSpec,
  parseChoice,
  parseChoices,
  parseCount,
  parseDuration,
  parseErrata,
  parseMount,
  parseVariable,
  parseWhole,
} from "./values.ts";

export const FORBIDDEN_FINDINGS = ["leak", "not-implemented"] as const;
export type ForbiddenFinding = (typeof FORBIDDEN_FINDINGS)[number];
export const USER_MODES = ["auto", "win32", "builtin"] as const;
export const PROCESSORS = ["auto", "interpreter", "jit"] as const;

/** What a command line for `rundown run` asks for. Null is "not said". */
export interface RunOptions {
  program: string;
  arguments: readonly string[];
  json: string | null;
  trace: string | null;
  processors: number;
  memoryMiB: number | null;
  maximumInstructions: number | null;
  maximumThreads: number | null;
  maximumProcesses: number | null;
  maximumOutputBytes: number | null;
  timeoutMilliseconds: number | null;
  virtualTimeoutMilliseconds: number | null;
  readonly mounts: MountSpec[];
  readonly variables: (readonly [name: string, value: string])[];
  currentDirectory: string | null;
  windowsDirectory: string | undefined;
  userMode: (typeof USER_MODES)[number];
  processor: (typeof PROCESSORS)[number];
  kernelDebugger: KernelDebugger | null;
  readonly failOn: Set<ForbiddenFinding>;
  readonly errata: string[];
  check: boolean;
  setup: boolean;
  quiet: boolean;
  verbose: boolean;
  color: boolean;
}

export function defaultRunOptions(): RunOptions {
  return {
    program: "",
    arguments: [],
    json: null,
    trace: null,
    processors: 1,
    memoryMiB: null,
    maximumInstructions: null,
    maximumThreads: null,
    maximumProcesses: null,
    maximumOutputBytes: null,
    timeoutMilliseconds: null,
    virtualTimeoutMilliseconds: null,
    mounts: [],
    variables: [],
    currentDirectory: null,
    windowsDirectory: undefined,
    userMode: "auto",
    processor: "auto",
    kernelDebugger: null,
    failOn: new Set<ForbiddenFinding>(),
    errata: [],
    check: false,
    setup: true,
    quiet: false,
    verbose: false,
    color: true,
  };
}

export interface OptionSpec {
  readonly short?: string;
  /** With its dashes. */
  readonly long: string;
  /** Name of its value in the help; absent for a switch. */
  readonly value?: string;
  readonly help: string;
  /** Throws {@link UsageError} for a value that makes no sense. */
  readonly apply: (options: RunOptions, text: string) => void;
}

export const RUN_OPTIONS: readonly OptionSpec[] = [
  {
    long: "--json",
    value: "FILE",
    help: "write the report as JSON; - is standard output (the program's own then goes to standard error)",
    apply: (options, text) => (options.json = text),
  },
  {
    long: "--trace",
    value: "FILE",
    help: "write every event of the kernel as a line of JSON",
    apply: (options, text) => (options.trace = text),
  },
  {
    long: "--timeout",
    value: "DURATION",
    help: "stop after this much time on this machine: 10s, 500ms, 2m",
    apply: (options, text) => (options.timeoutMilliseconds = parseDuration(text)),
  },
  {
    long: "--virtual-timeout",
    value: "DURATION",
    help: "stop after this much of the program's own, virtual time",
    apply: (options, text) => (options.virtualTimeoutMilliseconds = parseDuration(text)),
  },
  {
    long: "--max-instructions",
    value: "N",
    help: "stop after this many instructions: 600k, 5M, 2G",
    apply: (options, text) => (options.maximumInstructions = parseCount(text)),
  },
  {
    long: "--max-threads",
    value: "N",
    help: "let no more threads be alive at once",
    apply: (options, text) => (options.maximumThreads = parseCount(text)),
  },
  {
    long: "--max-processes",
    value: "N",
    help: "let no more processes be alive at once",
    apply: (options, text) => (options.maximumProcesses = parseCount(text)),
  },
  {
    long: "--max-output",
    value: "BYTES",
    help: "stop after this much output: 64k, 10M",
    apply: (options, text) => (options.maximumOutputBytes = parseCount(text)),
  },
  {
    long: "--memory",
    value: "MIB",
    help: "physical memory of the machine, in MiB",
    apply: (options, text) => (options.memoryMiB = parseWhole(text, { least: 16, most: 2048 })),
  },
  {
    long: "--cpus",
    value: "N",
    help: "virtual processors (1)",
    apply: (options, text) => (options.processors = parseWhole(text, { least: 1, most: 32 })),
  },
  {
    long: "--mount",
    value: "HOST:GUEST[:ro]",
    help: "show a folder of this machine to the program: ./data:D: or ./src:C:\\src:ro",
    apply: (options, text) => void options.mounts.push(parseMount(text)),
  },
  {
    long: "--env",
    value: "NAME=VALUE",
    help: "set an environment variable of the program; it sees none of this machine's",
    apply: (options, text) => void options.variables.push(parseVariable(text)),
  },
  {
    long: "--cwd",
    value: "DIR",
    help: "current directory of the program, a folder that it sees: D:\\work",
    apply: (options, text) => (options.currentDirectory = text),
  },
  {
    long: "--windows-dir",
    value: "DIR",
    help: "folder with 32-bit Windows DLLs, instead of those of rundown setup",
    apply: (options, text) => (options.windowsDirectory = text),
  },
  {
    long: "--no-setup",
    help: "do not fetch missing Windows DLLs",
    apply: (options) => (options.setup = false),
  },
  {
    long: "--environment",
    value: "KIND",
    help: `user mode to run in: ${USER_MODES.join(", ")} (auto: builtin for programs that import only ntdll.dll)`,
    apply: (options, text) => (options.userMode = parseChoice(text, USER_MODES)),
  },
  {
    long: "--processor",
    value: "KIND",
    help: `how instructions are executed: ${PROCESSORS.join(", ")}`,
    apply: (options, text) => (options.processor = parseChoice(text, PROCESSORS)),
  },
  {
    long: "--fail-on",
    value: "WHAT",
    help: `end with 121 if the run shows it: ${FORBIDDEN_FINDINGS.join(", ")}`,
    apply: (options, text) => {
      for (const finding of parseChoices(text, FORBIDDEN_FINDINGS)) options.failOn.add(finding);
    },
  },
  {
    long: "--kernel-debugger",
    value: "WHO",
    help: `who answers when something dies that the machine needs: ${KERNEL_DEBUGGERS.join(", ")} (ask: you, here)`,
    apply: (options, text) => (options.kernelDebugger = parseChoice(text, KERNEL_DEBUGGERS)),
  },
  {
    long: "--errata",
    value: "IDS",
    help: "do what the original kernel gets wrong: D02 or D02,D16 (rundown scenarios lists them)",
    apply: (options, text) => void options.errata.push(...parseErrata(text)),
  },
  {
    long: "--check",
    help: "check the kernel's own rules after each of its steps, and end with 125 if one is broken",
    apply: (options) => (options.check = true),
  },
  {
    short: "-q",
    long: "--quiet",
    help: "print no report",
    apply: (options) => (options.quiet = true),
  },
  {
    short: "-v",
    long: "--verbose",
    help: "print all of the report: every thread, and when it went through each stage",
    apply: (options) => (options.verbose = true),
  },
  {
    long: "--no-color",
    help: "print without colour",
    apply: (options) => (options.color = false),
  },
];

/**
 * Reads the arguments after `run`, if they are plain: options as the table spells them, each value in the next argument
 * or after `=`, everything after `--` for the program. This spares an ordinary run the loading of the full parser.
 * @returns null if anything is unusual; the full parser then decides, and finds the words for what is wrong
 */
export function parsePlainRun(argv: readonly string[]): RunOptions | null {
  const options = defaultRunOptions();
  const operands: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index] ?? "";
    if (argument === "--") {
      operands.push(...argv.slice(index + 1));
      break;
    }
    if (!argument.startsWith("-") || argument === "-") {
      operands.push(argument);
      continue;
    }
    const taken = takeOption(options, argument, argv[index + 1]);
    if (taken === 0) return null;
    index += taken - 1;
  }
  const [program, ...rest] = operands;
  if (program === undefined) return null;
  options.program = program;
  options.arguments = rest;
  return options;
}

/** @returns how many arguments the option took up; 0 if it is not plain */
function takeOption(options: RunOptions, argument: string, next: string | undefined): number {
  const equals = argument.startsWith("--") ? argument.indexOf("=") : -1;
  const name = equals < 0 ? argument : argument.slice(0, equals);
  const spec = RUN_OPTIONS.find((option) => option.long === name || option.short === name);
  if (spec === undefined) return 0;
  if (spec.value === undefined) {
    if (equals >= 0) return 0;
    spec.apply(options, "");
    return 1;
  }
  const text = equals < 0 ? next : argument.slice(equals + 1);
  if (text === undefined || text === "" || (equals < 0 && text.startsWith("-") && text !== "-")) return 0;
  try {
    spec.apply(options, text);
  } catch {
    return 0;
  }
  return equals < 0 ? 2 : 1;
}
