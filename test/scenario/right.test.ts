/**
 * What looks wrong in the seed and is right: thirteen cases that were examined and stay as they are. Each runs in the order
 * that makes it look wrong; that the machine comes to rest and nothing is left is part of each.
 */
import { expect, test } from "vitest";
import { KernelMode, UserMode } from "../../src/abi/ke.ts";
import { CURRENT_PROCESS_HANDLE, CURRENT_THREAD_HANDLE } from "../../src/abi/ps.ts";
import { ntStatus, STATUS_SUCCESS, STATUS_THREAD_IS_TERMINATING } from "../../src/abi/status.ts";
import type { Script } from "../../src/guest/script/context.ts";
import { nt } from "../../src/guest/script/services.ts";
import { KeInsertQueueApc, newApc, noKernelRoutine } from "../../src/ke/apc.ts";
import type { KThread } from "../../src/ke/objects.ts";
import { KeSuspendThread } from "../../src/ke/suspend.ts";
import { KeDelayExecutionThread } from "../../src/ke/wait.ts";
import type { Kernel } from "../../src/kernel.ts";
import { ObClearProcessHandleTable } from "../../src/ob/killprocess.ts";
import { PsGetCurrentThread } from "../../src/ps/current.ts";
import { NtTerminateThread } from "../../src/ps/killservices.ts";
import { PsLookupProcessByProcessId } from "../../src/ps/lookup.ts";
import { PsSetCreateThreadNotifyRoutine } from "../../src/ps/notify.ts";
import { runScenario } from "../../src/scenario/run.ts";
import { run, type Scenario, until } from "../../src/scenario/scenario.ts";
import type { Stage } from "../../src/scenario/stage.ts";
import type { Blocking } from "../../src/sim/blocking.ts";
import { erratumGap } from "../../src/sim/gap.ts";
import type { KernelEvent } from "../../src/sim/record.ts";

type Part = Pick<Scenario, "setUp" | "schedule" | "cleanUp"> & {
  /** Looks at the end of the schedule. */
  readonly look?: (stage: Stage) => void;
};

/** Runs it; fails if anything is wrong or left. @returns every event */
function perform({ look, ...part }: Part): readonly KernelEvent[] {
  const violation = (stage: Stage): null => {
    if (stage.end === null) look?.(stage);
    return null;
  };
  const result = runScenario({ id: "d00-right", defects: [], meaning: "", ...part, violation });
  expect(result.violation).toBeNull();
  expect(result.end.outcome).toBe("exited");
  return result.events;
}

function stepsOf(events: readonly KernelEvent[], tid: number): string[] {
  return events.flatMap((event) => (event.kind === "step" && event.tid === tid ? [event.step] : []));
}

function* naps(): Script<void> {
  for (;;) yield* nt.NtDelayExecution(false, 1_000);
}

/** A program that the kernel keeps busy, so that a kill reaches its thread late. */
const busyFor = (timeout100ns: number) => (): Script<unknown> =>
  nt.call((k) => KeDelayExecutionThread(k, { mode: KernelMode, alertable: false, timeout100ns }));

/** Gives the thread a user APC that is run down when it exits, after it has stopped counting. */
function giveUserApc(k: Kernel, thread: KThread, rundown: (k: Kernel) => Blocking<void>): void {
  const routines = { kernelRoutine: noKernelRoutine, rundownRoutine: rundown, normalRoutine: 1 };
  KeInsertQueueApc(k, newApc(k, thread, { environment: 0, ...routines, mode: UserMode }), null, null, 0);
}

test("1: the last thread's walk over its siblings survives the deletion of those that it has passed", () => {
  let tid = 0;
  const siblings = ["a", "b", "c"];
  const events = perform({
    *setUp(stage) {
      yield* stage.makeProcess("victim");
      for (const [index, name] of siblings.entries()) {
        yield* stage.makeActor(name, function* () {}, { process: "victim" });
        yield* nt.call((k) => {
          const timeout100ns = 20_000 * (index + 1);
          giveUserApc(k, stage.thread(name), function* (kernel) {
            yield* KeDelayExecutionThread(kernel, { mode: KernelMode, alertable: false, timeout100ns });
          });
        });
        // Nobody else keeps the thread's object.
        yield* nt.NtClose(stage.handle(name));
      }
      yield* stage.makeActor("last", function* () {}, { process: "victim" });
    },
    schedule: [...siblings.map(run), { run: "last", until: "its end", for100ns: 200_000 }],
    look(stage) {
      tid = stage.thread("last").tid;
      expect(stage.hasEnded("victim")).toBe(true);
    },
  });
  expect(stepsOf(events, tid).filter((step) => step === "E13")).toHaveLength(siblings.length);
  const secondWait = events.findLastIndex(
    (event) => event.kind === "step" && event.step === "E13" && event.tid === tid,
  );
  expect(events.slice(0, secondWait).some(({ kind }) => kind === "thread-deleted")).toBe(true);
});

test("2: a suicide lets go of its process's rundown before it exits, or it would wait for itself", () => {
  let tid = 0;
  const events = perform({
    *setUp(stage) {
      yield* stage.makeProcess("victim");
      const suicide = () => nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 5);
      yield* stage.makeActor("only", suicide, { process: "victim" });
    },
    schedule: [run("only")],
    look(stage) {
      tid = stage.thread("only").tid;
      expect(stage.hasEnded("victim")).toBe(true);
    },
  });
  const steps = stepsOf(events, tid);
  expect(steps.indexOf("NP6")).toBeLessThan(steps.indexOf("NP8"));
  expect(steps.indexOf("NP8")).toBeLessThan(steps.indexOf("NP10"));
});

test("3: the kill's APC block is queued again by its own normal routine, and delivery does not touch it afterwards", () => {
  let tid = 0;
  const events = perform({
    *setUp(stage) {
      yield* stage.makeThread("victim", naps);
      yield* stage.makeActor("killer", () => nt.NtTerminateThread(stage.handle("victim"), 5));
    },
    schedule: [run("killer")],
    look(stage) {
      tid = stage.thread("victim").tid;
      expect(stage.thread("victim").exitStatus).toBe(5);
      expect(stage.thread("victim").exitApc?.inserted).toBe(false);
    },
  });
  const kills = events.flatMap((event) => (event.kind === "apc" && event.tid === tid ? [event] : []));
  expect(kills.map(({ act, mode }) => [act, mode])).toEqual([
    ["queued", KernelMode],
    ["delivered", KernelMode],
    ["queued", UserMode],
    ["delivered", UserMode],
  ]);
  expect(new Set(kills.map(({ apc }) => apc)).size).toBe(1);
});

test("4: a suspension that comes after a thread has closed its APC queues does not hold it", () => {
  let count: unknown = null;
  perform({
    *setUp(stage) {
      yield* stage.makeActor("victim", function* () {});
      yield* nt.call((k) =>
        giveUserApc(k, stage.thread("victim"), function* (kernel) {
          count = KeSuspendThread(kernel, PsGetCurrentThread(kernel));
        }),
      );
    },
    schedule: [run("victim")],
    look: (stage) => expect(stage.hasEnded("victim")).toBe(true),
  });
  expect(count).toEqual({ ok: true, value: 0 });
});

test("5: suicides drop their references before they die", () => {
  perform({
    *setUp(stage) {
      yield* stage.makeProcess("victim");
      const byHandle = function* () {
        const self = yield* nt.NtOpenThread(yield* nt.call((k) => PsGetCurrentThread(k).tid));
        if (self.ok) yield* nt.NtTerminateThread(self.value, 6);
      };
      yield* stage.makeActor("by handle", byHandle, { process: "victim" });
      const process = () => nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 5);
      yield* stage.makeActor("process", process, { process: "victim" });
    },
    schedule: [run("by handle"), run("process")],
    look(stage) {
      expect(stage.thread("by handle").exitStatus).toBe(6);
      expect(stage.process("victim").exitStatus).toBe(5);
    },
  });
});

test("6: killing a thread that is marked already succeeds and changes nothing", () => {
  perform({
    *setUp(stage) {
      yield* stage.makeThread("victim", busyFor(50_000));
      for (const status of [1, 2]) {
        yield* stage.makeActor(`killer ${status}`, () => nt.NtTerminateThread(stage.handle("victim"), status));
      }
    },
    schedule: [run("killer 1"), run("killer 2"), { run: "victim", for100ns: 100_000 }],
    look(stage) {
      expect([stage.answer("killer 1"), stage.answer("killer 2")]).toEqual([STATUS_SUCCESS, STATUS_SUCCESS]);
      expect(stage.thread("victim").exitStatus).toBe(1);
    },
  });
});

test.each([
  ["suspender", "killer"],
  ["killer", "suspender"],
])("7: suspending and killing end in death: %s before %s", (first, second) => {
  perform({
    *setUp(stage) {
      yield* stage.makeThread("victim", busyFor(15_000));
      yield* stage.makeActor("killer", () => nt.NtTerminateThread(stage.handle("victim"), 5));
      yield* stage.makeActor("suspender", () => nt.NtSuspendThread(stage.handle("victim")));
    },
    schedule: [run(first), run(second), { run: "victim", for100ns: 100_000 }],
    look(stage) {
      expect(stage.answer("killer")).toBe(STATUS_SUCCESS);
      expect(stage.thread("victim").exitStatus).toBe(5);
      const refused = { ok: false, status: STATUS_THREAD_IS_TERMINATING };
      expect(stage.answer("suspender")).toEqual(first === "killer" ? refused : { ok: true, value: 0 });
    },
  });
});

test("8: clearing the handles of a process that has ended does nothing", () => {
  perform({
    *setUp(stage) {
      yield* stage.makeProcess("victim");
      yield* stage.makeThread("only", function* () {}, { process: "victim" });
      yield* stage.makeActor("cleaner", () => nt.call((k) => ObClearProcessHandleTable(k, stage.process("victim"))));
    },
    schedule: [run("cleaner")],
    look(stage) {
      expect(stage.process("victim").objectTable).toBeNull();
      expect(stage.isDone("cleaner")).toBe(true);
    },
  });
});

test("9: a process that is being deleted still has its id, and nobody finds it by that", () => {
  const found: boolean[] = [];
  perform({
    *setUp(stage) {
      yield* stage.makeProcess("victim");
      yield* stage.makeThread("only", function* () {}, { process: "victim" });
      yield* nt.call((k) => {
        const type = k.ps.processType as { deleteProcedure: typeof k.ps.processType.deleteProcedure };
        const original = type.deleteProcedure;
        type.deleteProcedure = function* (kernel, body): Blocking<void> {
          found.push(PsLookupProcessByProcessId(kernel, stage.process("victim").pid).ok);
          yield* original?.(kernel, body) ?? [];
        };
      });
      yield* stage.makeActor("closer", function* () {
        yield* nt.NtClose(stage.handle("only"));
        yield* nt.NtClose(stage.handle("victim"));
      });
    },
    schedule: [run("closer")],
  });
  expect(found[0]).toBe(false);
});

const HELD = "D35:rundown-held";

test("10: two processes that terminate each other both end", () => {
  perform({
    *setUp(stage) {
      for (const [own, other] of [
        ["one", "two"],
        ["two", "one"],
      ] as const) {
        yield* stage.makeProcess(own);
        const kill = function* () {
          const victim = yield* nt.NtOpenProcess(stage.process(other).pid);
          if (victim.ok) yield* nt.NtTerminateProcess(victim.value, 5);
        };
        yield* stage.makeActor(`killer in ${own}`, kill, { process: own });
      }
    },
    schedule: [until("killer in one", HELD), until("killer in two", HELD), run("killer in one"), run("killer in two")],
    look(stage) {
      expect([stage.hasEnded("one"), stage.hasEnded("two")]).toEqual([true, true]);
    },
  });
});

test("11: a killer that is killed finishes its call, and its victim ends", () => {
  perform({
    *setUp(stage) {
      yield* stage.makeProcess("victim");
      yield* stage.makeThread("napper", naps, { process: "victim" });
      yield* stage.makeActor("killer", () => nt.NtTerminateProcess(stage.handle("victim"), 5));
      yield* stage.makeActor("killer's killer", () => nt.NtTerminateThread(stage.handle("killer"), 6));
    },
    schedule: [until("killer", HELD), run("killer's killer"), run("killer")],
    look(stage) {
      expect(stage.process("victim").exitStatus).toBe(5);
      expect(stage.hasEnded("victim")).toBe(true);
      expect(stage.thread("killer").exitStatus).toBe(6);
    },
  });
});

test("12: of two killers of one process both succeed, and each thread gets one APC", () => {
  const tids: number[] = [];
  const events = perform({
    *setUp(stage) {
      yield* stage.makeProcess("victim");
      for (const name of ["a", "b"]) yield* stage.makeThread(name, busyFor(50_000), { process: "victim" });
      for (const status of [1, 2]) {
        yield* stage.makeActor(`killer ${status}`, () => nt.NtTerminateProcess(stage.handle("victim"), status));
      }
    },
    schedule: [until("killer 1", HELD), run("killer 2"), run("killer 1"), { run: "a", for100ns: 100_000 }],
    look(stage) {
      tids.push(stage.thread("a").tid, stage.thread("b").tid);
      expect([stage.answer("killer 1"), stage.answer("killer 2")]).toEqual([STATUS_SUCCESS, STATUS_SUCCESS]);
      expect(stage.hasEnded("victim")).toBe(true);
    },
  });
  for (const tid of tids) {
    const queued = events.filter(
      (event) => event.kind === "apc" && event.act === "queued" && event.mode === KernelMode && event.tid === tid,
    );
    expect(queued).toHaveLength(1);
  }
});

test("13: a kill that comes to a thread which is ending itself is done with exactly once", () => {
  let tid = 0;
  const events = perform({
    *setUp(stage) {
      yield* stage.makeActor("suicide", () =>
        nt.call(function* (k) {
          yield* erratumGap(k, "in-the-service");
          return yield* NtTerminateThread(k, CURRENT_THREAD_HANDLE, ntStatus(7));
        }),
      );
      yield* stage.makeActor("killer", () => nt.NtTerminateThread(stage.handle("suicide"), 5));
      // The exit takes APCs while it announces itself, as it may at any step before it closes its queues.
      yield* nt.call((k) =>
        PsSetCreateThreadNotifyRoutine(k, function* (kernel, _pid, _tid, create): Blocking<void> {
          if (!create) {
            yield* KeDelayExecutionThread(kernel, { mode: KernelMode, alertable: false, timeout100ns: 1_000 });
          }
        }),
      );
    },
    schedule: [until("suicide", "in-the-service"), run("killer"), run("suicide")],
    look(stage) {
      tid = stage.thread("suicide").tid;
      expect(stage.thread("suicide").exitStatus).toBe(7);
      expect(stage.thread("suicide").exitApc?.inserted).toBe(false);
    },
  });
  const acts = events.flatMap((event) => (event.kind === "apc" && event.tid === tid ? [event.act] : []));
  expect(acts).toEqual(["queued", "delivered", "queued", "flushed"]);
});
