/** Figures of machines in this process: boots, instructions, system calls, switches. */
import { createMachine } from "../src/index.ts";
import { loadProcessor } from "../apps/cli/processor.ts";
import { atMost, type Context, difference, type Duration, type Figure, figureOf, type Group, timed } from "./figure.ts";
import { type ProgramRun, runProgram } from "./machines.ts";

const BOOTS = 5000;
const CALLS = 1_000_000;
const SWITCHES = 100_000;
const INTERPRETED = 20_000_000;

export const machines: Group = {
  name: "machines",
  measure(context) {
    const boot = repeated(context, "kernels booted", () =>
      timed(() => {
        for (let i = 0; i < BOOTS; i++) createMachine({ processor: null, environment: null });
      }),
    );
    return [
      figureOf("boot of a kernel", "µs", boot, atMost(100), (ms) => (1000 * ms) / BOOTS),
      figureOf("kernels booted", "per second", boot, null, (ms) => (1000 * BOOTS) / ms),
      further(context, "a further machine runs hello, built-in ntdll", NATIVE_HELLO, 2),
      further(context, "a further machine runs hello, Wine's DLLs", WIN32_HELLO, 30),
      further(context, "the same, remembering what earlier ones computed", { ...WIN32_HELLO, remember: true }, 30),
    ];
  },
};

const NATIVE_HELLO: ProgramRun = { userMode: "builtin", path: "samples/native/hello.exe" };
const WIN32_HELLO: ProgramRun = { userMode: "win32", path: "samples/hello.exe" };

/** Runs in a sample: one alone is too short for the clock of some hosts. */
const FURTHER = 10;

/** The processor and the environment are there already; the engine knows the kernel's code. */
function further(context: Context, name: string, run: ProgramRun, target: number): Figure {
  const several = (): Duration => {
    let sum: Duration = { cpuMs: 0, wallMs: 0 };
    for (let i = 0; i < FURTHER; i++) sum = together(sum, runProgram(run));
    return sum;
  };
  const samples = repeated(context, name, several);
  return figureOf(name, "ms", samples, atMost(target), (ms) => ms / FURTHER);
}

function together(first: Duration, second: Duration): Duration {
  return { cpuMs: first.cpuMs + second.cpuMs, wallMs: first.wallMs + second.wallMs };
}

export const calls: Group = {
  name: "calls",
  measure(context) {
    const call = costOf(
      context,
      "system calls",
      { userMode: "builtin", path: "bench/programs/native/calls.exe" },
      CALLS,
    );
    const both = costOf(
      context,
      "switches",
      { userMode: "builtin", path: "bench/programs/native/switches.exe" },
      SWITCHES,
    );
    return [
      figureOf("system call that sets an event, with its trap", "ns", call, atMost(1000), (ms) => (1e6 * ms) / CALLS),
      figureOf("set an event, wait for another, switch threads", "ns", both, null, (ms) => (1e6 * ms) / SWITCHES / 2),
    ];
  },
};

export const instructions: Group = {
  name: "instructions",
  measure(context) {
    const module = loadProcessor({ optimise: "everything" });
    const run: ProgramRun = {
      userMode: "builtin",
      path: "samples/native/cpu-mix.exe",
      options: { processor: { module, mode: "interpreter" }, limits: { instructions: INTERPRETED } },
    };
    const interpreted = repeated(context, "the interpreter", () => runProgram(run));
    const megainstructions = INTERPRETED / 1e6;
    return [figureOf("interpreter", "MIPS", interpreted, null, (ms) => (1000 * megainstructions) / ms)];
  },
};

/** Times that warm the engine up: it compiles a routine of the kernel again and again, each time better. */
const WARM_UP = 3;

/** Measures `runs` times, after a few times that do not count. */
export function repeated(context: Context, name: string, measure: () => Duration): Duration[] {
  context.progress(name);
  for (let i = 0; i < WARM_UP; i++) measure();
  return Array.from({ length: context.runs }, measure);
}

/** What `count` repetitions in a program take, without its beginning and end. */
export function costOf(context: Context, name: string, program: ProgramRun, count: number): Duration[] {
  return repeated(context, name, () => {
    const none = runProgram({ ...program, count: 0 });
    return difference(runProgram({ ...program, count }), none);
  });
}
