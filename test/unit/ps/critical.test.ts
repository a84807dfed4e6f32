/** Critical processes and threads: their death stops the machine, unless somebody at the kernel debugger says otherwise. */
import { expect, test } from "vitest";
import { DispatcherType } from "../../../src/abi/ke.ts";
import {
  CT_BREAK_ON_TERMINATION,
  CURRENT_PROCESS_HANDLE,
  CURRENT_THREAD_HANDLE,
  PSF_BREAK_ON_TERMINATION,
} from "../../../src/abi/ps.ts";
import {
  ntStatus,
  STATUS_ACCESS_DENIED,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
} from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { nt, type ScriptChild } from "../../../src/guest/script/services.ts";
import { PspClearProcessFlag, PspSetCrossThreadFlag, PspSetProcessFlag } from "../../../src/ps/flags.ts";
import { PspTerminateThreadByPointer, PsTerminateProcess } from "../../../src/ps/kill.ts";
import {
  ended,
  Gate,
  joined,
  play,
  processById,
  type Scene,
  type SceneOptions,
  settle,
  sleepForever,
  spawn,
  stepsOf,
  threadById,
} from "../../support/scene.ts";

type Child = ScriptChild & { readonly thread: number };
type CriticalObject = "process" | "thread";

/** The kernel debugger of a machine, and what the kernel said to it. */
class Debugger {
  readonly printed: string[] = [];
  prompts = 0;
  breakpoints = 0;
  readonly #answers: string[];
  readonly #enabled: boolean;
  readonly #present: boolean;

  /** @param answers to the prompts in order; the last one is repeated */
  constructor(state: "disabled" | "absent" | "present", answers: string[] = [""]) {
    this.#enabled = state !== "disabled";
    this.#present = state === "present";
    this.#answers = answers;
  }

  options(outcome: "bugcheck" | "exited"): SceneOptions {
    return {
      outcome,
      kernelDebugger: {
        enabled: this.#enabled,
        notPresent: !this.#present,
        print: (text) => this.printed.push(text),
        prompt: () => this.#answers[Math.min(this.prompts++, this.#answers.length - 1)] ?? "",
        breakpoint: () => this.breakpoints++,
      },
    };
  }
}

function* makeCritical(what: CriticalObject, child: Child): Script<void> {
  yield* nt.call((k) => {
    const process = processById(k, child.id);
    if (what === "process") PspSetProcessFlag(process, PSF_BREAK_ON_TERMINATION);
    else PspSetCrossThreadFlag(process.ethreadListHead.flink!.owner!, CT_BREAK_ON_TERMINATION);
  });
}

/** How a critical object comes to its end. */
const WAYS = {
  "killed by another process": (child: Child) => nt.NtTerminateProcess(child.handle, 5),
  "killed thread by thread": (child: Child) => nt.NtTerminateThread(child.thread, 5),
  "killed by the kernel": (child: Child) =>
    nt.call((k) => PsTerminateProcess(k, processById(k, child.id), ntStatus(5))),
};
type Way = keyof typeof WAYS;

/** A critical process or thread is ended in some way under some debugger. */
function end(
  what: CriticalObject,
  way: Way,
  debuggerOf: Debugger,
  outcome: "bugcheck" | "exited",
): Scene & { child: Child } {
  let victim: Child | null = null;
  const scene = play(function* () {
    const child = yield* spawn(sleepForever);
    victim = child;
    yield* settle();
    yield* makeCritical(what, child);
    yield* WAYS[way](child);
    expect(yield* ended(child.handle)).toBe(5);
  }, debuggerOf.options(outcome));
  return { ...scene, child: victim! };
}

/** The object parameters of CRITICAL_OBJECT_TERMINATION. */
function criticalParameters({ k, child }: Scene & { child: Child }, what: CriticalObject): number[] {
  const process = processById(k, child.id);
  if (what === "process") return [DispatcherType.Process, process.id, 0, 0];
  return [DispatcherType.Thread, process.ethreadListHead.flink!.owner!.id, 0, 0];
}

for (const way of ["killed by another process", "killed by the kernel"] as const) {
  test(`0xF4: a critical process that is ${way} stops the machine without a debugger`, () => {
    const scene = end("process", way, new Debugger("disabled"), "bugcheck");
    expect(scene.k.ke.bugCheck).toEqual({ code: 0xf4, parameters: criticalParameters(scene, "process") });
  });

  test(`0xF4: a critical process that is ${way} stops the machine if the debugger is absent, after the message`, () => {
    const kd = new Debugger("absent");
    const scene = end("process", way, kd, "bugcheck");
    expect(scene.k.ke.bugCheck).toEqual({ code: 0xf4, parameters: criticalParameters(scene, "process") });
    expect(kd.printed).toEqual([expect.stringMatching(/^Terminating critical process 0x[0-9a-f]+ \(victim\.exe\)$/)]);
    expect(kd.prompts).toBe(0);
  });

  test(`a critical process that is ${way} dies if the debugger ignores it, which is asked once`, () => {
    const kd = new Debugger("present", ["i"]);
    const scene = end("process", way, kd, "exited");
    expect(kd.printed).toHaveLength(1);
    expect(kd.breakpoints).toBe(0);
    expect(stepsOf(scene)).toContain("E19");
  });

  test(`a critical process that is ${way} dies after a break into the debugger`, () => {
    const kd = new Debugger("present", ["B"]);
    end("process", way, kd, "exited");
    expect(kd.breakpoints).toBe(1);
  });
}

test("0xEF: a critical process whose last thread ends itself stops the machine at E19", () => {
  let pid = 0;
  const { k } = play(
    function* () {
      const child = yield* spawn(function* () {
        yield* settle();
        yield* nt.NtTerminateThread(CURRENT_THREAD_HANDLE, 5);
      });
      pid = child.id;
      yield* makeCritical("process", child);
      yield* ended(child.handle);
    },
    { outcome: "bugcheck" },
  );
  expect(k.ke.bugCheck).toEqual({ code: 0xef, parameters: [processById(k, pid).id, 0, 0, 0] });
});

test("0xEF: a critical process whose only thread is killed by itself stops at E19, not at the kill", () => {
  const scene = end("process", "killed thread by thread", new Debugger("disabled"), "bugcheck");
  expect(scene.k.ke.bugCheck).toMatchObject({ code: 0xef });
  expect(stepsOf(scene)).not.toContain("NP3");
});

test("0xF4: a critical process that ends itself stops the machine at the kill", () => {
  const { k } = play(
    function* () {
      const child = yield* spawn(function* () {
        yield* settle();
        yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 5);
      });
      yield* makeCritical("process", child);
      yield* ended(child.handle);
    },
    { outcome: "bugcheck" },
  );
  expect(k.ke.bugCheck).toMatchObject({ code: 0xf4 });
});

for (const way of ["killed thread by thread", "killed by another process"] as const) {
  test(`0xF4: a critical thread that is ${way} stops the machine without a debugger`, () => {
    const scene = end("thread", way, new Debugger("disabled"), "bugcheck");
    expect(scene.k.ke.bugCheck).toEqual({ code: 0xf4, parameters: criticalParameters(scene, "thread") });
  });

  test(`0xF4: a critical thread that is ${way} stops the machine if the debugger is absent, after the message`, () => {
    const kd = new Debugger("absent");
    const scene = end("thread", way, kd, "bugcheck");
    expect(scene.k.ke.bugCheck).toEqual({ code: 0xf4, parameters: criticalParameters(scene, "thread") });
    expect(kd.printed).toEqual([expect.stringMatching(/^Terminating critical thread 0x[0-9a-f]+ \(in victim\.exe\)$/)]);
  });

  test(`a critical thread that is ${way} dies if the debugger ignores it, which is asked once`, () => {
    const kd = new Debugger("present", ["i"]);
    const scene = end("thread", way, kd, "exited");
    expect(kd.printed).toHaveLength(1);
    expect(stepsOf(scene)).toContain("E18");
  });

  test(`a critical thread that is ${way} dies after a break into the debugger`, () => {
    const kd = new Debugger("present", ["b"]);
    end("thread", way, kd, "exited");
    expect(kd.breakpoints).toBe(1);
  });
}

test("0xF4: a critical thread that ends itself stops the machine", () => {
  const { k } = play(
    function* () {
      const child = yield* spawn(function* () {
        yield* settle();
        return 5 as never;
      });
      yield* makeCritical("thread", child);
      yield* ended(child.handle);
    },
    { outcome: "bugcheck" },
  );
  expect(k.ke.bugCheck).toMatchObject({ code: 0xf4 });
});

test("the debugger's answer counts in either case, by its first letter, after answers that are none", () => {
  const kd = new Debugger("present", ["", "x", "?", "Ignore"]);
  end("process", "killed by another process", kd, "exited");
  expect(kd.prompts).toBe(4);
});

test("D28: a prompt that nobody ever answers is given up, and the machine stops", () => {
  const kd = new Debugger("present", [""]);
  const { k } = end("process", "killed by another process", kd, "bugcheck");
  expect(kd.prompts).toBe(16);
  expect(k.ke.bugCheck).toMatchObject({ code: 0xf4 });
});

test("a process that is no longer critical ends like any other", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    yield* makeCritical("process", child);
    yield* nt.call((k) => PspClearProcessFlag(processById(k, child.id), PSF_BREAK_ON_TERMINATION));
    yield* nt.NtTerminateProcess(child.handle, 5);
    expect(yield* ended(child.handle)).toBe(5);
  });
});

test("D47a: terminating a critical process that has exited answers PROCESS_IS_TERMINATING and stops nothing", () => {
  play(function* () {
    const child = yield* spawn(function* () {
      yield* nt.NtTestAlert();
    });
    yield* ended(child.handle);
    yield* makeCritical("process", child);
    expect(yield* nt.NtTerminateProcess(child.handle, 5)).toBe(STATUS_PROCESS_IS_TERMINATING);
  });
});

test("D47b: terminating a critical thread that is dying or dead answers SUCCESS and stops nothing", () => {
  play(function* () {
    const gate = new Gate();
    const child = yield* spawn(() => nt.call((k) => gate.pass(k)));
    yield* settle();
    const thread = yield* nt.call((k) => processById(k, child.id).ethreadListHead.flink!.owner!);
    yield* nt.NtTerminateThread(child.thread, 5);
    yield* makeCritical("thread", child);
    expect(yield* nt.NtTerminateThread(child.thread, 5)).toBe(STATUS_SUCCESS);
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* joined(child.thread)).toBe(5);
    expect(yield* nt.call((k) => threadById(k, thread.tid).crossThreadFlags & CT_BREAK_ON_TERMINATION)).not.toBe(0);
    expect(yield* nt.NtTerminateThread(child.thread, 5)).toBe(STATUS_SUCCESS);
  });
});

test("D47c: a critical system thread answers ACCESS_DENIED and stops nothing", () => {
  play(function* () {
    yield* nt.call(function* (k) {
      const thread = k.ex.upcalls.createSystemThread(k, (kernel) => new Gate().pass(kernel), "keeper");
      const keeper = threadById(k, (thread as { tid?: number }).tid!);
      PspSetCrossThreadFlag(keeper, CT_BREAK_ON_TERMINATION);
      const kill = { self: false, route: "killed", via: "test" } as const;
      expect(yield* PspTerminateThreadByPointer(k, keeper, ntStatus(5), kill)).toBe(STATUS_ACCESS_DENIED);
    });
  });
});

test("D47d: the NULL form in a critical process ends its other threads and stops nothing", () => {
  const scene = play(
    function* () {
      const child = yield* spawn(function* () {
        yield* settle();
        expect(yield* nt.NtTerminateProcess(0, 5)).toBe(STATUS_SUCCESS);
        yield* nt.call((k) => {
          PspClearProcessFlag(processById(k, child.id), PSF_BREAK_ON_TERMINATION);
        });
      });
      yield* makeCritical("process", child);
      expect(yield* ended(child.handle)).toBe(0);
    },
    { outcome: "exited" },
  );
  expect(stepsOf(scene)).not.toContain("C1");
});

test("D47e: two killers of one critical process ask the debugger once between them", () => {
  const kd = new Debugger("present", ["i"]);
  play(function* () {
    const gate = new Gate();
    const child = yield* spawn(() => nt.call((k) => gate.pass(k)));
    yield* settle();
    yield* makeCritical("process", child);
    yield* nt.NtTerminateProcess(child.handle, 5);
    yield* nt.NtTerminateProcess(child.handle, 6);
    expect(kd.prompts).toBe(1);
    yield* nt.call((k) => {
      gate.open(k);
    });
    expect(yield* ended(child.handle)).toBe(5);
  }, kd.options("exited"));
});
