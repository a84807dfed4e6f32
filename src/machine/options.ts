/** What a machine is made of, and what it runs. Every input of a run is here: there is no other. */
import type { Cpu } from "../cpu/cpu.ts";
import type { WasmModule } from "../cpu/webassembly.ts";
import type { Environment } from "../guest/environment.ts";
import type { HostDirectory } from "../io/hostdirectory.ts";
import type { KdState } from "../ke/state.ts";
import type { Kernel } from "../kernel.ts";
import type { RecordSink } from "../sim/state.ts";

export interface ProcessorOptions {
  /** The compiled processor, as `patchProcessor` makes it. */
  readonly module: WasmModule;
  /** `tiered` interprets first and compiles hot code of programs that run long. */
  readonly mode: "interpreter" | "jit" | "tiered";
  /** In mode `tiered` or `jit`: the module to go on with when compilation begins, compiled for a long run. */
  readonly jitModule?: () => WasmModule;
  /**
   * Remembers what guests computed, so that machines which use the processor again need not: for those who run one program
   * many times. No run shows the difference.
   */
  readonly remember?: boolean;
}

export interface MachineLimits {
  readonly instructions?: number;
  readonly virtualTime100ns?: number;
  readonly threads?: number;
  readonly processes?: number;
  readonly handles?: number;
  readonly outputBytes?: number;
}

export interface MachineMount {
  /** Directory of the guest, `D:\data`; a drive letter alone mounts a whole drive. */
  readonly guest: string;
  readonly host: HostDirectory;
  readonly readOnly: boolean;
}

export interface MachineOptions {
  /** Null: scripted programs only. An existing processor is reset and used again. */
  readonly processor: ProcessorOptions | Cpu | null;
  /** Made once for any number of machines. Null: scripted programs only. */
  readonly environment: Environment | null;
  /** Virtual processors, 1 to 32; 1 by default. */
  readonly processors?: number;
  readonly memoryBytes?: number;
  /** Nanoseconds of virtual time that a thread may run before an equal goes first. */
  readonly quantumNs?: number;
  readonly errata?: readonly string[];
  readonly limits?: MachineLimits;
  readonly mounts?: readonly MachineMount[];
  readonly stdin?: Uint8Array;
  readonly stdout?: (bytes: Uint8Array) => void;
  readonly stderr?: (bytes: Uint8Array) => void;
  /** Events of life and death. */
  readonly record?: RecordSink;
  /** All events. */
  readonly trace?: RecordSink;
  /** Called once, when the kernel has booted and nothing has run on it: `watchKernel` would check it from there on. */
  readonly observe?: (k: Kernel) => void;
  readonly kernelDebugger?: Partial<KdState>;
}

export interface ProgramOptions {
  /** File name, `hello.exe`. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly arguments?: readonly string[];
  readonly environment?: ReadonlyMap<string, string>;
  /** `C:\app\` by default. */
  readonly currentDirectory?: string;
}
