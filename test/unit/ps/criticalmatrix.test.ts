/**
 * The critical matrix: every state of the kernel debugger, for critical processes and threads, for every way in which they
 * can end.
 */
import { expect, test } from "vitest";
import { kernelDebugger } from "../../../apps/cli/kerneldebugger.ts";
import {
  CT_BREAK_ON_TERMINATION,
  CURRENT_PROCESS_HANDLE,
  CURRENT_THREAD_HANDLE,
  PSF_BREAK_ON_TERMINATION,
} from "../../../src/abi/ps.ts";
import { ntStatus, type NtStatus } from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { nt, type ScriptChild } from "../../../src/guest/script/services.ts";
import { PsGetCurrentThread } from "../../../src/ps/current.ts";
import { PspSetCrossThreadFlag, PspSetProcessFlag } from "../../../src/ps/flags.ts";
import { ended, joined, play, settle, sleepForever, spawn, start } from "../../support/scene.ts";

const DEBUGGERS = ["disabled", "absent", "break", "ignore"] as const;
type Debugger = (typeof DEBUGGERS)[number];
type Child = ScriptChild & { readonly thread: number };

/** A way to end: what the victim does, and what the killer does to it. */
interface Ending {
  readonly victim: () => Script<NtStatus | void>;
  readonly kill?: (child: Child) => Script<NtStatus>;
}

function* critical(what: "process" | "thread"): Script<void> {
  yield* nt.call((k) => {
    const thread = PsGetCurrentThread(k);
    if (what === "process") PspSetProcessFlag(thread.threadsProcess, PSF_BREAK_ON_TERMINATION);
    else PspSetCrossThreadFlag(thread, CT_BREAK_ON_TERMINATION);
  });
}

const PROCESS_ENDINGS: Readonly<Record<string, Ending>> = {
  "is killed": {
    *victim() {
      yield* critical("process");
      yield* sleepForever();
    },
    kill: (child) => nt.NtTerminateProcess(child.handle, 5),
  },
  "ends itself": {
    *victim() {
      yield* critical("process");
      yield* start(sleepForever);
      yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 5);
    },
  },
  "is left by its last thread": {
    *victim() {
      yield* critical("process");
      yield* nt.NtTerminateThread(CURRENT_THREAD_HANDLE, 5);
    },
  },
};

const THREAD_ENDINGS: Readonly<Record<string, Ending>> = {
  "is killed": {
    *victim() {
      yield* critical("thread");
      yield* sleepForever();
    },
    kill: (child) => nt.NtTerminateThread(child.thread, 5),
  },
  "ends itself": {
    *victim() {
      yield* start(settle);
      yield* critical("thread");
      yield* nt.NtTerminateThread(CURRENT_THREAD_HANDLE, 5);
    },
  },
  "returns as the last thread": {
    *victim() {
      yield* critical("thread");
      return ntStatus(5);
    },
  },
};

interface End {
  readonly code: number | null;
  readonly said: string;
}

/** Lets a critical object end under a debugger. */
function end(state: Debugger, { victim, kill }: Ending): End {
  let said = "";
  const write = (text: string): void => {
    said += text;
  };
  const kd = state === "disabled" ? {} : { kernelDebugger: kernelDebugger(state, write) };
  const dies = state === "break" || state === "ignore";
  const { k } = play(
    function* () {
      const child = yield* spawn(victim);
      yield* settle();
      if (kill !== undefined) yield* kill(child);
      expect(yield* joined(child.thread)).toBe(5);
      yield* ended(child.handle);
    },
    { outcome: dies ? "exited" : "bugcheck", ...kd },
  );
  return { code: k.ke.bugCheck?.code ?? null, said };
}

const cases = DEBUGGERS.flatMap((state) => [
  ...Object.entries(PROCESS_ENDINGS).map(([way, ending]) => ["process", way, state, ending] as const),
  ...Object.entries(THREAD_ENDINGS).map(([way, ending]) => ["thread", way, state, ending] as const),
]);

test.each(cases)("a critical %s that %s, with the kernel debugger: %s", (what, way, state, ending) => {
  const { code, said } = end(state, ending);
  const atExit = what === "process" && way === "is left by its last thread";
  switch (state) {
    case "disabled":
      expect(code).toBe(atExit ? 0xef : 0xf4);
      expect(said).toBe("");
      return;
    case "absent":
      expect(code).toBe(0xf4);
      expect(said).toMatch(/^KD: (Terminating c|C)ritical (process|thread) 0x[0-9a-f]+ \([^)]*\)( exited)?\n$/);
      return;
    default:
      // Asked once about each object (D28), and then it may go.
      expect(code).toBe(null);
      expect(said.match(/Break, or Ignore \(bi\)\? /g)).toHaveLength(1);
      expect(said.includes("Break instruction exception")).toBe(state === "break");
  }
});

test("D28: an answer that means nothing is asked for again, 16 times at most, and then the machine stops", () => {
  let asked = 0;
  const { k } = play(
    function* () {
      const child = yield* spawn(PROCESS_ENDINGS["is killed"]!.victim);
      yield* settle();
      yield* nt.NtTerminateProcess(child.handle, 5);
    },
    {
      outcome: "bugcheck",
      kernelDebugger: {
        enabled: true,
        notPresent: false,
        prompt: () => {
          asked++;
          return "";
        },
      },
    },
  );
  expect([asked, k.ke.bugCheck?.code]).toEqual([16, 0xf4]);
});
