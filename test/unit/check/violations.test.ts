/** Every check can fail: each rule is broken on purpose, in a kernel that runs, and the check says so. */
import { describe, expect, test } from "vitest";
import { PSF_PROCESS_DELETE, PSF_PROCESS_EXITING } from "../../../src/abi/ps.ts";
import type { RuleFamily, Violation } from "../../../src/check/rule.ts";
import { watchKernel } from "../../../src/check/watch.ts";
import { ExMapHandleToPointer } from "../../../src/ex/handle.ts";
import { ExAcquirePushLockExclusive, ExReleasePushLock } from "../../../src/ex/pushlock.ts";
import type { Script, ScriptProgram } from "../../../src/guest/script/context.ts";
import { lpc } from "../../../src/guest/script/lpc.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { KeAcquireGuardedMutex, KeReleaseGuardedMutex } from "../../../src/ke/gmutex.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../../../src/ke/region.ts";
import type { Kernel } from "../../../src/kernel.ts";
import { createMachine } from "../../../src/machine/machine.ts";
import { headerOf } from "../../../src/ob/header.ts";
import { ObCreateObject } from "../../../src/ob/create.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../../../src/ps/current.ts";
import { Job } from "../../../src/ps/job.ts";
import { PspAddProcessToJob } from "../../../src/ps/jobmembers.ts";
import type { EProcess } from "../../../src/ps/objects.ts";
import { AssertionFailure } from "../../../src/rtl/assert.ts";
import { emit, type KernelEvent, trace } from "../../../src/sim/record.ts";
import { createPort } from "../../support/port.ts";
import { ended, joined, processById, settle, sleepForever, spawn, start, threadById } from "../../support/scene.ts";

/** Runs a program on a kernel that is checked, and that may break down. @returns what the checks said */
function violationsOf(program: ScriptProgram, see: (k: Kernel, event: KernelEvent) => void = () => {}): Violation[] {
  const violations: Violation[] = [];
  let kernel: Kernel | null = null;
  const sink = (event: KernelEvent): void => {
    if (kernel !== null) see(kernel, event);
  };
  const report = (violation: Violation): unknown => violations.push(violation);
  const observe = (k: Kernel): void => watchKernel(k, report);
  const machine = createMachine({ processor: null, environment: null, record: sink, trace: sink, observe });
  kernel = machine.kernel;
  expect(machine.startScript("broken.exe", program)).toEqual({ ok: true });
  try {
    machine.run({ turns: 20_000, stop: () => false });
  } catch (error) {
    // The kernel's own checks may come on top.
    if (!(error instanceof AssertionFailure)) throw error;
  }
  return violations;
}

function sentences(violations: readonly Violation[], family: RuleFamily): string {
  return violations.flatMap((violation) => (violation.family === family ? [violation.sentence] : [])).join("\n");
}

/** Starts another process, changes something of it, and lets a third one come and go, so that everything is looked at. */
function* spoil(change: (k: Kernel, child: { readonly pid: number; readonly tid: number }) => void): Script<void> {
  const child = yield* spawn(sleepForever);
  const extra = yield* nt.NtCreateThread(sleepForever, { process: child.handle });
  yield* settle();
  const tid = extra.ok ? extra.value.id : 0;
  yield* nt.call((k) => change(k, { pid: child.id, tid }));
  const passer = yield* spawn(function* () {
    yield* nt.NtTestAlert();
  });
  yield* ended(passer.handle);
  if (extra.ok) yield* nt.NtTerminateThread(extra.value.handle, 1);
  yield* settle();
  yield* nt.NtTerminateProcess(child.handle, 1);
  yield* settle();
}

/** A rule, how it is broken, and what the check says. */
interface Break {
  readonly family: RuleFamily;
  readonly what: string;
  readonly program: ScriptProgram;
  readonly see?: (k: Kernel, event: KernelEvent) => void;
  readonly says: RegExp;
}

/** Changes something of a thread of which a step is seen. */
function atStep(step: string, change: (k: Kernel, tid: number) => void): (k: Kernel, event: KernelEvent) => void {
  return (k, event) => {
    if (event.kind === "step" && event.step === step) change(k, event.tid);
  };
}

const oneThread: ScriptProgram = function* () {
  yield* joined((yield* start(function* () {})).handle);
};

/** Puts the child in a job and then changes something of that. */
function spoilJob(change: (job: Job, child: EProcess) => void): Script<void> {
  return spoil((k, { pid }) => {
    const child = processById(k, pid);
    const job = new Job(k);
    ObCreateObject(k, k.ps.jobType, job);
    PspAddProcessToJob(k, job, child);
    change(job, child);
  });
}

const JOB_BREAKS: readonly (readonly [string, (job: Job, child: EProcess) => void, RegExp])[] = [
  ["a job counts a member twice", (job) => job.activeProcesses++, /counts 2 active processes, not 1/],
  ["a job forgets a member", (job, child) => job.members.delete(child), /which does not know it/],
  ["a job counts pages that nobody has", (job) => job.committedPages++, /counts 1 pages, not 0/],
];

const BREAKS: readonly Break[] = [
  ...JOB_BREAKS.map(
    ([what, change, says]) => ({ family: "jobs", what, program: () => spoilJob(change), says }) as const,
  ),
  {
    family: "flags",
    what: "a flag of a process's end is cleared",
    program: function* () {
      let flags = 0;
      yield* spoil((k, { pid }) => {
        flags = processById(k, pid).flags |= PSF_PROCESS_DELETE;
      });
      expect(flags).not.toBe(0);
    },
    see: atStep("E15", (k, tid) => (threadById(k, tid).threadsProcess.flags &= ~PSF_PROCESS_DELETE)),
    says: /loses a flag of its end/,
  },
  {
    family: "flags",
    what: "a process exits that has active threads",
    program: () => spoil((k, { pid }) => (processById(k, pid).flags |= PSF_PROCESS_EXITING)),
    says: /is exiting and has active threads/,
  },
  {
    family: "flags",
    what: "the mark of a thread is taken away",
    program: () => oneThread(),
    see: atStep("E8", (k, tid) => (threadById(k, tid).crossThreadFlags = 0)),
    says: /is no longer marked/,
  },
  {
    family: "counting",
    what: "a thread is counted twice",
    program: () => spoil((k, { pid }) => processById(k, pid).activeThreads++),
    says: /counts 3 threads, not 2/,
  },
  {
    family: "counting",
    what: "a count falls below zero",
    program: oneThread,
    see: atStep("E47", (k, tid) => (threadById(k, tid).threadsProcess.activeThreads = -1)),
    says: /counts -1 threads/,
  },
  {
    family: "counting",
    what: "a thread appears in a process that is closed to new ones",
    program: function* () {
      const child = yield* spawn(sleepForever);
      yield* nt.NtCreateThread(sleepForever, { process: child.handle });
      yield* settle();
      yield* nt.NtTerminateProcess(child.handle, 1);
      yield* settle();
    },
    see: atStep("E15", (k, tid) => (threadById(k, tid).threadsProcess.activeThreads += 3)),
    says: /is closed to new threads and gets one/,
  },
  {
    family: "last-thread",
    what: "a step that ends the process is taken by a thread that is not the last",
    program: () => nt.call((k) => trace(k, { kind: "step", step: "E34", pid: 8, tid: 97 })),
    says: /thread 97 takes E34 and is not the last/,
  },
  {
    family: "last-thread",
    what: "a step comes after a later one",
    program: () =>
      nt.call((k) => {
        for (const step of ["E30", "E29"]) trace(k, { kind: "step", step, pid: 8, tid: 99 });
      }),
    says: /thread 99 takes E29 after E30/,
  },
  {
    family: "last-thread",
    what: "a thread leaves after the last one",
    program: () =>
      nt.call((k) => {
        trace(k, { kind: "step", step: "E11", pid: 400, tid: 99 });
        trace(k, { kind: "step", step: "E10", pid: 400, tid: 98 });
      }),
    says: /thread 98 leaves process 400 after its last one/,
  },
  {
    family: "signals",
    what: "a process is signaled whose threads run",
    program: () => spoil((k, { pid }) => (processById(k, pid).signalState = 1)),
    says: /is signaled before thread/,
  },
  {
    family: "signals",
    what: "the last thread is signaled first",
    program: function* () {
      yield* ended((yield* spawn(function* () {})).handle);
    },
    see: atStep("E47", (k, tid) => (threadById(k, tid).threadsProcess.signalState = 0)),
    says: /the last thread \d+ is signaled before process/,
  },
  {
    family: "kill-apcs",
    what: "a kill is delivered that was not queued",
    program: () =>
      spoil((k, { tid }) => {
        const apc = threadById(k, tid).exitApc!.id;
        trace(k, { kind: "apc", act: "delivered", tid, mode: 1, apc });
      }),
    says: /is delivered and was not queued/,
  },
  {
    family: "kill-apcs",
    what: "a kill is queued twice and lost",
    program: () =>
      spoil((k, { tid }) => {
        const apc = threadById(k, tid).exitApc!.id;
        for (let times = 0; times < 2; times++) trace(k, { kind: "apc", act: "queued", tid, mode: 0, apc });
        emit(k, { kind: "thread-signaled", time: 0, pid: 8, tid });
      }),
    says: /is queued twice\n(.*\n)*.*is signaled and its kill is still queued/,
  },
  {
    family: "termination-ports",
    what: "a port is registered that nobody refers to",
    program: function* () {
      const server = yield* createPort();
      yield* lpc.NtRegisterThreadTerminatePort(server.handle);
      yield* nt.call(() => (headerOf(server.port).pointerCount = 1));
      yield* lpc.NtRegisterThreadTerminatePort(server.handle);
      yield* nt.call(() => (headerOf(server.port).pointerCount = 1));
    },
    says: /is not referenced for it/,
  },
  {
    family: "termination-ports",
    what: "the entry of a port is freed twice",
    program: () => nt.call((k) => trace(k, { kind: "pool", act: "free", id: 7, tag: "PsT=", bytes: 8 })),
    says: /the entry 7 of a termination port is freed twice/,
  },
  {
    family: "references",
    what: "a thread runs to which nobody refers",
    program: () => spoil((k, { tid }) => (headerOf(threadById(k, tid)).pointerCount = 0)),
    says: /runs and nobody refers to it/,
  },
  {
    family: "references",
    what: "a process has fewer references than threads",
    program: () => spoil((k, { pid }) => (headerOf(processById(k, pid)).pointerCount = 1)),
    says: /has 2 threads and 1 references/,
  },
  {
    family: "references",
    what: "a thread is deleted before it is reaped",
    program: () =>
      nt.call((k) => {
        emit(k, { kind: "thread-signaled", time: 0, pid: 8, tid: 400 });
        emit(k, { kind: "thread-deleted", time: 0, pid: 8, tid: 400 });
      }),
    says: /thread 400 is deleted before it is reaped/,
  },
  {
    family: "references",
    what: "rundown protection is released that was not taken",
    program: () => spoil((k, { pid }) => (processById(k, pid).rundownProtect.count = -1)),
    says: /the rundown of process \d+ was released more often than taken/,
  },
  {
    family: "references",
    what: "a handle leads to an object that does not count it",
    program: function* () {
      const event = yield* nt.NtCreateEvent("notification");
      yield* nt.call((k) => {
        const entry = ExMapHandleToPointer(PsGetCurrentProcess(k).objectTable!, event.ok ? event.value : 0);
        headerOf(entry!.object!).handleCount = 0;
      });
      yield* oneThread();
    },
    says: /leads to an object without handles/,
  },
  {
    family: "remains",
    what: "a thread is signaled while somebody works on it",
    program: oneThread,
    see: atStep("E47", (k, tid) => (threadById(k, tid).rundownProtect.count = 1)),
    says: /is signaled while somebody works on it/,
  },
  {
    family: "remains",
    what: "a thread is signaled with its APCs off",
    program: oneThread,
    see: atStep("E47", (k, tid) => (threadById(k, tid).kernelApcDisable = -1)),
    says: /is signaled with its APCs off/,
  },
  {
    family: "ids",
    what: "a thread loses its id while it runs",
    program: oneThread,
    see: atStep("E15", (k, tid) => (ExMapHandleToPointer(k.ps.cidTable, tid)!.object = null)),
    says: /runs without its id/,
  },
  {
    family: "ids",
    what: "an id outlives its object",
    program: () => nt.call((k) => emit(k, { kind: "thread-deleted", time: 0, pid: 8, tid: PsGetCurrentThread(k).tid })),
    says: /outlives its object/,
  },
  {
    family: "ids",
    what: "an id leads to another object",
    program: () =>
      spoil((k, { pid, tid }) => {
        ExMapHandleToPointer(k.ps.cidTable, tid)!.object = processById(k, pid);
      }),
    says: /id \d+ leads to \d+/,
  },
  {
    family: "user-mode",
    what: "a thread goes on in user mode after its death was decided",
    program: function* () {
      yield* nt.call((k) => {
        const { tid } = PsGetCurrentThread(k);
        const request = { route: "killed", killer: null, via: "test", from: 0, status: 1 } as const;
        emit(k, { kind: "thread-marked", time: 0, pid: 8, tid, request });
      });
      yield* nt.NtTestAlert();
    },
    says: /was told to die and calls NtTestAlert/,
  },
  {
    family: "locks",
    what: "locks are taken in the wrong order",
    program: () =>
      nt.call(function* (k) {
        const { processLock } = PsGetCurrentProcess(k);
        KeEnterCriticalRegion(k);
        yield* ExAcquirePushLockExclusive(k, processLock);
        yield* KeAcquireGuardedMutex(k, k.ps.activeProcessMutex);
        yield* KeReleaseGuardedMutex(k, k.ps.activeProcessMutex);
        ExReleasePushLock(k, processLock);
        yield* KeLeaveCriticalRegion(k);
      }),
    says: /takes PspActiveProcessMutex while it holds ProcessLock\n.*together with PspActiveProcessMutex/,
  },
  {
    family: "locks",
    what: "a lock is released that is not held",
    program: () =>
      nt.call((k) => {
        ExReleasePushLock(k, PsGetCurrentProcess(k).processLock);
      }),
    says: /releases ProcessLock and does not hold it/,
  },
  {
    family: "locks",
    what: "a lock is held on the way to user mode",
    program: () =>
      nt.call(function* (k) {
        KeEnterCriticalRegion(k);
        yield* ExAcquirePushLockExclusive(k, PsGetCurrentProcess(k).processLock);
        yield* KeLeaveCriticalRegion(k);
      }),
    says: /returns to user mode from call and holds ProcessLock/,
  },
  {
    family: "pool",
    what: "a block is freed twice",
    program: () =>
      nt.call((k) => {
        for (let times = 0; times < 2; times++) trace(k, { kind: "pool", act: "free", id: 7, tag: "Test", bytes: 8 });
      }),
    says: /block 7 \(Test\) is freed twice/,
  },
  {
    family: "pool",
    what: "a process lies in a block that is free",
    program: () => spoil((k, { pid }) => (headerOf(processById(k, pid)).block!.freed = true)),
    says: /lies in a free block/,
  },
];

describe("a violation is found", () => {
  for (const { family, what, program, see, says } of BREAKS) {
    test(`${family}: ${what}`, () => {
      expect(sentences(violationsOf(program, see), family)).toMatch(says);
    });
  }
});

test("a kernel that is left alone violates nothing", () => {
  expect(violationsOf(() => spoil(() => {}))).toEqual([]);
});
