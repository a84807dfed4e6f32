/** Jobs in jobs: who may come where, who hears of what, and how far an end reaches. */
import { describe, expect, test } from "vitest";
import { JobLimit } from "../../../src/abi/job.ts";
import { CURRENT_PROCESS_HANDLE } from "../../../src/abi/ps.ts";
import {
  STATUS_ACCESS_DENIED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_PENDING,
  STATUS_PROCESS_IN_JOB,
  STATUS_PROCESS_NOT_IN_JOB,
  STATUS_QUOTA_EXCEEDED,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
} from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { nt, type ScriptChild } from "../../../src/guest/script/services.ts";
import { assign, counts, limit, listen, makeJob, messages } from "../../support/jobs.ts";
import { ended, must, play, processById, settle, sleepForever, spawn } from "../../support/scene.ts";

/** A chain of jobs, outermost first, and a process that is in all of them. */
function* chain(depth: number): Script<{ jobs: number[]; process: ScriptChild & { readonly thread: number } }> {
  const process = yield* spawn(sleepForever);
  const jobs: number[] = [];
  for (let level = 0; level < depth; level++) {
    jobs.push(yield* makeJob());
    yield* assign(jobs[level] ?? 0, process.handle);
  }
  return { jobs, process };
}

test("a process in a job that is assigned to an empty job nests that one in its own", () => {
  play(function* () {
    const { jobs, process } = yield* chain(3);
    for (const job of jobs) {
      expect(yield* nt.NtIsProcessInJob(process.handle, job)).toBe(STATUS_PROCESS_IN_JOB);
      expect(yield* counts(job)).toEqual([1, 1, 0]);
    }
    yield* nt.NtTerminateProcess(process.handle, 1);
    yield* ended(process.handle);
    for (const job of jobs) expect(yield* counts(job)).toEqual([1, 0, 0]);
  });
});

test("a process comes into a job further in, and no further out, nor sideways, nor where it is", () => {
  play(function* () {
    const { jobs, process } = yield* chain(3);
    for (const job of jobs)
      expect(yield* nt.NtAssignProcessToJobObject(job, process.handle)).toBe(STATUS_ACCESS_DENIED);
    const second = yield* spawn(sleepForever);
    yield* assign(jobs[0] ?? 0, second.handle);
    yield* assign(jobs[2] ?? 0, second.handle);
    expect(yield* counts(jobs[1] ?? 0)).toEqual([2, 2, 0]);
    const third = yield* spawn(sleepForever);
    const other = yield* makeJob();
    yield* assign(other, third.handle);
    expect(yield* nt.NtAssignProcessToJobObject(jobs[2] ?? 0, third.handle)).toBe(STATUS_ACCESS_DENIED);
    yield* nt.NtTerminateJobObject(other, 0);
    yield* nt.NtTerminateJobObject(jobs[0] ?? 0, 0);
  });
});

test("a process in no job that is assigned to an inner job is a member of all around it", () => {
  play(function* () {
    const { jobs } = yield* chain(2);
    const newcomer = yield* spawn(sleepForever);
    yield* assign(jobs[1] ?? 0, newcomer.handle);
    expect(yield* nt.NtIsProcessInJob(newcomer.handle, jobs[0])).toBe(STATUS_PROCESS_IN_JOB);
    yield* nt.NtTerminateJobObject(jobs[0] ?? 0, 0);
  });
});

test("jobs with UI restrictions do not nest", () => {
  play(function* () {
    const { jobs, process } = yield* chain(2);
    const restricted = yield* makeJob();
    const setting = { kind: "ui-restrictions", flags: 1 } as const;
    expect(yield* nt.NtSetInformationJobObject(restricted, setting)).toBe(STATUS_SUCCESS);
    expect(yield* nt.NtAssignProcessToJobObject(restricted, process.handle)).toBe(STATUS_ACCESS_DENIED);
    for (const job of jobs) expect(yield* nt.NtSetInformationJobObject(job, setting)).toBe(STATUS_ACCESS_DENIED);
    yield* nt.NtTerminateJobObject(jobs[0] ?? 0, 0);
  });
});

test("jobs do not nest without bound", () => {
  play(function* () {
    const { jobs, process } = yield* chain(64);
    const job = yield* makeJob();
    expect(yield* nt.NtAssignProcessToJobObject(job, process.handle)).toBe(STATUS_INSUFFICIENT_RESOURCES);
    yield* nt.NtTerminateJobObject(jobs[0] ?? 0, 0);
  });
});

test("T-WJ5: every level hears of births and deaths, the innermost first, and ZERO comes last", () => {
  play(function* () {
    const process = yield* spawn(sleepForever);
    const port = must(yield* nt.NtCreateIoCompletion());
    for (const key of [10, 20, 30]) {
      const job = yield* makeJob();
      yield* nt.NtSetInformationJobObject(job, { kind: "completion-port", port, key });
      yield* assign(job, process.handle);
    }
    yield* nt.NtTerminateProcess(process.handle, 1);
    yield* ended(process.handle);
    const seen: number[][] = [];
    for (;;) {
      const packet = yield* nt.NtRemoveIoCompletion(port, 0);
      if (!packet.ok) break;
      seen.push([packet.value.key, packet.value.information]);
    }
    const births = [10, 20, 30].map((key) => [key, 6]);
    const deaths = [7, 4].flatMap((message) => [30, 20, 10].map((key) => [key, message]));
    expect(seen).toEqual([...births, ...deaths]);
  });
});

describe.each([0, 1, 2, 3])("terminating level %i of four", (level) => {
  test("ends those in it and further in, signals those jobs, and lets those further out go on", () => {
    play(function* () {
      const { jobs } = yield* chain(4);
      const members: ScriptChild[] = [];
      for (const job of jobs) {
        const member = yield* spawn(sleepForever);
        yield* assign(job, member.handle);
        members.push(member);
      }
      expect(yield* nt.NtTerminateJobObject(jobs[level] ?? 0, 40 + level)).toBe(STATUS_SUCCESS);
      yield* settle();
      for (const [index, { handle }] of members.entries()) {
        const { exitStatus } = must(yield* nt.queryProcess(handle));
        expect(exitStatus).toBe(index < level ? STATUS_PENDING : 40 + level);
      }
      for (const [index, job] of jobs.entries()) {
        const signaled = (yield* nt.NtWaitForSingleObject(job, false, 0)) === STATUS_SUCCESS;
        expect(signaled).toBe(index >= level);
        // Level i holds the chain's first process, which is in all, and the members of i and further in.
        expect(yield* counts(job)).toEqual([5 - index, Math.max(0, level - index), 0]);
      }
      yield* nt.NtTerminateJobObject(jobs[0] ?? 0, 0);
    });
  });

  test("closing it, if it has KILL_ON_JOB_CLOSE, does the same", () => {
    play(function* () {
      const { jobs, process } = yield* chain(4);
      yield* limit(jobs[level] ?? 0, { flags: JobLimit.KILL_ON_JOB_CLOSE });
      const outside = yield* spawn(sleepForever);
      if (level > 0) yield* assign(jobs[level - 1] ?? 0, outside.handle);
      yield* nt.NtClose(jobs[level] ?? 0);
      expect(yield* ended(process.handle)).toBe(0);
      expect(must(yield* nt.queryProcess(outside.handle)).exitStatus).toBe(STATUS_PENDING);
      yield* nt.NtTerminateProcess(outside.handle, 0);
    });
  });
});

test("a job outlives its handles as long as a job in it lives", () => {
  play(function* () {
    const { jobs, process } = yield* chain(2);
    const port = yield* listen(jobs[1] ?? 0);
    yield* nt.NtClose(jobs[0] ?? 0);
    yield* nt.NtTerminateProcess(process.handle, 0);
    yield* ended(process.handle);
    yield* nt.NtClose(process.handle);
    yield* nt.NtClose(process.thread);
    yield* settle();
    const next = yield* spawn(sleepForever);
    yield* assign(jobs[1] ?? 0, next.handle);
    expect(yield* counts(jobs[1] ?? 0)).toEqual([2, 1, 0]);
    expect((yield* messages(port)).at(-1)).toBe(`NEW_PROCESS ${next.id}`);
    yield* nt.NtTerminateJobObject(jobs[1] ?? 0, 0);
  });
});

describe("T-WJ8: breaking away from nested jobs", () => {
  const cases: readonly (readonly [string, number, number, "inner" | "outer" | "none" | "refused"])[] = [
    ["neither allows it", 0, 0, "refused"],
    ["only the outer one allows it", JobLimit.BREAKAWAY_OK, 0, "refused"],
    ["only the inner one allows it", 0, JobLimit.BREAKAWAY_OK, "outer"],
    ["both allow it", JobLimit.BREAKAWAY_OK, JobLimit.BREAKAWAY_OK, "none"],
    ["the inner one lets all children go", 0, JobLimit.SILENT_BREAKAWAY_OK, "outer"],
  ];
  test.each(cases)("when %s", (_name, outerFlags, innerFlags, expected) => {
    play(function* () {
      const outer = yield* makeJob({ flags: outerFlags });
      const inner = yield* makeJob({ flags: innerFlags });
      yield* assign(outer, CURRENT_PROCESS_HANDLE);
      yield* assign(inner, CURRENT_PROCESS_HANDLE);
      const child = yield* nt.NtCreateProcess("child.exe", sleepForever, { breakaway: true });
      expect(child.ok).toBe(expected !== "refused");
      if (!child.ok) return;
      const inInner = (yield* nt.NtIsProcessInJob(child.value.handle, inner)) === STATUS_PROCESS_IN_JOB;
      const inOuter = (yield* nt.NtIsProcessInJob(child.value.handle, outer)) === STATUS_PROCESS_IN_JOB;
      expect([inOuter, inInner]).toEqual([expected !== "none", expected === "inner"]);
      const any = expected === "none" ? STATUS_PROCESS_NOT_IN_JOB : STATUS_PROCESS_IN_JOB;
      expect(yield* nt.NtIsProcessInJob(child.value.handle)).toBe(any);
      yield* nt.NtTerminateProcess(child.value.handle, 0);
    });
  });
});

test("an outer job without room refuses a process that comes to an inner one, and the inner one is as before", () => {
  play(function* () {
    const outer = yield* makeJob({ flags: JobLimit.ACTIVE_PROCESS, activeProcesses: 1 });
    const inner = yield* makeJob();
    const first = yield* spawn(sleepForever);
    yield* assign(outer, first.handle);
    yield* assign(inner, first.handle);
    const second = yield* spawn(sleepForever);
    expect(yield* nt.NtAssignProcessToJobObject(inner, second.handle)).toBe(STATUS_QUOTA_EXCEEDED);
    yield* ended(second.handle);
    expect(yield* counts(outer)).toEqual([2, 1, 1]);
    expect(yield* counts(inner)).toEqual([2, 1, 0]);
    yield* nt.NtTerminateJobObject(outer, 0);
  });
});

test("processors and priority classes of nested jobs: the strictest of the chain", () => {
  play(
    function* () {
      const { AFFINITY, PRIORITY_CLASS } = JobLimit;
      const outer = yield* makeJob({ flags: AFFINITY | PRIORITY_CLASS, affinity: 3, priorityClass: 5 });
      const inner = yield* makeJob({ flags: AFFINITY | PRIORITY_CLASS, affinity: 6, priorityClass: 2 });
      const child = yield* spawn(sleepForever);
      yield* assign(outer, child.handle);
      yield* assign(inner, child.handle);
      yield* nt.call((k) => {
        const { affinity, priorityClass } = processById(k, child.id);
        expect([affinity, priorityClass]).toEqual([2, 5]);
      });
      expect(yield* nt.NtWaitForSingleObject(inner, false, 0)).toBe(STATUS_TIMEOUT);
      yield* nt.NtTerminateJobObject(outer, 0);
    },
    { processors: 4 },
  );
});
