/**
 * Rundown: an NT kernel that you can import. Boot a machine, start a program or a script, run it, and ask how everything
 * in it ended.
 */
export { createMachine } from "./machine/machine.ts";
export type { Machine, MachineStatistics, RunSlice, StartResult } from "./machine/machine.ts";
export type {
  MachineLimits,
  MachineMount,
  MachineOptions,
  ProcessorOptions,
  ProgramOptions,
} from "./machine/options.ts";
export * as ntoskrnl from "./machine/ntoskrnl.ts";
export type { Driver, DriverObject } from "./io/driver.ts";
export type { Kernel } from "./kernel.ts";
export type { Blocking } from "./sim/blocking.ts";
export { allServices } from "./machine/services.ts";
export { createBuiltinEnvironment, createWin32Environment } from "./guest/environment.ts";
export type { Environment, EnvironmentResult } from "./guest/environment.ts";
export { nt } from "./guest/script/services.ts";
export type {
  ScriptControl,
  ScriptFileServices,
  ScriptIoOptions,
  ScriptOpenOptions,
} from "./guest/script/fileservices.ts";
export type { ScriptChild, ScriptInformation, ScriptServices, ScriptThreadOptions } from "./guest/script/services.ts";
export type { Script, ScriptApc, ScriptProgram } from "./guest/script/context.ts";
export { EXPECTED_SHA256, patchProcessor } from "./cpu/patch.ts";
export { createCpu } from "./cpu/cpu.ts";
export type { Cpu, CpuOptions } from "./cpu/cpu.ts";
export type { HostDirectory, HostEntry, HostOutcome } from "./io/hostdirectory.ts";
export type { LeakEntry, MachineEnd, MachineOutcome, WaitGraph } from "./abi/report.ts";
export { ReportBuilder } from "./report/builder.ts";
export type { Report } from "./report/report.ts";
export type { KernelEvent } from "./sim/record.ts";
export * from "./abi/status.ts";
