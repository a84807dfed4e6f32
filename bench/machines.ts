/** Machines in this process, for figures that need no process of their own. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { FileMap } from "../apps/cli/filemap.ts";
import { loadProcessor } from "../apps/cli/processor.ts";
import { cacheRoot, findWindowsDirectory } from "../apps/cli/setup-directory.ts";
import {
  allServices,
  type Cpu,
  createBuiltinEnvironment,
  createMachine,
  createWin32Environment,
  type Environment,
  type EnvironmentResult,
  type Machine,
  type MachineOptions,
  type ScriptProgram,
} from "../src/index.ts";
import { type Duration, timed } from "./figure.ts";

/** The root of the package, seen from dist/bench. */
const ROOT = new URL("../../", import.meta.url);

export function packagePath(path: string): string {
  return fileURLToPath(new URL(path, ROOT));
}

export type UserMode = "builtin" | "win32";

function taken(made: EnvironmentResult): Environment {
  if (!made.ok) throw new Error(made.reason);
  return made.value;
}

function makeEnvironment(userMode: UserMode): Environment {
  if (userMode === "builtin") {
    return taken(
      createBuiltinEnvironment(
        allServices(() => {
          throw new Error("only the names of the services are wanted");
        }),
      ),
    );
  }
  const found = findWindowsDirectory({ environment: process.env });
  if (!found.ok) throw new Error(`${found.message}: run bin/rundown setup`);
  const files = new FileMap(found.dir, (name) => /\.(dll|drv|exe|sys)$/u.test(name));
  return taken(createWin32Environment(files, new FileMap(found.nlsDir, (name) => name.endsWith(".nls"))));
}

const environments = new Map<UserMode, Environment>();

function environmentOf(userMode: UserMode): Environment {
  const known = environments.get(userMode);
  if (known !== undefined) return known;
  const made = makeEnvironment(userMode);
  environments.set(userMode, made);
  return made;
}

/** Processors of earlier machines, which the next ones use again: one that remembers what guests computed, and one that does not. */
const idle: { plain: Cpu | null; remembering: Cpu | null } = { plain: null, remembering: null };

/** As those have it who run many machines in one process: optimised as the engine sees fit. */
function processorOptions(remember: boolean): NonNullable<MachineOptions["processor"]> {
  const module = loadProcessor({ optimise: "everything", cacheDirectory: cacheRoot(process.env) });
  return { module, mode: "tiered", remember };
}

export interface ProgramRun {
  readonly userMode: UserMode;
  /** Relative to the root of the package. */
  readonly path: string;
  /** Handed to the program as its one argument. */
  readonly count?: number;
  /** On the processor that remembers what guests computed before. */
  readonly remember?: boolean;
  readonly options?: Partial<MachineOptions>;
}

/** Runs a program on a machine of its own to its end, which must be a good one. @returns how long all of it took */
export function runProgram({ userMode, path, count, remember = false, options }: ProgramRun): Duration {
  const file = packagePath(path);
  const bytes = readFileSync(file);
  const environment = environmentOf(userMode);
  const slot = remember ? "remembering" : "plain";
  const processor = options?.processor ?? idle[slot] ?? processorOptions(remember);
  return timed(() => {
    const machine = createMachine({ processor, environment, ...options });
    const started = machine.start({
      name: basename(file),
      bytes,
      arguments: count === undefined ? [] : [String(count)],
      environment: new Map([["SystemRoot", "C:\\windows"]]),
    });
    if (!started.ok) throw new Error(`${path}: ${started.reason}`);
    runToEnd(machine, path, options?.limits !== undefined);
    if (options?.processor === undefined) idle[slot] = machine.cpu;
  });
}

/** Runs a scripted program on a machine of its own. */
export function runScript(name: string, program: ScriptProgram): Duration {
  return timed(() => {
    const machine = createMachine({ processor: null, environment: null });
    const started = machine.startScript(name, program);
    if (!started.ok) throw new Error(`${name}: ${started.reason}`);
    runToEnd(machine, name, false);
  });
}

function runToEnd(machine: Machine, name: string, limited: boolean): void {
  const end = machine.run({ turns: Number.MAX_SAFE_INTEGER, stop: () => false });
  const outcome = end?.outcome ?? "not over";
  if (limited && outcome === "limit") return;
  if (outcome !== "exited" || end?.exitStatus !== 0) {
    throw new Error(`${name} ended badly: ${outcome}, ${String(end?.exitStatus)} ${end?.detail ?? ""}`);
  }
}
