/** Hostile system calls by the thousand: programs made from seeds, until enough calls have been made. */
import { auditAfterwards, runHostile } from "./hostile.ts";
import { callableServices, syscallProgram } from "./syscallprogram.ts";

const CALLS_PER_PROGRAM = 1500;
/** A program that sets itself a wild context may compute for ever. */
const INSTRUCTIONS = 1_000_000;
const PROCESSORS = [1, 2, 4, 8];

export interface SyscallFuzz {
  readonly calls: number;
  readonly programs: number;
  /** Services that were called at all, and that answered a success at least once. */
  readonly called: ReadonlySet<string>;
  readonly succeeded: ReadonlySet<string>;
  /** How runs ended, with the number of runs. */
  readonly outcomes: ReadonlyMap<string, number>;
}

/** Runs programs of consecutive seeds. Throws, naming the seed, if one stops the machine or leaves something behind. */
export function fuzzSystemCalls(options: { readonly firstSeed: number; readonly calls: number }): SyscallFuzz {
  const called = new Set<string>();
  const succeeded = new Set<string>();
  const outcomes = new Map<string, number>();
  let calls = 0;
  let programs = 0;
  for (; calls < options.calls; programs++) {
    const seed = options.firstSeed + programs;
    const run = runHostile(syscallProgram(seed, CALLS_PER_PROGRAM), {
      processors: PROCESSORS[seed % PROCESSORS.length] ?? 1,
      limits: { instructions: INSTRUCTIONS, processes: 4, threads: 64, handles: 2000 },
      trace: (event) => {
        if (event.kind !== "system-call") return;
        called.add(event.name);
        if (event.status >>> 0 < 0x80000000) succeeded.add(event.name);
      },
    });
    const outcome = run.end?.outcome ?? run.refusal;
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    calls += run.machine.statistics.systemCalls;
    const found = auditAfterwards(run);
    if (found.length > 0) throw new Error(`seed ${seed}: ${found.join("; ")}`);
  }
  return { calls, programs, called, succeeded, outcomes };
}

/** Services that nobody called. */
export function servicesNotCalled({ called }: SyscallFuzz): string[] {
  return callableServices()
    .map(({ name }) => name)
    .filter((name) => !called.has(name));
}
