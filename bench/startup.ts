/** Whole runs of the command line beside an empty Node: start-up, a program that computes, memory. */
import { atMost, type Figure, figureOf, type Group, median } from "./figure.ts";
import { packagePath } from "./machines.ts";
import { type ProcessUsage, runProcesses } from "./processes.ts";

const NODE = ["-e", "0"];

/** Those who look at nothing but how the program ends need no report. */
function rundown(program: string, ...rest: readonly string[]): string[] {
  return [packagePath("bin/rundown"), "run", packagePath(program), ...rest];
}

export const startup: Group = {
  name: "startup",
  measure({ runs, progress }) {
    progress("hello in both environments, and node -e 0");
    const commands = [NODE, rundown("samples/native/hello.exe"), rundown("samples/hello.exe")];
    const [node = [], native = [], win32 = []] = runProcesses(commands, 2 * runs);
    return [
      figureOf("node -e 0", "ms", node, null),
      figureOf("hello, built-in ntdll, whole process", "ms", native, null),
      ratio("hello, built-in ntdll, beside node -e 0", native, node, 2),
      figureOf("hello, Wine's DLLs, whole process", "ms", win32, null),
      ratio("hello, Wine's DLLs, beside node -e 0", win32, node, 3),
    ];
  },
};

function ratio(name: string, ours: readonly ProcessUsage[], node: readonly ProcessUsage[], target: number): Figure {
  const cpu = median(node.map(({ cpuMs }) => cpuMs));
  const wall = median(node.map(({ wallMs }) => wallMs));
  return {
    name,
    unit: "times",
    samples: ours.map(({ cpuMs }) => cpuMs / cpu),
    wall: ours.map(({ wallMs }) => wallMs / wall),
    target: atMost(target),
  };
}

export const memory: Group = {
  name: "memory",
  measure({ runs, progress }) {
    progress("resident memory of hello, and of 100 threads");
    const commands = [
      NODE,
      rundown("samples/native/hello.exe"),
      rundown("samples/hello.exe"),
      rundown("bench/programs/waiters.exe", "--", "100"),
    ];
    const [node = [], native = [], win32 = [], threads = []] = runProcesses(commands, runs);
    return [
      resident("node -e 0", node, null),
      resident("hello, built-in ntdll", native, 100),
      resident("hello, Wine's DLLs", win32, 100),
      resident("100 waiting threads, Wine's DLLs", threads, 130),
    ];
  },
};

function resident(name: string, usages: readonly ProcessUsage[], target: number | null): Figure {
  return {
    name,
    unit: "MiB",
    samples: usages.map(({ residentMiB }) => residentMiB),
    wall: null,
    target: target === null ? null : atMost(target),
  };
}

export const computing: Group = {
  name: "computing",
  measure({ runs, progress }) {
    progress("a program that computes");
    const [mix = []] = runProcesses([rundown("samples/cpu-mix.exe")], Math.max(1, Math.ceil(runs / 2)));
    return [
      figureOf("cpu-mix, Wine's DLLs, whole process", "ms", mix, atMost(3000)),
      figureOf("cpu-mix, compiled code and all", "MIPS", mix, null, (ms) => CPU_MIX_INSTRUCTIONS / ms / 1000),
    ];
  },
};

/** What a run reports. */
const CPU_MIX_INSTRUCTIONS = 595e6;
