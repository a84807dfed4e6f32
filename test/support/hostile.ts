/**
 * Machines for hostile programs: one processor serves them all, whatever a program leaves running is killed in the end,
 * and then the kernel must have got back everything.
 */
import { KernelMode } from "../../src/abi/ke.ts";
import type { MachineEnd } from "../../src/abi/report.ts";
import type { Cpu } from "../../src/cpu/cpu.ts";
import { KiRun } from "../../src/ke/run.ts";
import { KeDelayExecutionThread } from "../../src/ke/wait.ts";
import type { Kernel } from "../../src/kernel.ts";
import { createMachine, type Machine } from "../../src/machine/machine.ts";
import type { MachineOptions } from "../../src/machine/options.ts";
import { mmLedger } from "../../src/mm/ledger.ts";
import { PspShutdownProcessManager } from "../../src/ps/kill.ts";
import { builtinEnvironment } from "./machine.ts";
import { MachineCode, SECTION_CODE, TEXT_RVA, writeProgram } from "./program.ts";
import { newCpu } from "./processor.ts";

const MEMORY_BYTES = 32 << 20;
const TURNS_AT_ONCE = 20_000;
/** More than any program here takes; one that takes more has escaped its instruction limit. */
const LONGEST_MS = 60_000;

let processor: Cpu | null = null;

/** The processor that all machines of a test file use one after another. */
export function sharedCpu(): Cpu {
  processor ??= newCpu({ ramBytes: MEMORY_BYTES });
  return processor;
}

export interface HostileRun {
  readonly machine: Machine;
  /** Null when the program was refused. */
  readonly end: MachineEnd | null;
  /** Why it was refused. */
  readonly refusal: string;
}

/** Starts a program file and runs it to its end, or to its limits. */
export function runHostile(
  bytes: Uint8Array,
  options: Partial<MachineOptions> = {},
  cpu: Cpu = sharedCpu(),
): HostileRun {
  const machine = createMachine({ processor: cpu, environment: builtinEnvironment(), ...options });
  const started = machine.start({ name: "hostile.exe", bytes, environment: new Map([["SystemRoot", "C:\\windows"]]) });
  if (!started.ok) return { machine, end: null, refusal: started.reason };
  return { machine, end: runToEnd(machine), refusal: "" };
}

export function runToEnd(machine: Machine): MachineEnd {
  const deadline = performance.now() + LONGEST_MS;
  for (;;) {
    const end = machine.run({ turns: TURNS_AT_ONCE, stop: () => false });
    if (end !== null) return end;
    if (performance.now() > deadline) throw new Error("the machine does not end");
  }
}

/** Kills every process that is left, as a shutdown would, and runs the machine until all of them are gone. */
function killAll(machine: Machine): void {
  const k = machine.kernel;
  let done = false;
  k.ex.upcalls.createSystemThread(
    k,
    function* (kernel) {
      yield* PspShutdownProcessManager(kernel);
      done = true;
      // It must not be the last thread of the System process to exit.
      yield* KeDelayExecutionThread(kernel, { mode: KernelMode, alertable: false, timeout100ns: null });
    },
    "janitor",
  );
  const deadline = performance.now() + LONGEST_MS;
  for (;;) {
    const end = KiRun(k, { turns: TURNS_AT_ONCE, untilNs: Infinity, stop: () => false });
    // Timers that outlast the machine's time are as good as none.
    if (end === "idle" || end === "time") break;
    if (end !== "turns") throw new Error(`the kill ended with ${end}`);
    if (performance.now() > deadline) throw new Error("the processes do not die");
  }
  if (!done) throw new Error("the janitor was blocked");
}

/**
 * Kills what is left and looks for what did not come back. A refused program left nothing to kill.
 * @returns sentences; none if all is well
 */
export function auditAfterwards({ machine, end }: HostileRun): string[] {
  if (end?.outcome === "bugcheck") return [end.detail];
  killAll(machine);
  const k = machine.kernel;
  const found = machine.ledger().map(({ type, id, pinnedBy }) => `${type} ${id} lives: ${pinnedBy.join(", ")}`);
  found.push(...mmLedger(k).complaints);
  const after = poolOf(k);
  const before = ownPool();
  for (const [tag, bytes] of after) {
    // A machine that refused its program has fewer devices than others.
    // Tables of the machine's own keep the pages that they have grown by.
    const grown = tag === "Obtb" ? [...k.ps.cidTable.pages, ...k.ob.kernelHandleTable.pages] : [];
    const least = (before.get(tag) ?? 0) + grown.reduce((sum, page) => sum + page.bytes, 0);
    if (bytes > least) found.push(`pool ${tag}: ${bytes} bytes, the machine's own are ${least}`);
  }
  return found;
}

let own: ReadonlyMap<string, number> | null = null;

/** What the machine itself keeps in the pool after a program that does nothing, by tag. */
function ownPool(): ReadonlyMap<string, number> {
  if (own !== null) return own;
  const nothing = new MachineCode().bytes(0x31, 0xc0, 0xc2, 4, 0).finish();
  const { machine } = runHostile(
    writeProgram([{ name: ".text", rva: TEXT_RVA, bytes: nothing, characteristics: SECTION_CODE }]),
  );
  killAll(machine);
  machine.ledger();
  own = poolOf(machine.kernel);
  return own;
}

/** Bytes in use by tag; of what threads are made of, bytes for each worker thread, for there are more at busy times. */
function poolOf(k: Kernel): ReadonlyMap<string, number> {
  const workers = k.ps.initialSystemProcess?.activeThreads ?? 1;
  return new Map(
    [...k.ex.pool.tags.values()].map(({ tag, bytes }) => [tag, THREAD_TAGS.has(tag) ? bytes / workers : bytes]),
  );
}

const THREAD_TAGS = new Set(["Thre", "KStk"]);

/** Instructions that a spoilt program may spend; most need a few thousand. */
const SPOILT_LIMIT = 200_000;

/**
 * Starts a file of unknown origin: it must be refused in words, or run to an end that is no bugcheck.
 * @param options audit: also that it left nothing in the kernel
 * @returns how it went
 */
export function expectOrdinaryEnd(file: Uint8Array, options: { readonly audit: boolean }): "refused" | "run" {
  const run = runHostile(file, { limits: { instructions: SPOILT_LIMIT } });
  if (run.end === null && run.refusal === "") throw new Error("a refusal says why");
  if (run.end?.outcome === "bugcheck") throw new Error(`the program stopped the machine: ${run.end.detail}`);
  const found = options.audit ? auditAfterwards(run) : [];
  if (found.length > 0) throw new Error(found.join("; "));
  return run.end === null ? "refused" : "run";
}
