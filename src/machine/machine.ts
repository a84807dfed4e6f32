/**
 * A machine: a kernel joined with a processor and a user-mode environment. It runs a first program and everything that
 * this program starts, until nothing is left to run.
 */
import { NT_ERROR, type NtResult, type NtStatus, STATUS_PENDING, success } from "../abi/status.ts";
import type { LeakEntry, MachineEnd, WaitGraph } from "../abi/report.ts";
import { type Cpu, createCpu } from "../cpu/cpu.ts";
import { WORTH_REMEMBERING } from "../cpu/memo.ts";
import { createInitialThread, createUserProcess, writeParameters } from "../guest/bringup.ts";
import type { Environment } from "../guest/environment.ts";
import { createImageSection, type Library, loadLibrary } from "../guest/library.ts";
import { joinCommandLine } from "../guest/parameters.ts";
import { createScriptProcess, createScriptThread } from "../guest/script/services.ts";
import type { ScriptProgram } from "../guest/script/context.ts";
import { SYSTEM_CALL_STUB } from "../guest/x86/stubs.ts";
import type { X86Guest } from "../guest/x86/threads.ts";
import { type Driver, type DriverObject, startDriver, startUnload } from "../io/driver.ts";
import { END_OF_TIME_NS, KiRun } from "../ke/run.ts";
import { KeQueryInterruptTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { hasCrossThreadFlag } from "../ps/flags.ts";
import { CT_SYSTEM_THREAD } from "../abi/ps.ts";
import { type EProcess, EThread } from "../ps/objects.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import { connectStreams, fillDrives, PROGRAM_DIRECTORY } from "./drives.ts";
import { openStandardHandles } from "./handles.ts";
import { bootKernel, type BootedKernel } from "./kernel.ts";
import { machineLedger } from "./ledger.ts";
import type { MachineOptions, ProcessorOptions, ProgramOptions } from "./options.ts";
import { allServices } from "./services.ts";
import { buildWaitGraph } from "./waitgraph.ts";

export type StartResult =
  { readonly ok: true } | { readonly ok: false; readonly status: number; readonly reason: string };

export interface MachineStatistics {
  readonly instructions: number;
  readonly systemCalls: number;
  readonly virtualTime100ns: number;
  readonly contextSwitches: number;
}

export interface RunSlice {
  /** Turns of the scheduler before it comes back. */
  readonly turns: number;
  /** Asked after each turn; true brings it back at once. */
  readonly stop: () => boolean;
}

export interface Machine {
  readonly kernel: Kernel;
  /** Starts a program file. Call it once. */
  start(program: ProgramOptions): StartResult;
  /** Starts a scripted program. Call it once. */
  startScript(name: string, program: ScriptProgram): StartResult;
  /**
   * Loads a driver: the machine's next run begins with its `load`, in a worker thread that goes before every program.
   * @returns its object, whose `status` is PENDING until then; null if there is a driver of that name
   */
  loadDriver(driver: Driver): DriverObject | null;
  /** Has the machine's next run unload a driver. @returns why not, or SUCCESS */
  unloadDriver(driver: DriverObject): NtStatus;
  /** Runs on. @returns null if there is more to run */
  run(slice: RunSlice): MachineEnd | null;
  /** Ends the run from outside. */
  stop(detail: string): MachineEnd;
  readonly statistics: MachineStatistics;
  ledger(): readonly LeakEntry[];
  waitGraph(): WaitGraph;
  notImplemented(): readonly string[];
  /** The x86 processor, for another machine to use; null in a scripted one. */
  readonly cpu: Cpu | null;
}

/** Untouched memory costs the host nothing. */
const DEFAULT_MEMORY_BYTES = 256 << 20;

export function createMachine(options: MachineOptions): Machine {
  return new MachineImplementation(options);
}

class MachineImplementation implements Machine {
  readonly kernel: Kernel;
  readonly cpu: Cpu | null;
  readonly #options: MachineOptions;
  readonly #call: BootedKernel["call"];
  readonly #guest: X86Guest | null;
  #root: EProcess | null = null;
  /** Whether the reference on the first process has been dropped. */
  #letGo = false;

  constructor(options: MachineOptions) {
    this.#options = options;
    this.cpu = takeProcessor(options);
    const { kernel, call } = bootKernel({
      sim: { errata: options.errata ?? [], record: options.record, trace: options.trace },
      ke: {
        processors: options.processors ?? 1,
        ...(options.quantumNs === undefined ? {} : { quantumNs: options.quantumNs }),
        ...(options.kernelDebugger === undefined ? {} : { kernelDebugger: options.kernelDebugger }),
      },
      ex: { limits: quotaLimits(options) },
      io: options.limits?.outputBytes === undefined ? {} : { outputBytes: options.limits.outputBytes },
      ram: this.cpu?.ram ?? null,
    });
    this.kernel = kernel;
    this.#call = call;
    const { environment, observe } = options;
    observe?.(kernel);
    this.#guest = this.cpu === null || environment === null ? null : connectGuest(kernel, this.cpu, environment);
  }

  start(program: ProgramOptions): StartResult {
    assert(this.#root === null, "a machine starts one program");
    const guest = this.#guest;
    if (guest === null) return { ok: false, status: 0, reason: "this machine has no processor or no environment" };
    const library = loadLibrary(program.name.toLowerCase(), program.bytes);
    if (!library.ok) return library;
    connectStreams(this.kernel, this.#options);
    fillDrives(this.kernel, guest.environment, program, this.#options.mounts ?? []);
    const created = this.#call((k) => startProgram(k, guest, library.value, program));
    if (!created.ok) return { ...created, reason: refusal(created.status) };
    this.#root = created.value;
    return { ok: true };
  }

  startScript(name: string, program: ScriptProgram): StartResult {
    assert(this.#root === null, "a machine starts one program");
    const created = this.#call((k) => startScript(k, name, program));
    if (!created.ok) return { ...created, reason: refusal(created.status) };
    this.#root = created.value;
    return { ok: true };
  }

  loadDriver(driver: Driver): DriverObject | null {
    const started = startDriver(this.kernel, driver);
    return started.ok ? started.value : null;
  }

  unloadDriver(driver: DriverObject): NtStatus {
    return startUnload(this.kernel, driver);
  }

  run(slice: RunSlice): MachineEnd | null {
    const { limits } = this.#options;
    const instructionLimit = limits?.instructions ?? Infinity;
    const untilNs = (limits?.virtualTime100ns ?? Infinity) * 100;
    const { cpu } = this;
    const overLimit = (): boolean => cpu !== null && cpu.instructions >= instructionLimit;
    const end = KiRun(this.kernel, { turns: slice.turns, untilNs, stop: () => overLimit() || slice.stop() });
    switch (end) {
      case "bugcheck":
        return this.#end("bugcheck", bugCheckInWords(this.kernel));
      case "idle":
        return this.#quiescent();
      case "time":
        return this.stop(`virtual time limit of ${String(Math.min(untilNs, END_OF_TIME_NS) / 1e9)} s`);
      case "turns":
        return overLimit() ? this.stop(`instruction limit of ${String(instructionLimit)}`) : null;
    }
  }

  stop(detail: string): MachineEnd {
    return this.#end("limit", detail);
  }

  /** Nothing can run any more: either everybody has ended, or somebody waits for ever. */
  #quiescent(): MachineEnd {
    if (this.kernel.ke.halted) return this.#end("exited", "the machine was shut down");
    for (const thread of this.kernel.ke.liveThreads) {
      const stuck = thread instanceof EThread && !hasCrossThreadFlag(thread, CT_SYSTEM_THREAD);
      if (stuck) return this.#end("deadlock", "nothing can run any more");
    }
    const root = this.#root;
    const crashed = root !== null && this.kernel.ps.crashed.has(root.pid) && NT_ERROR(root.exitStatus);
    return this.#end(crashed ? "crashed" : "exited", "");
  }

  #end(outcome: MachineEnd["outcome"], detail: string): MachineEnd {
    const status = this.#root?.exitStatus ?? STATUS_PENDING;
    const ended = this.#root !== null && this.#root.signalState !== 0;
    return { outcome, exitStatus: ended ? status : 0, detail };
  }

  get statistics(): MachineStatistics {
    const k = this.kernel;
    return {
      instructions: this.cpu?.instructions ?? 0,
      systemCalls: k.nt.systemCalls,
      virtualTime100ns: KeQueryInterruptTime(k),
      contextSwitches: k.ke.contextSwitches,
    };
  }

  ledger(): readonly LeakEntry[] {
    // The machine itself holds the first process to learn its exit status: that is no leak.
    const root = this.#root;
    if (root !== null && !this.#letGo) this.#call((k) => ObDereferenceObject(k, root));
    this.#letGo = true;
    return machineLedger(this.kernel);
  }

  waitGraph(): WaitGraph {
    return buildWaitGraph(this.kernel);
  }

  notImplemented(): readonly string[] {
    return [...this.kernel.nt.notImplemented];
  }
}

/** With what a driver threw, which no report would show otherwise. */
function bugCheckInWords(k: Kernel): string {
  const { bugCheck } = k.ke;
  const code = `bugcheck 0x${(bugCheck?.code ?? 0).toString(16)}`;
  const cause = bugCheck?.cause;
  if (cause === undefined) return code;
  return `${code}: a driver failed: ${cause instanceof Error ? cause.message : "it threw no error"}`;
}

function isProcessorOptions(processor: ProcessorOptions | Cpu): processor is ProcessorOptions {
  return "module" in processor;
}

function takeProcessor(options: MachineOptions): Cpu | null {
  const { processor } = options;
  if (processor === null) return null;
  if (!isProcessorOptions(processor)) {
    processor.reset();
    return processor;
  }
  const { module, mode, jitModule, remember } = processor;
  return createCpu(module, {
    ramBytes: options.memoryBytes ?? DEFAULT_MEMORY_BYTES,
    mode: mode === "interpreter" ? "interpreter" : "jit",
    ...(mode === "jit" ? { jitAfter: 0 } : {}),
    ...(jitModule === undefined ? {} : { jitModule }),
    ...(remember === true ? { remember: WORTH_REMEMBERING } : {}),
  });
}

function quotaLimits(options: MachineOptions): Record<string, number> {
  const limits: Record<string, number> = {};
  const { threads, processes, handles } = options.limits ?? {};
  if (threads !== undefined) limits["threads"] = threads;
  if (processes !== undefined) limits["processes"] = processes;
  if (handles !== undefined) limits["handles"] = handles;
  return limits;
}

/** Joins the processor, the environment and the system services. */
function connectGuest(k: Kernel, cpu: Cpu, environment: Environment): X86Guest {
  const services = allServices(() => guest);
  const byName = new Map(services.map((service) => [service.name, service]));
  const table = Array.from(environment.serviceNames, (name) =>
    name === undefined ? null : (byName.get(name) ?? null),
  );
  const machine = {
    cpu,
    loaded: null,
    services: table,
    argumentOffset: environment.argumentOffset,
    entry: environment.entry,
    imports: new Map(),
  };
  const guest: X86Guest = {
    machine,
    environment,
    systemCallStub: environment.kind === "win32" ? SYSTEM_CALL_STUB : 0,
  };
  k.nt.parseImage = (bytes) => {
    const library = loadLibrary("", bytes);
    return library.ok ? success(library.value.shared) : library;
  };
  k.dbgk.systemDllBase = environment.ntdll.pe.base;
  k.nt.nameOf = (number) => environment.serviceNames[number] ?? `system call 0x${number.toString(16)}`;
  return guest;
}

function* startProgram(
  k: Kernel,
  guest: X86Guest,
  library: Library,
  program: ProgramOptions,
): Blocking<NtResult<EProcess>> {
  const imagePath = PROGRAM_DIRECTORY + program.name;
  const section = createImageSection(k, library, `\\??\\${imagePath}`);
  if (!section.ok) return section;
  const created = yield* createUserProcess(k, guest, {
    parent: null,
    inheritHandles: false,
    breakaway: false,
    jobs: [],
    library,
    section: section.value,
    imagePath,
    parameters: (kernel, process) => firstParameters(kernel, process, program),
  });
  yield* ObDereferenceObject(k, section.value);
  if (!created.ok) return created;
  const thread = yield* createInitialThread(k, guest, created.value, library, {});
  if (!thread.ok) {
    yield* ObDereferenceObject(k, created.value);
    return thread;
  }
  yield* ObDereferenceObject(k, thread.value.thread);
  return created;
}

function* firstParameters(k: Kernel, process: EProcess, program: ProgramOptions): Blocking<NtResult<number>> {
  const handles = yield* openStandardHandles(k, process);
  if (!handles.ok) return handles;
  return writeParameters(k, process, {
    imagePath: PROGRAM_DIRECTORY + program.name,
    commandLine: joinCommandLine(program.name, program.arguments ?? []),
    currentDirectory: program.currentDirectory ?? PROGRAM_DIRECTORY,
    environment: program.environment ?? new Map(),
    handles: handles.value,
  });
}

function* startScript(k: Kernel, name: string, program: ScriptProgram): Blocking<NtResult<EProcess>> {
  const created = yield* createScriptProcess(k, name, { parent: null });
  if (!created.ok) return created;
  const thread = yield* createScriptThread(k, created.value, program, {});
  if (thread.ok) yield* ObDereferenceObject(k, thread.value.thread);
  else yield* ObDereferenceObject(k, created.value);
  return thread.ok ? created : thread;
}

function refusal(status: NtStatus): string {
  return `the kernel could not start it (status 0x${status.toString(16).padStart(8, "0")})`;
}
