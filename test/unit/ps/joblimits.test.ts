/** Limits of jobs: what may be set, and what happens to members that come up against them. */
import { expect, test } from "vitest";
import { EndOfJobAction, ERROR_NOT_ENOUGH_QUOTA, JobLimit } from "../../../src/abi/job.ts";
import { MEM_COMMIT, MEM_RESERVE, PAGE_READWRITE, PAGE_SIZE } from "../../../src/abi/mm.ts";
import { CURRENT_PROCESS_HANDLE } from "../../../src/abi/ps.ts";
import {
  NT_SUCCESS,
  type NtStatus,
  STATUS_COMMITMENT_LIMIT,
  STATUS_INVALID_PARAMETER,
  STATUS_PENDING,
  STATUS_PRIVILEGE_NOT_HELD,
  STATUS_QUOTA_EXCEEDED,
  STATUS_SUCCESS,
} from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { limitsOf } from "../../../src/guest/script/jobs.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { MmAllocateVirtualMemory } from "../../../src/mm/virtual.ts";
import { PsGetCurrentProcess } from "../../../src/ps/current.ts";
import type { JobLimitRequest } from "../../../src/ps/joblimits.ts";
import { assign, counts, limit, listen, makeJob, messages } from "../../support/jobs.ts";
import { ended, must, play, processById, settle, sleepForever, spawn, spin } from "../../support/scene.ts";

test("T-JOB1: KILL_ON_JOB_CLOSE, the active-process limit and UI restrictions are answered as they were set", () => {
  play(function* () {
    const flags = JobLimit.KILL_ON_JOB_CLOSE | JobLimit.ACTIVE_PROCESS;
    const job = yield* makeJob({ flags, activeProcesses: 3 });
    expect(yield* nt.NtSetInformationJobObject(job, { kind: "ui-restrictions", flags: 0x41 })).toBe(STATUS_SUCCESS);
    const { limits, uiRestrictions } = must(yield* nt.NtQueryInformationJobObject(job));
    expect([limits.flags, limits.activeProcesses, uiRestrictions]).toEqual([flags, 3, 0x41]);
    yield* limit(job, { flags: 0, activeProcesses: 7 });
    expect(must(yield* nt.NtQueryInformationJobObject(job)).limits.activeProcesses).toBe(0);
  });
});

const REFUSED: readonly [string, Partial<JobLimitRequest>, NtStatus][] = [
  ["a flag that there is not", { flags: 0x8000 }, STATUS_INVALID_PARAMETER],
  ["a time limit that is kept and set", { flags: 0x44, perJobUserTime100ns: 1n }, STATUS_INVALID_PARAMETER],
  ["no time for a process", { flags: JobLimit.PROCESS_TIME }, STATUS_INVALID_PARAMETER],
  ["no time for the job", { flags: JobLimit.JOB_TIME }, STATUS_INVALID_PARAMETER],
  ["no process", { flags: JobLimit.ACTIVE_PROCESS }, STATUS_INVALID_PARAMETER],
  ["no processor", { flags: JobLimit.AFFINITY }, STATUS_INVALID_PARAMETER],
  ["a processor that there is not", { flags: JobLimit.AFFINITY, affinity: 0x80 }, STATUS_INVALID_PARAMETER],
  ["no priority class", { flags: JobLimit.PRIORITY_CLASS, priorityClass: 7 }, STATUS_INVALID_PARAMETER],
  ["no scheduling class", { flags: JobLimit.SCHEDULING_CLASS, schedulingClass: 10 }, STATUS_INVALID_PARAMETER],
  ["less than a page each", { flags: JobLimit.PROCESS_MEMORY, processMemoryBytes: 4095 }, STATUS_INVALID_PARAMETER],
  ["less than a page", { flags: JobLimit.JOB_MEMORY, jobMemoryBytes: 4095 }, STATUS_INVALID_PARAMETER],
  ["a working set turned round", { flags: JobLimit.WORKINGSET, minimumWorkingSetBytes: 2 }, STATUS_INVALID_PARAMETER],
  ["the high class", { flags: JobLimit.PRIORITY_CLASS, priorityClass: 3 }, STATUS_PRIVILEGE_NOT_HELD],
  ["a scheduling class above others", { flags: 0x80, schedulingClass: 6 }, STATUS_PRIVILEGE_NOT_HELD],
];

test.each(REFUSED)("T-JOB1: a limit of %s is refused and changes nothing", (_name, limits, status) => {
  play(function* () {
    const job = yield* makeJob({ flags: JobLimit.BREAKAWAY_OK });
    expect(yield* nt.NtSetInformationJobObject(job, limitsOf(limits))).toBe(status);
    expect(must(yield* nt.NtQueryInformationJobObject(job)).limits.flags).toBe(JobLimit.BREAKAWAY_OK);
  });
});

test("the basic class sets basic limits only", () => {
  play(function* () {
    const job = yield* makeJob();
    const setting = { ...limitsOf({ flags: JobLimit.KILL_ON_JOB_CLOSE }), extended: false } as const;
    expect(yield* nt.NtSetInformationJobObject(job, setting as never)).toBe(STATUS_INVALID_PARAMETER);
  });
});

test("a process for which a job has no room is ended, is no member, and the port hears of it", () => {
  play(function* () {
    const job = yield* makeJob({ flags: JobLimit.ACTIVE_PROCESS, activeProcesses: 1 });
    const port = yield* listen(job);
    const first = yield* spawn(sleepForever);
    yield* assign(job, first.handle);
    const second = yield* spawn(sleepForever);
    expect(yield* nt.NtAssignProcessToJobObject(job, second.handle)).toBe(STATUS_QUOTA_EXCEEDED);
    expect(yield* ended(second.handle)).toBe(ERROR_NOT_ENOUGH_QUOTA);
    expect(yield* counts(job)).toEqual([2, 1, 1]);
    expect(yield* messages(port)).toEqual([`NEW_PROCESS ${first.id}`, "ACTIVE_PROCESS_LIMIT"]);
    yield* nt.NtTerminateJobObject(job, 0);
  });
});

test("a process that assigns itself to a job without room ends there", () => {
  play(function* () {
    const job = must(yield* nt.NtCreateJobObject("full"));
    yield* limit(job, { flags: JobLimit.ACTIVE_PROCESS, activeProcesses: 1 });
    const first = yield* spawn(sleepForever);
    yield* assign(job, first.handle);
    const second = yield* spawn(function* () {
      yield* nt.NtAssignProcessToJobObject(must(yield* nt.NtOpenJobObject("full")), CURRENT_PROCESS_HANDLE);
      throw new Error("it lives on");
    });
    expect(yield* ended(second.handle)).toBe(ERROR_NOT_ENOUGH_QUOTA);
    yield* nt.NtTerminateJobObject(job, 0);
  });
});

test("a member of a full job cannot create a child, and nothing is left of the attempt", () => {
  play(function* () {
    const job = yield* makeJob({ flags: JobLimit.ACTIVE_PROCESS, activeProcesses: 1 });
    yield* assign(job, CURRENT_PROCESS_HANDLE);
    const status = STATUS_QUOTA_EXCEEDED;
    expect(yield* nt.NtCreateProcess("child.exe", sleepForever)).toEqual({ ok: false, status });
    expect(yield* counts(job)).toEqual([2, 1, 1]);
  });
});

test("an active-process limit is for those who come: nobody goes because of it", () => {
  play(function* () {
    const job = yield* makeJob();
    const children = [yield* spawn(sleepForever), yield* spawn(sleepForever)];
    for (const { handle } of children) yield* assign(job, handle);
    yield* limit(job, { flags: JobLimit.ACTIVE_PROCESS, activeProcesses: 1 });
    yield* settle();
    expect(yield* counts(job)).toEqual([2, 2, 0]);
    yield* nt.NtTerminateJobObject(job, 0);
  });
});

/** Commits pages in the caller's process. */
function commit(pages: number): Script<NtStatus> {
  return nt.call((k) => {
    const size = pages * PAGE_SIZE;
    const allocationType = MEM_RESERVE | MEM_COMMIT;
    const request = { base: 0, zeroBits: 0, size, allocationType, protection: PAGE_READWRITE };
    const made = MmAllocateVirtualMemory(k, PsGetCurrentProcess(k), request);
    return made.ok ? STATUS_SUCCESS : made.status;
  });
}

test("a member may not commit more than its job allows each process, and the port hears of it once", () => {
  play(function* () {
    const job = yield* makeJob({ flags: JobLimit.PROCESS_MEMORY, processMemoryBytes: 64 * PAGE_SIZE });
    const port = yield* listen(job);
    const child = yield* spawn(
      function* () {
        expect(yield* commit(60)).toBe(STATUS_SUCCESS);
        expect(yield* commit(60)).toBe(STATUS_COMMITMENT_LIMIT);
        expect(yield* commit(60)).toBe(STATUS_COMMITMENT_LIMIT);
      },
      { suspended: true },
    );
    yield* assign(job, child.handle);
    yield* nt.NtResumeThread(child.thread);
    yield* ended(child.handle);
    const told = ["NEW_PROCESS", "PROCESS_MEMORY_LIMIT", "EXIT_PROCESS"].map((name) => `${name} ${child.id}`);
    expect(yield* messages(port)).toEqual([...told, "ACTIVE_PROCESS_ZERO"]);
    const { peakProcessPages, peakJobPages } = must(yield* nt.NtQueryInformationJobObject(job));
    expect([peakProcessPages, peakJobPages]).toEqual([60, 60]);
  });
});

test("all members of a job and of the jobs in it share its memory limit, and give back what they had", () => {
  play(function* () {
    const outer = yield* makeJob({ flags: JobLimit.JOB_MEMORY, jobMemoryBytes: 100 * PAGE_SIZE });
    const inner = yield* makeJob();
    const answers: NtStatus[] = [];
    const eat = function* (): Script<void> {
      answers.push(yield* commit(60));
      yield* sleepForever();
    };
    const first = yield* spawn(eat, { suspended: true });
    const second = yield* spawn(eat, { suspended: true });
    yield* assign(outer, first.handle);
    yield* assign(outer, second.handle);
    yield* assign(inner, second.handle);
    yield* nt.NtResumeThread(first.thread);
    yield* settle();
    yield* nt.NtResumeThread(second.thread);
    yield* settle();
    expect(answers).toEqual([STATUS_SUCCESS, STATUS_COMMITMENT_LIMIT]);
    yield* nt.NtTerminateProcess(first.handle, 0);
    yield* ended(first.handle);
    const third = yield* spawn(eat, { suspended: true });
    yield* assign(outer, third.handle);
    yield* nt.NtResumeThread(third.thread);
    yield* settle();
    expect(answers.at(-1)).toBe(STATUS_SUCCESS);
    expect(must(yield* nt.NtQueryInformationJobObject(outer)).peakJobPages).toBe(60);
    yield* nt.NtTerminateJobObject(outer, 0);
  });
});

test("a member that has used more user time than each may is ended, and the port hears of it", () => {
  const scene = play(function* () {
    const job = yield* makeJob({ flags: JobLimit.PROCESS_TIME, perProcessUserTime100ns: 20_000n });
    const port = yield* listen(job);
    const child = yield* spawn(spin);
    const quiet = yield* spawn(sleepForever);
    yield* assign(job, child.handle);
    yield* assign(job, quiet.handle);
    expect(yield* ended(child.handle)).toBe(ERROR_NOT_ENOUGH_QUOTA);
    expect((yield* messages(port)).slice(2).sort()).toEqual([
      `END_OF_PROCESS_TIME ${child.id}`,
      `EXIT_PROCESS ${child.id}`,
    ]);
    expect(yield* counts(job)).toEqual([2, 1, 1]);
    const { total } = must(yield* nt.NtQueryInformationJobObject(job));
    expect(total.user).toBeGreaterThanOrEqual(20_000);
    expect(total.user).toBeLessThan(30_000);
    yield* nt.NtTerminateJobObject(job, 0);
  });
  const marks = scene.events.flatMap((event) => (event.kind === "thread-marked" ? [event.request.via] : []));
  expect(marks).toContain("limit PROCESS_TIME");
});

test("a job whose time is up ends all members, is signaled, and takes nobody in any more", () => {
  play(function* () {
    const job = yield* makeJob({ flags: JobLimit.JOB_TIME, perJobUserTime100ns: 20_000n });
    const children = [yield* spawn(spin), yield* spawn(spin), yield* spawn(sleepForever)];
    for (const { handle } of children) yield* assign(job, handle);
    for (const { handle } of children) expect(yield* ended(handle)).toBe(ERROR_NOT_ENOUGH_QUOTA);
    expect(yield* nt.NtWaitForSingleObject(job)).toBe(STATUS_SUCCESS);
    expect(yield* counts(job)).toEqual([3, 0, 3]);
    const late = yield* spawn(sleepForever);
    expect(yield* nt.NtAssignProcessToJobObject(job, late.handle)).toBe(STATUS_QUOTA_EXCEEDED);
    expect(yield* ended(late.handle)).toBe(ERROR_NOT_ENOUGH_QUOTA);
  });
});

test("a job that only posts the end of its time says so once, and its members go on", () => {
  play(function* () {
    const job = yield* makeJob();
    const port = yield* listen(job);
    const action = EndOfJobAction.Post;
    expect(yield* nt.NtSetInformationJobObject(job, { kind: "end-of-job-time", action })).toBe(STATUS_SUCCESS);
    expect(yield* nt.NtSetInformationJobObject(job, { kind: "end-of-job-time", action: 2 })).toBe(
      STATUS_INVALID_PARAMETER,
    );
    const child = yield* spawn(spin);
    yield* assign(job, child.handle);
    yield* limit(job, { flags: JobLimit.JOB_TIME, perJobUserTime100ns: 20_000n });
    yield* nt.NtDelayExecution(false, 100_000);
    expect(yield* messages(port)).toEqual([`NEW_PROCESS ${child.id}`, "END_OF_JOB_TIME"]);
    expect(must(yield* nt.queryProcess(child.handle)).exitStatus).toBe(STATUS_PENDING);
    expect(must(yield* nt.NtQueryInformationJobObject(job)).limits.flags).toBe(0);
    yield* nt.NtTerminateJobObject(job, 0);
  });
});

test("time that nobody uses does not count, however long it is", () => {
  play(function* () {
    const job = yield* makeJob({ flags: JobLimit.PROCESS_TIME, perProcessUserTime100ns: 20_000n });
    const child = yield* spawn(function* () {
      yield* nt.NtDelayExecution(false, 3 * 3600 * 10_000_000);
    });
    yield* assign(job, child.handle);
    expect(yield* ended(child.handle)).toBe(0);
  });
});

test("a machine in which a member waits for ever comes to rest in spite of its job's time limit", () => {
  const scene = play(
    function* () {
      const job = yield* makeJob({ flags: JobLimit.JOB_TIME, perJobUserTime100ns: 20_000n });
      yield* assign(job, CURRENT_PROCESS_HANDLE);
      yield* sleepForever();
    },
    { outcome: "deadlock" },
  );
  expect(NT_SUCCESS(scene.end.exitStatus as NtStatus)).toBe(true);
});

test("members run on the job's processors, in its priority class", () => {
  play(
    function* () {
      const job = yield* makeJob({ flags: JobLimit.AFFINITY, affinity: 2 });
      const child = yield* spawn(sleepForever);
      yield* assign(job, child.handle);
      yield* limit(job, { flags: JobLimit.AFFINITY | JobLimit.PRIORITY_CLASS, affinity: 1, priorityClass: 5 });
      yield* nt.call((k) => {
        const { affinity, priorityClass } = processById(k, child.id);
        expect([affinity, priorityClass]).toEqual([1, 5]);
      });
      yield* nt.NtTerminateJobObject(job, 0);
    },
    { processors: 2 },
  );
});
