/** Figures of birth and death: threads and processes, in each kind of user mode. */
import { type KernelEvent, nt, type Script, type ScriptProgram } from "../src/index.ts";
import {
  atLeast,
  type Context,
  difference,
  type Duration,
  type Figure,
  figureOf,
  type Group,
  type Target,
  threadMilliseconds,
} from "./figure.ts";
import { costOf, repeated } from "./kernel.ts";
import { runProgram, runScript, type UserMode } from "./machines.ts";

const SCRIPTED = 20_000;
const BUILTIN = 20_000;
const WINE = 6_000;
const SPINNERS = 2_000;
const PROCESSES = 20;
const KILLED_THREADS = 100;

export const threads: Group = {
  name: "threads",
  measure: (context) => [
    perSecond(
      "threads created, ended, waited for, closed: scripted",
      scripted(context, oneThread),
      SCRIPTED,
      atLeast(50_000),
    ),
    programs(
      context,
      "threads created, ended, waited for, closed: built-in ntdll",
      "builtin",
      "threads",
      BUILTIN,
      20_000,
    ),
    programs(context, "threads created, ended, waited for, closed: Wine's DLLs", "win32", "threads", WINE, 5_000),
    programs(context, "spinning threads terminated: built-in ntdll", "builtin", "terminate", SPINNERS, null),
    programs(context, "spinning threads terminated: Wine's DLLs", "win32", "terminate", SPINNERS, 4_000),
  ],
};

export const processes: Group = {
  name: "processes",
  measure: (context) => [
    perSecond("processes created, ended, waited for, closed: scripted", scripted(context, oneProcess), SCRIPTED, null),
    programs(
      context,
      "processes created, run to their end, waited for: Wine's DLLs",
      "win32",
      "processes",
      PROCESSES,
      null,
    ),
    figureOf("death of a process with 100 waiting threads: built-in ntdll", "ms", deaths(context, "builtin"), null),
    figureOf("death of a process with 100 waiting threads: Wine's DLLs", "ms", deaths(context, "win32"), null),
  ],
};

function perSecond(name: string, durations: readonly Duration[], count: number, target: Target | null): Figure {
  return figureOf(name, "per second", durations, target, (ms) => (1000 * count) / ms);
}

function programs(
  context: Context,
  name: string,
  userMode: UserMode,
  program: string,
  count: number,
  target: number | null,
): Figure {
  const path = programPath(userMode, program);
  return perSecond(
    name,
    costOf(context, name, { userMode, path }, count),
    count,
    target === null ? null : atLeast(target),
  );
}

function programPath(userMode: UserMode, program: string): string {
  return `bench/programs/${userMode === "builtin" ? "native/" : ""}${program}.exe`;
}

function scripted(context: Context, once: () => Script<void>): Duration[] {
  const program = (count: number): ScriptProgram =>
    function* () {
      for (let i = 0; i < count; i++) yield* once();
    };
  return repeated(context, "scripted", () =>
    difference(runScript("bench", program(SCRIPTED)), runScript("bench", program(0))),
  );
}

// eslint-disable-next-line require-yield
function* nothing(): Script<void> {
  return;
}

function* oneThread(): Script<void> {
  const created = yield* nt.NtCreateThread(nothing);
  if (!created.ok) throw new Error("no thread");
  yield* nt.NtWaitForSingleObject(created.value.handle);
  yield* nt.NtClose(created.value.handle);
}

function* oneProcess(): Script<void> {
  const created = yield* nt.NtCreateProcess("child", nothing);
  if (!created.ok) throw new Error("no process");
  yield* nt.NtWaitForSingleObject(created.value.handle);
  yield* nt.NtClose(created.value.thread);
  yield* nt.NtClose(created.value.handle);
}

function now(): Duration {
  return { cpuMs: threadMilliseconds(), wallMs: performance.now() };
}

/** From the moment at which the first thread is marked for its death until the last one is no more. */
function deaths(context: Context, userMode: UserMode): Duration[] {
  const path = programPath(userMode, "waiters");
  return repeated(context, `death of ${String(KILLED_THREADS)} threads`, () => {
    let from: Duration | null = null;
    let took: Duration | null = null;
    const record = ({ kind }: KernelEvent): void => {
      if (kind === "thread-marked") from ??= now();
      if (kind !== "thread-deleted" || from === null) return;
      took = difference(now(), from);
    };
    runProgram({ userMode, path, count: KILLED_THREADS, options: { record } });
    if (took === null) throw new Error("the process was not seen to end");
    return took;
  });
}
