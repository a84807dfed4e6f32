/**
 * Makes the machine that a command line asks for, and starts the program on it. Loaded, and the kernel and the
 * processor with it, only when the program has been looked at and may run.
 */
import { createMachine } from "../../src/machine/index.ts";
import type { GuestStreams, RunningMachine } from "./command-run.ts";
import { guestEnvironment } from "./guestenvironment.ts";
import { loadProcessor } from "./processor.ts";
import { notRunnable, type Program } from "./program.ts";
import type { RunOptions } from "./runoptions.ts";
import type { Environment } from "./setup-process.ts";
import { chooseUserMode } from "./usermode.ts";
import type { MountSpec } from "./values.ts";

export async function boot(
  options: RunOptions,
  program: Program,
  streams: GuestStreams,
  environment: Environment,
): Promise<RunningMachine> {
  const userMode = await chooseUserMode(options, program, environment);
  const machine = createMachine({
    processor: { module: await loadProcessor(environment), mode: processorMode(options.processor) },
    environment: userMode,
    processors: options.processors,
    seed: options.seed,
    errata: options.errata,
    ...(options.memoryMiB === null ? {} : { memoryBytes: options.memoryMiB << 20 }),
    limits: limitsOf(options),
    mounts: await mountsOf(options.mounts),
    stdin: streams.stdin,
    stdout: streams.stdout,
    stderr: streams.stderr,
    record: streams.record,
    ...(streams.trace === null ? {} : { trace: streams.trace }),
  });
  const started = machine.start({
    name: program.name,
    bytes: program.bytes,
    arguments: options.arguments,
    environment: guestEnvironment(options.variables, options.processors),
    ...(options.currentDirectory === null ? {} : { currentDirectory: options.currentDirectory }),
  });
  if (!started.ok) throw notRunnable(program.path, started.reason);
  return machine;
}

/** A short run is over before compiled code pays, so `auto` begins with the interpreter and goes on from there. */
function processorMode(processor: RunOptions["processor"]): "interpreter" | "jit" | "tiered" {
  return processor === "auto" ? "tiered" : processor;
}

interface Limits {
  instructions?: number;
  virtualTime100ns?: number;
  threads?: number;
  processes?: number;
  outputBytes?: number;
}

function limitsOf(options: RunOptions): Limits {
  const limits: Limits = {};
  if (options.maximumInstructions !== null) limits.instructions = options.maximumInstructions;
  if (options.virtualTimeoutMilliseconds !== null) {
    limits.virtualTime100ns = Math.ceil(options.virtualTimeoutMilliseconds * 10_000);
  }
  if (options.maximumThreads !== null) limits.threads = options.maximumThreads;
  if (options.maximumProcesses !== null) limits.processes = options.maximumProcesses;
  if (options.maximumOutputBytes !== null) limits.outputBytes = options.maximumOutputBytes;
  return limits;
}

/** What reads and writes the host's files is loaded only for runs that mount any. */
async function mountsOf(mounts: readonly MountSpec[]) {
  if (mounts.length === 0) return [];
  const { openHostDirectory } = await import("./host-files.ts");
  return mounts.map(({ host, guest, readOnly }) => ({ guest, readOnly, host: openHostDirectory(host, { readOnly }) }));
}
