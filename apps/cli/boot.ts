/**
 * Makes the machine that a command line asks for, and starts the program on it. Loaded, and the kernel and the
 * processor with it, only when the program has been looked at and may run.
 */
import { readFileSync } from "node:fs";
import {
  createBuiltinEnvironment,
  createNativeEnvironment,
  createWin32Environment,
  type Environment,
  type EnvironmentResult,
} from "../../src/guest/environment.ts";
import type { WasmModule } from "../../src/cpu/webassembly.ts";
import type { HostDirectory } from "../../src/io/hostdirectory.ts";
import { createMachine } from "../../src/machine/machine.ts";
import type { MachineLimits, MachineMount, MachineOptions, ProcessorOptions } from "../../src/machine/options.ts";
import { allServices } from "../../src/machine/services.ts";
import type { GuestStreams, RunningMachine } from "./command-run.ts";
import { ExitStatus } from "./exitstatus.ts";
import { CliFailure } from "./failure.ts";
import { guestEnvironment } from "./guestenvironment.ts";
import { usedParts } from "./parts.ts";
import { loadProcessor, reloadOptimised } from "./processor.ts";
import { notRunnable, type Program } from "./program.ts";
import { kernelDebugger, requireTerminal } from "./kerneldebugger.ts";
import { errorCode } from "./output.ts";
import type { RunOptions } from "./runoptions.ts";
import { cacheRoot } from "./setup-directory.ts";
import type { Environment as HostEnvironment } from "./setup-process.ts";
import { chooseUserMode, type WindowsFiles } from "./usermode.ts";
import type { MountSpec } from "./values.ts";

export async function boot(
  options: RunOptions,
  program: Program,
  streams: GuestStreams,
  hostEnvironment: HostEnvironment,
): Promise<RunningMachine> {
  const userMode = await chooseUserMode(options, program, hostEnvironment);
  const environment = makeEnvironment(userMode);
  const mounts = await mountsOf(options.mounts);
  const machine = createMachine({
    ...machineOptions(options, streams),
    environment,
    mounts,
    processor: makeProcessor(options.processor, cacheRoot(hostEnvironment)),
    get stdin() {
      return streams.stdin();
    },
  });
  const started = machine.start({
    name: program.name,
    bytes: program.bytes,
    arguments: options.arguments,
    environment: guestEnvironment(options.variables, options.processors),
    ...(options.currentDirectory === null ? {} : { currentDirectory: guestDirectory(options.currentDirectory) }),
  });
  if (!started.ok) throw notRunnable(program.path, started.reason);
  return machine;
}

function machineOptions(
  options: RunOptions,
  streams: GuestStreams,
): Omit<MachineOptions, "environment" | "processor" | "stdin"> {
  return {
    processors: options.processors,
    ...(options.memoryMiB === null ? {} : { memoryBytes: options.memoryMiB * 2 ** 20 }),
    limits: limitsOf(options),
    errata: options.errata,
    ...debuggerOf(options.kernelDebugger, streams.say),
    stdout: streams.stdout,
    stderr: streams.stderr,
    record: streams.record,
    ...(streams.trace === null ? {} : { trace: streams.trace }),
    ...(streams.observe === null ? {} : { observe: streams.observe }),
  };
}

function debuggerOf(
  kind: RunOptions["kernelDebugger"],
  say: GuestStreams["say"],
): Pick<MachineOptions, "kernelDebugger"> {
  if (kind === null) return {};
  if (kind === "ask") requireTerminal();
  return { kernelDebugger: kernelDebugger(kind, say) };
}

function makeEnvironment(userMode: "builtin" | WindowsFiles): Environment {
  usedParts.add(userMode === "builtin" ? "builtin" : "win32");
  const made = userMode === "builtin" ? makeBuiltinEnvironment() : createWin32Environment(userMode.files, userMode.nls);
  if (made.ok) return made.value;
  throw new CliFailure(ExitStatus.OwnFailure, `the Windows DLLs cannot be used: ${made.reason}`);
}

/** The build leaves the library beside the bundle. Where it did not, the library is made now. */
function makeBuiltinEnvironment(): EnvironmentResult {
  const kept = readBesideBundle("ntdll.bin");
  const made = kept === null ? null : createNativeEnvironment(kept);
  return made?.ok === true ? made : createBuiltinEnvironment(allServices(noGuestYet));
}

function readBesideBundle(name: string): Uint8Array | null {
  try {
    return readFileSync(new URL(name, import.meta.url));
  } catch {
    return null;
  }
}

/** Only the names of the services are wanted; none is called. */
function noGuestYet(): never {
  throw new Error("a service was called while the environment was made");
}

/** With backslashes, and one at the end, as NT keeps the current directory. */
function guestDirectory(path: string): string {
  const directory = path.replaceAll("/", "\\");
  return directory.endsWith("\\") ? directory : `${directory}\\`;
}

/** A short run is over before compiled code pays, so `auto` begins with the interpreter and goes on from there. */
function makeProcessor(processor: RunOptions["processor"], cacheDirectory: string): ProcessorOptions {
  if (processor === "interpreter") {
    return { module: loadProcessor({ optimise: "everything", cacheDirectory }), mode: "interpreter" };
  }
  const module = loadProcessor({ optimise: "nothing", cacheDirectory });
  const jitModule = (): WasmModule => reloadOptimised(cacheDirectory);
  return { module, mode: processor === "auto" ? "tiered" : "jit", jitModule };
}

function limitsOf(options: RunOptions): MachineLimits {
  const limits: { -readonly [name in keyof MachineLimits]: MachineLimits[name] } = {};
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
async function mountsOf(mounts: readonly MountSpec[]): Promise<MachineMount[]> {
  if (mounts.length === 0) return [];
  const { openHostDirectory } = await import("./host-files.ts");
  const open = (path: string, readOnly: boolean): HostDirectory => {
    try {
      return openHostDirectory(path, { readOnly });
    } catch (error) {
      const reason = errorCode(error) ?? (error instanceof Error ? error.message : String(error));
      throw new CliFailure(ExitStatus.OwnFailure, `cannot mount ${path}: ${reason}`);
    }
  };
  return mounts.map(({ host, guest, readOnly }) => ({ guest, readOnly, host: open(host, readOnly) }));
}
