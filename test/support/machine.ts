/** Machines for tests that run x86 programs on the built-in ntdll. */
import { readFileSync } from "node:fs";
import type { MachineEnd } from "../../src/abi/report.ts";
import { createBuiltinEnvironment, type Environment } from "../../src/guest/environment.ts";
import type { Driver } from "../../src/io/driver.ts";
import { createMachine, type Machine } from "../../src/machine/machine.ts";
import type { MachineOptions } from "../../src/machine/options.ts";
import { allServices } from "../../src/machine/services.ts";
import type { KernelEvent } from "../../src/sim/record.ts";
import { processorModule } from "./processor.ts";

let builtin: Environment | null = null;

export function builtinEnvironment(): Environment {
  if (builtin !== null) return builtin;
  const made = createBuiltinEnvironment(
    allServices(() => {
      throw new Error("only names and sizes are asked for");
    }),
  );
  if (!made.ok) throw new Error(made.reason);
  builtin = made.value;
  return builtin;
}

export interface SampleRun {
  readonly end: MachineEnd;
  readonly stdout: string;
  readonly events: readonly KernelEvent[];
  readonly machine: Machine;
}

/** What a program is given beside the machine. */
export interface SampleInput {
  readonly arguments?: readonly string[];
  readonly variables?: Readonly<Record<string, string>>;
  readonly drivers?: readonly Driver[];
}

export function runSample(path: string, options: Partial<MachineOptions> = {}, input: SampleInput = {}): SampleRun {
  const events: KernelEvent[] = [];
  let stdout = "";
  const machine = createMachine({
    processor: { module: processorModule(), mode: "interpreter" },
    environment: builtinEnvironment(),
    memoryBytes: 64 << 20,
    stdout: (bytes) => {
      stdout += Buffer.from(bytes).toString("latin1");
    },
    record: (event) => events.push(event),
    ...options,
  });
  for (const driver of input.drivers ?? []) machine.loadDriver(driver);
  const name = path.split("/").at(-1) ?? path;
  const started = machine.start({
    name,
    bytes: readFileSync(path),
    arguments: input.arguments ?? [],
    environment: new Map(Object.entries({ SystemRoot: "C:\\windows", ...input.variables })),
  });
  if (!started.ok) throw new Error(started.reason);
  const deadline = performance.now() + 60_000;
  for (;;) {
    const end = machine.run({ turns: 100_000, stop: () => false });
    if (end !== null) return { end, stdout, events, machine };
    if (performance.now() > deadline) throw new Error(`${name} did not end within a minute`);
  }
}
