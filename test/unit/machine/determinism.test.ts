/** The same run twice gives the same record, byte for byte, whatever ran on the processor before. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { MachineEnd } from "../../../src/abi/report.ts";
import type { Cpu } from "../../../src/cpu/cpu.ts";
import type { ScriptProgram } from "../../../src/guest/script/context.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { createMachine, type Machine } from "../../../src/machine/machine.ts";
import type { MachineOptions } from "../../../src/machine/options.ts";
import { ReportBuilder } from "../../../src/report/builder.ts";
import { reportText } from "../../../src/report/text.ts";
import { runToEnd, sharedCpu } from "../../support/hostile.ts";
import { builtinEnvironment } from "../../support/machine.ts";
import { newCpu } from "../../support/processor.ts";
import { syscallProgram } from "../../support/syscallprogram.ts";
import { win32Environment } from "../../support/windows.ts";

/** All that a run tells: every event in order, its output, and its report. */
interface Account {
  readonly events: number;
  readonly digest: string;
  readonly stdout: string;
  readonly report: string;
}

const VARIABLES: ReadonlyMap<string, string> = new Map([["SystemRoot", "C:\\windows"]]);
const LIMITS = { instructions: 500_000, threads: 40, processes: 6, handles: 1000 };

function account(options: Partial<MachineOptions>, start: (machine: Machine) => { readonly ok: boolean }): Account {
  const hash = createHash("sha256");
  const builder = new ReportBuilder();
  let events = 0;
  let stdout = "";
  const note = (event: unknown): void => {
    events++;
    hash.update(`${JSON.stringify(event)}\n`);
  };
  const machine = createMachine({
    processor: null,
    environment: builtinEnvironment(),
    limits: LIMITS,
    ...options,
    stdout: (bytes) => (stdout += Buffer.from(bytes).toString("latin1")),
    record: (event) => {
      note(event);
      builder.sink(event);
    },
    trace: note,
  });
  expect(start(machine).ok).toBe(true);
  const end = runToEnd(machine);
  const told = report(machine, end, builder);
  return { events, digest: hash.digest("hex"), stdout, report: told };
}

function report(machine: Machine, end: MachineEnd, builder: ReportBuilder): string {
  const finished = builder.finish({
    end,
    program: "program.exe",
    arguments: [],
    statistics: machine.statistics,
    notImplemented: machine.notImplemented(),
    leaks: machine.ledger(),
    waitGraph: end.outcome === "deadlock" ? machine.waitGraph() : null,
    replay: "",
  });
  return JSON.stringify(finished) + reportText(finished, { color: (_style, piece) => piece });
}

function accountOfFile(bytes: Uint8Array, processors: number, processor: Cpu = sharedCpu()): Account {
  return account({ processor, processors }, (machine) => machine.start({ name: "program.exe", bytes }));
}

function sample(name: string): Uint8Array {
  return new Uint8Array(readFileSync(`samples/native/${name}.exe`));
}

const SAMPLES = [
  ...["threads", "exit-while-waiting", "terminate-spinner", "apc-sleeper", "kill-suspended", "abandoned-mutant"],
  ...["deadlock", "seh-catch", "stack-overflow", "fork-threads", "alloc-forever"],
];

/** A tree of processes: children that wait, spin through calls, are suspended and are killed. */
const family: ScriptProgram = function* () {
  const children: number[] = [];
  for (let index = 0; index < 4; index++) {
    const child = yield* nt.NtCreateProcess(
      `child${index}.exe`,
      function* () {
        const thread = yield* nt.NtCreateThread(function* () {
          for (;;) yield* nt.NtYieldExecution();
        });
        yield* nt.NtDelayExecution(false, 1000 * index);
        return (thread.ok ? index : 99) as never;
      },
      { suspended: index === 3, inheritHandles: index % 2 === 0 },
    );
    if (child.ok) children.push(child.value.handle);
  }
  yield* nt.NtDelayExecution(false, 2500);
  for (const child of children) yield* nt.NtTerminateProcess(child, 5);
  yield* nt.NtWaitForMultipleObjects(children, "all");
};

describe.each([1, 2, 4, 8])("with %i virtual processors", (processors) => {
  test.each(SAMPLES)("%s gives the same record twice", (name) => {
    const [first, second] = [1, 2].map(() => accountOfFile(sample(name), processors));
    expect(first?.events).toBeGreaterThan(20);
    expect(second).toEqual(first);
  });

  test("a script with a family of processes gives the same record twice", () => {
    const run = (): Account => account({ processors }, (machine) => machine.startScript("family.exe", family));
    const [first, second] = [run(), run()];
    expect(first.events).toBeGreaterThan(200);
    expect(second).toEqual(first);
  });

  test("hostile system calls give the same record twice", () => {
    const bytes = syscallProgram(3, 800);
    const [first, second] = [1, 2].map(() => accountOfFile(bytes, processors));
    expect(first?.events).toBeGreaterThan(200);
    expect(second).toEqual(first);
  });
});

test("a processor that ran another program before gives the same record as a new one", () => {
  const used = newCpu({ ramBytes: sharedCpu().ram.byteLength });
  for (const name of ["seh-catch", "alloc-forever", "terminate-spinner"]) accountOfFile(sample(name), 2, used);
  accountOfFile(syscallProgram(3, 800), 2, used);
  for (const name of ["threads", "apc-sleeper", "exit-while-waiting"]) {
    const fresh = newCpu({ ramBytes: sharedCpu().ram.byteLength });
    expect(accountOfFile(sample(name), 2, used), name).toEqual(accountOfFile(sample(name), 2, fresh));
  }
});

test("a processor whose compiler worked before gives the same record as a new one", () => {
  const compiling = { ramBytes: sharedCpu().ram.byteLength, mode: "jit", jitAfter: 0 } as const;
  const used = newCpu(compiling);
  for (const name of ["terminate-spinner", "threads"]) accountOfFile(sample(name), 1, used);
  accountOfFile(syscallProgram(3, 800), 1, used);
  for (const name of ["threads", "terminate-spinner"]) {
    expect(accountOfFile(sample(name), 1, used), name).toEqual(accountOfFile(sample(name), 1, newCpu(compiling)));
  }
});

test("a processor that remembers what it computed gives the same record as a new one", () => {
  const used = newCpu({ ramBytes: sharedCpu().ram.byteLength, remember: 50 });
  const names = ["threads", "seh-catch", "exit-while-waiting"];
  for (const name of [...names, ...names, ...names]) {
    expect(accountOfFile(sample(name), 2, used), name).toEqual(accountOfFile(sample(name), 2));
  }
  expect(used.instructionsSpared).toBeGreaterThan(0);
});

test("a processor that remembers Wine's loader gives the same record as a new one", () => {
  const run = (processor: NonNullable<MachineOptions["processor"]>, program: string): Account =>
    account({ processor, environment: win32Environment(), limits: {} }, (machine) =>
      machine.start({ name: "program.exe", bytes: readFileSync(`samples/${program}.exe`), environment: VARIABLES }),
    );
  const [fresh, other] = ["hello", "args"].map((program) => run(sharedCpu(), program));
  const used = newCpu({ ramBytes: sharedCpu().ram.byteLength, remember: 1000 });
  for (let time = 0; time < 3; time++) expect(run(used, "hello")).toEqual(fresh);
  expect(run(used, "args")).toEqual(other);
  expect(used.instructionsSpared).toBeGreaterThan(700_000);
});

test("more processors make another record of the same program", () => {
  const bytes = sample("threads");
  expect(accountOfFile(bytes, 1).digest).not.toBe(accountOfFile(bytes, 4).digest);
});
