/**
 * Scenes: scripted programs on a machine that is watched while it runs and audited when it is over. A scene that leaks,
 * breaks an invariant or does not end fails by itself, whatever its test looks at.
 */
import { expect } from "vitest";
import { KernelMode, WaitReason } from "../../src/abi/ke.ts";
import type { MachineEnd, MachineOutcome } from "../../src/abi/report.ts";
import type { NtResult } from "../../src/abi/status.ts";
import { ExMapHandleToPointer } from "../../src/ex/handle.ts";
import type { Violation } from "../../src/check/rule.ts";
import { watchKernel } from "../../src/check/watch.ts";
import type { Script, ScriptProgram } from "../../src/guest/script/context.ts";
import { nt, type ScriptChild, type ScriptThreadOptions } from "../../src/guest/script/services.ts";
import { KeInitializeEvent, KeSetEvent } from "../../src/ke/event.ts";
import type { DispatcherHeader, KEvent } from "../../src/ke/objects.ts";
import { KeDelayExecutionThread, waitInKernel } from "../../src/ke/wait.ts";
import type { Driver, DriverObject } from "../../src/io/driver.ts";
import type { Kernel } from "../../src/kernel.ts";
import { createMachine, type Machine } from "../../src/machine/machine.ts";
import type { MachineOptions } from "../../src/machine/options.ts";
import { EProcess, EThread } from "../../src/ps/objects.ts";
import type { Blocking } from "../../src/sim/blocking.ts";
import type { KernelEvent } from "../../src/sim/record.ts";
import { audit } from "../../src/scenario/audit.ts";

/** More than these say nothing new. */
const MOST_VIOLATIONS = 20;

export interface SceneOptions extends Partial<MachineOptions> {
  /** Loaded before the first thread, and unloaded at the end. */
  readonly drivers?: readonly Driver[];
  /** Runs before the first thread, for callbacks and injected failures. */
  readonly prepare?: (k: Kernel) => void;
  /** Sees every event, in order. */
  readonly see?: (event: KernelEvent) => void;
  /** How the run is to end; `exited` unless said otherwise. */
  readonly outcome?: MachineOutcome;
}

export interface Scene {
  readonly machine: Machine;
  readonly k: Kernel;
  readonly end: MachineEnd;
  readonly events: readonly KernelEvent[];
}

/** Runs a program to its end. Fails unless it ends as expected, every invariant held, and nothing is left. */
export function play(program: ScriptProgram, options: SceneOptions = {}): Scene {
  const { drivers = [], prepare, see, outcome = "exited", ...rest } = options;
  const events: KernelEvent[] = [];
  const violations: Violation[] = [];
  const sink = (event: KernelEvent): void => {
    events.push(event);
    see?.(event);
  };
  const report = (violation: Violation): unknown => violations.length < MOST_VIOLATIONS && violations.push(violation);
  const observe = (k: Kernel): void => watchKernel(k, report);
  const machine = createMachine({ processor: null, environment: null, record: sink, trace: sink, observe, ...rest });
  const { kernel } = machine;
  prepare?.(kernel);
  const loaded = drivers.map((driver) => machine.loadDriver(driver)!);
  expect(machine.startScript("scene.exe", program)).toEqual({ ok: true });
  const end = machine.run({ turns: 200_000, stop: () => false });
  rethrowFailure(kernel, end, outcome);
  expect(end?.outcome ?? "running").toBe(outcome);
  expect(violations).toEqual([]);
  if (outcome === "exited") unload(machine, loaded);
  if (outcome === "exited" || outcome === "crashed") expect(audit(machine)).toEqual([]);
  expect(violations).toEqual([]);
  return { machine, k: kernel, end: end!, events };
}

/** With drivers, whatever is thrown is their bugcheck; what the scene itself found wrong is for the test to say. */
function rethrowFailure(k: Kernel, end: MachineEnd | null, outcome: MachineOutcome): void {
  const cause = k.ke.bugCheck?.cause;
  if (end?.outcome === "bugcheck" && outcome !== "bugcheck" && cause instanceof Error) throw cause;
}

function unload(machine: Machine, drivers: readonly DriverObject[]): void {
  for (const driver of drivers) if (!driver.unloaded) expect(machine.unloadDriver(driver)).toBe(0);
  expect(machine.run({ turns: 200_000, stop: () => false })?.outcome).toBe("exited");
  for (const driver of drivers) expect(driver.unloaded).toBe(true);
}

/** The steps that were reached, by one thread or by all. */
export function stepsOf({ events }: Scene, tid?: number): string[] {
  return events.flatMap((event) =>
    event.kind === "step" && (tid === undefined || event.tid === tid) ? [event.step] : [],
  );
}

/** The value of a result that must be a success. */
export function must<T>(result: NtResult<T>): T {
  if (!result.ok) throw new Error(`unexpected status 0x${result.status.toString(16)}`);
  return result.value;
}

/** Starts a thread in the caller's process. */
export function* start(program: ScriptProgram, options: ScriptThreadOptions = {}): Script<ScriptChild> {
  return must(yield* nt.NtCreateThread(program, options));
}

/** Starts a process. */
export function* spawn(
  program: ScriptProgram | null,
  options: { readonly suspended?: boolean; readonly inheritHandles?: boolean } = {},
): Script<ScriptChild & { readonly thread: number }> {
  return must(yield* nt.NtCreateProcess("victim.exe", program, options));
}

/** Lets a millisecond of virtual time pass: everybody else gets as far as they can. */
export function* settle(): Script<void> {
  yield* nt.NtDelayExecution(false, 10_000);
}

/** Waits for a thread and says with what it ended. */
export function* joined(thread: number): Script<number> {
  expect(yield* nt.NtWaitForSingleObject(thread)).toBe(0);
  return must(yield* nt.queryThread(thread)).exitStatus;
}

/** Waits for a process and says with what it ended. */
export function* ended(process: number): Script<number> {
  expect(yield* nt.NtWaitForSingleObject(process)).toBe(0);
  return must(yield* nt.queryProcess(process)).exitStatus;
}

/** A program that makes system calls for ever. */
export function* spin(): Script<void> {
  for (;;) yield* nt.NtTestAlert();
}

/** A program that sleeps for ever. */
export function* sleepForever(): Script<void> {
  yield* nt.NtDelayExecution(false, null);
}

/** The thread with this id, while it has an object. */
export function threadById(k: Kernel, tid: number): EThread {
  const object = ExMapHandleToPointer(k.ps.cidTable, tid)?.object;
  if (!(object instanceof EThread)) throw new Error(`there is no thread ${tid}`);
  return object;
}

/** The process with this id, while it has an object. */
export function processById(k: Kernel, pid: number): EProcess {
  const object = ExMapHandleToPointer(k.ps.cidTable, pid)?.object;
  if (!(object instanceof EProcess)) throw new Error(`there is no process ${pid}`);
  return object;
}

/** Blocks the caller in the kernel, where nothing but the object can wake it. */
export function* blockInKernel(k: Kernel, object: DispatcherHeader): Blocking<void> {
  yield* waitInKernel(k, object, WaitReason.Executive);
}

/** Lets a millisecond of virtual time pass, in the kernel. */
export function* pause(k: Kernel): Blocking<void> {
  yield* KeDelayExecutionThread(k, { mode: KernelMode, alertable: false, timeout100ns: 10_000 });
}

/** An event of the kernel's that threads wait for in kernel mode, and that somebody opens once. */
export class Gate {
  #event: KEvent | null = null;

  of(k: Kernel): KEvent {
    this.#event ??= KeInitializeEvent(k, "notification", false);
    return this.#event;
  }

  pass(k: Kernel): Blocking<void> {
    return blockInKernel(k, this.of(k));
  }

  open(k: Kernel): void {
    KeSetEvent(k, this.of(k), 0);
  }
}
