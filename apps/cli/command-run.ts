/**
 * `rundown run`: starts a program on a machine of its own, passes its output on, and tells how it ended.
 *
 * Invariants: standard output carries what the guest wrote and nothing else (with `--json -`, the report and nothing
 * else); all our text goes to standard error. Whatever happens, output of the guest that was made is written first.
 */
import type { LeakEntry, MachineEnd, WaitGraph } from "../../src/abi/report.ts";
import type { Kernel } from "../../src/kernel.ts";
import { ReportBuilder } from "../../src/report/builder.ts";
import { traceHeader, traceSink } from "../../src/report/jsonl.ts";
import type { Report } from "../../src/report/report.ts";
import { reportText } from "../../src/report/text.ts";
import type { RecordSink } from "../../src/sim/state.ts";
import { drive, type DriveEnd, type Runnable } from "./drive.ts";
import { ExitStatus, statusOfEnd } from "./exitstatus.ts";
import { lazily, readStandardInput } from "./input.ts";
import { Interruption, type SignalSource } from "./interruption.ts";
import { GuestOutput, type Output } from "./output.ts";
import { namesScenario, type Program, readProgram } from "./program.ts";
import { openReport, TextFile } from "./reportfiles.ts";
import type { RunOptions } from "./runoptions.ts";
import type { Environment } from "./setup-process.ts";
import type { ScenarioProgram } from "./scenarios.ts";
import { terminalWidth, wantsColor } from "./terminal.ts";

/** The part of a machine that a run uses. */
export interface RunningMachine extends Runnable {
  readonly statistics: {
    readonly instructions: number;
    readonly systemCalls: number;
    readonly virtualTime100ns: number;
    readonly contextSwitches: number;
  };
  ledger(): readonly LeakEntry[];
  waitGraph(): WaitGraph;
  notImplemented(): readonly string[];
  /** What a scenario shows to be wrong, or null; absent for programs. */
  verdict?(): string | null;
}

/** What the machine is connected to. */
export interface GuestStreams {
  readonly stdin: () => Uint8Array;
  readonly stdout: (bytes: Uint8Array) => void;
  readonly stderr: (bytes: Uint8Array) => void;
  readonly record: RecordSink;
  /** Takes the fine-grained events; null if nobody wants them. */
  readonly trace: RecordSink | null;
  /** Says something of ours in the middle of the run, behind what the guest has written so far. */
  readonly say: (text: string) => void;
  /** Called when the kernel has booted; null if nobody wants to look on. */
  readonly observe: ((k: Kernel) => void) | null;
}

/** Everything outside of us that a run touches, so that tests can stand in for it. */
export interface RunHost {
  readonly environment: Environment;
  readonly signals: SignalSource;
  readonly quit: (status: number) => void;
  readonly clock: () => number;
  readonly pause: () => Promise<void>;
  readonly readInput: () => Uint8Array;
  /** Makes a machine with the program started on it. Throws a {@link CliFailure} if that cannot be. */
  readonly boot: (options: RunOptions, program: Program, streams: GuestStreams) => Promise<RunningMachine>;
  /** What `--check` has look on. */
  readonly loadCheck: () => Promise<(k: Kernel) => void>;
  /** The scenario that takes the place of a program; null if none of that name is known. */
  readonly findScenario: (options: RunOptions) => Promise<ScenarioProgram | null>;
}

export interface Streams {
  readonly out: Output;
  readonly err: Output;
}

export async function run(options: RunOptions, streams: Streams, host: RunHost = nodeHost()): Promise<number> {
  const began = host.clock();
  const asked = namesScenario(options.program) || options.errata.length > 0;
  const scenario = asked ? await host.findScenario(options) : null;
  const program = scenario?.program ?? readProgram(options.program);
  const json = openReport(options.json, streams.out);
  const trace = options.trace === null ? null : new TextFile(options.trace);
  const guest = new GuestOutput(options.json === "-" ? streams.err : streams.out, streams.err);
  const interruption = new Interruption(host.signals, host.quit);
  const builder = new ReportBuilder();
  let driven: DriveEnd;
  let machine: RunningMachine;
  try {
    const input = lazily(() => interruption.whileDeaf(host.readInput));
    const sinks = recordSinks(builder, trace, program.name);
    const observe = options.check ? await host.loadCheck() : null;
    const say = (text: string): void => {
      guest.flush();
      streams.err.text(text);
    };
    const connections = { stdin: input, stdout: guest.stdout, stderr: guest.stderr, say, ...sinks, observe };
    machine = scenario?.boot(connections) ?? (await host.boot(options, program, connections));
    driven = await driveToEnd(machine, options, host, interruption, guest);
  } finally {
    interruption.ignore();
    guest.flush();
    trace?.close();
  }
  const report = makeReport(builder, machine, driven.end, program, options);
  json?.write(`${JSON.stringify(report, null, 2)}\n`);
  json?.close();
  if (!options.quiet) printReport(report, options, streams, guest, host, host.clock() - began);
  return exitStatusOf(driven, report, options, interruption);
}

function recordSinks(
  builder: ReportBuilder,
  trace: TextFile | null,
  program: string,
): Pick<GuestStreams, "record" | "trace"> {
  if (trace === null) return { record: builder.sink, trace: null };
  trace.write(traceHeader(program));
  const line = traceSink(trace.write);
  return {
    record: (event) => {
      builder.sink(event);
      line(event);
    },
    trace: line,
  };
}

function driveToEnd(
  machine: RunningMachine,
  options: RunOptions,
  host: RunHost,
  interruption: Interruption,
  guest: GuestOutput,
): Promise<DriveEnd> {
  return drive(machine, {
    timeoutMilliseconds: options.timeoutMilliseconds,
    interruption,
    clock: host.clock,
    pause: host.pause,
    afterSlice: () => {
      guest.flush();
      return guest.nobodyReads;
    },
  });
}

function makeReport(
  builder: ReportBuilder,
  machine: RunningMachine,
  end: MachineEnd,
  program: Program,
  options: RunOptions,
): Report {
  // What is alive when a run is cut off is no leak.
  const over = end.outcome === "exited" || end.outcome === "crashed";
  const { instructions, systemCalls, virtualTime100ns, contextSwitches } = machine.statistics;
  return builder.finish({
    program: program.name,
    arguments: options.arguments,
    end,
    statistics: { instructions, systemCalls, virtualTime100ns, contextSwitches },
    replay: null,
    notImplemented: machine.notImplemented(),
    leaks: over ? machine.ledger() : [],
    waitGraph: end.outcome === "deadlock" ? machine.waitGraph() : null,
    errata: options.errata,
    ...(machine.verdict === undefined ? {} : { violation: machine.verdict() }),
  });
}

function printReport(
  report: Report,
  options: RunOptions,
  { out, err }: Streams,
  guest: GuestOutput,
  host: RunHost,
  hostMilliseconds: number,
): void {
  const color = painter(wantsColor(options.color, err.isTerminal, host.environment));
  const width = terminalWidth(err);
  // On a terminal, both kinds of output meet: an empty line tells them apart.
  const apart = guest.wrote && err.isTerminal ? (guest.lineOpen && out.isTerminal ? "\n\n" : "\n") : "";
  const layout = width === null ? {} : { width };
  err.text(apart + reportText(report, { color, hostMilliseconds, verbose: options.verbose, ...layout }));
}

const COLORS = { good: "32", bad: "31", warning: "33", name: "1", faint: "2", none: "0" } as const;

/** Escape sequences for a handful of styles, which is not worth the loading of a package. */
function painter(color: boolean): (style: keyof typeof COLORS, text: string) => string {
  return color ? (style, text) => `\u001b[${COLORS[style]}m${text}\u001b[0m` : (_style, text) => text;
}

function exitStatusOf(driven: DriveEnd, report: Report, options: RunOptions, interruption: Interruption): number {
  if (driven.stopped === "interrupted") return interruption.status ?? ExitStatus.Interrupted;
  if (driven.stopped === "nobody-reads") return ExitStatus.NobodyReads;
  if (report.violation !== undefined && report.violation !== null) return ExitStatus.ForbiddenFinding;
  const leaked = options.failOn.has("leak") && report.leaks.length > 0;
  const lacked = options.failOn.has("not-implemented") && report.notImplemented.length > 0;
  return statusOfEnd(driven.end, leaked || lacked);
}

/** Loading the module of `performance` would cost a short run more than it tells. */
function hostMilliseconds(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

function nodeHost(): RunHost {
  return {
    environment: process.env,
    signals: process,
    // The process ends here and now, whatever the machine is doing: that is what a second Ctrl-C is for.
    quit: (status) => process.exit(status),
    clock: hostMilliseconds,
    pause: () => new Promise((resolve) => setImmediate(resolve)),
    readInput: readStandardInput,
    boot: async (options, program, streams) => (await import("./boot.ts")).boot(options, program, streams, process.env),
    loadCheck: async () => (await import("./check.ts")).failOnViolation,
    findScenario: async (options) => (await import("./scenarios.ts")).findScenarioProgram(options),
  };
}
