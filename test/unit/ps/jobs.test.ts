/** Jobs and their members: who is in one, who counts, what the port hears, and what ending a job does. */
import { expect, test } from "vitest";
import { JOB_OBJECT_QUERY, JobLimit } from "../../../src/abi/job.ts";
import { CURRENT_PROCESS_HANDLE } from "../../../src/abi/ps.ts";
import {
  STATUS_ACCESS_DENIED,
  STATUS_ACCESS_VIOLATION,
  STATUS_INVALID_PARAMETER,
  STATUS_PENDING,
  STATUS_PROCESS_IN_JOB,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_PROCESS_NOT_IN_JOB,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
} from "../../../src/abi/status.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { registerCallback } from "../../../src/ex/callback.ts";
import { KeDelayExecutionThread } from "../../../src/ke/wait.ts";
import { deactivate } from "../../../src/ps/jobmembers.ts";
import { PspCreateProcess } from "../../../src/ps/process.ts";
import type { Blocking } from "../../../src/sim/blocking.ts";
import { assign, counts, limit, listen, makeJob, messages } from "../../support/jobs.ts";
import { ended, must, play, processById, settle, sleepForever, spawn, stepsOf } from "../../support/scene.ts";

test("T-WJ1: a process that has exited stays in its job until its object is gone", () => {
  const scene = play(function* () {
    const job = yield* makeJob();
    const child = yield* spawn(sleepForever, { suspended: true });
    expect(yield* nt.NtIsProcessInJob(child.handle)).toBe(STATUS_PROCESS_NOT_IN_JOB);
    yield* assign(job, child.handle);
    expect(yield* nt.NtIsProcessInJob(child.handle, job)).toBe(STATUS_PROCESS_IN_JOB);
    yield* nt.NtTerminateProcess(child.handle, 5);
    yield* ended(child.handle);
    expect(yield* nt.NtIsProcessInJob(child.handle)).toBe(STATUS_PROCESS_IN_JOB);
    expect(yield* nt.NtIsProcessInJob(child.handle, job)).toBe(STATUS_PROCESS_IN_JOB);
    expect(yield* nt.NtIsProcessInJob(child.handle, yield* makeJob())).toBe(STATUS_PROCESS_NOT_IN_JOB);
  });
  const steps = stepsOf(scene);
  for (const step of ["X6", "E40", "DP3"]) expect(steps).toContain(step);
  expect(steps.indexOf("X6")).toBeLessThan(steps.indexOf("E40"));
  expect(steps.indexOf("E40")).toBeLessThan(steps.indexOf("E46"));
});

test("T-WJ2: the members of a job that is terminated end with its status and do not count as over a limit", () => {
  play(function* () {
    const job = yield* makeJob();
    const child = yield* spawn(sleepForever);
    yield* assign(job, child.handle);
    expect(yield* counts(job)).toEqual([1, 1, 0]);
    expect(yield* nt.NtTerminateJobObject(job, 123)).toBe(STATUS_SUCCESS);
    expect(yield* counts(job)).toEqual([1, 0, 0]);
    expect(yield* ended(child.handle)).toBe(123);
    expect(yield* nt.NtTerminateJobObject(job, 124)).toBe(STATUS_SUCCESS);
    expect(yield* counts(job)).toEqual([1, 0, 0]);
  });
});

test("T-WJ3: a process that has exited cannot be assigned", () => {
  play(function* () {
    const job = yield* makeJob();
    const child = yield* spawn(sleepForever);
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
    expect(yield* nt.NtAssignProcessToJobObject(job, child.handle)).toBe(STATUS_PROCESS_IS_TERMINATING);
    expect(yield* counts(job)).toEqual([0, 0, 0]);
  });
});

test("T-WJ4: a job lists the ids of those members that have not exited", () => {
  play(function* () {
    const job = yield* makeJob();
    const first = yield* spawn(sleepForever);
    const second = yield* spawn(sleepForever);
    yield* assign(job, first.handle);
    yield* assign(job, second.handle);
    expect(must(yield* nt.NtQueryInformationJobObject(job)).processIds).toEqual([first.id, second.id]);
    yield* nt.NtTerminateProcess(first.handle, 1);
    yield* ended(first.handle);
    expect(must(yield* nt.NtQueryInformationJobObject(job)).processIds).toEqual([second.id]);
    yield* nt.NtTerminateJobObject(job, 0);
  });
});

test("T-WJ5: a port hears of those who are there, then of each birth and death, and of the last one", () => {
  play(function* () {
    const job = yield* makeJob();
    const early = yield* spawn(sleepForever);
    yield* assign(job, early.handle);
    const port = yield* listen(job, 7);
    expect(must(yield* nt.NtRemoveIoCompletion(port, 0))).toEqual({
      ...{ key: 7, apcContext: early.id, status: STATUS_SUCCESS, information: 6 },
    });
    const late = yield* spawn(sleepForever);
    yield* assign(job, late.handle);
    expect(yield* messages(port)).toEqual([`NEW_PROCESS ${late.id}`]);
    yield* nt.NtTerminateProcess(late.handle, 1);
    yield* ended(late.handle);
    expect(yield* messages(port)).toEqual([`EXIT_PROCESS ${late.id}`]);
    yield* nt.NtTerminateProcess(early.handle, 1);
    yield* ended(early.handle);
    expect(yield* messages(port)).toEqual([`EXIT_PROCESS ${early.id}`, "ACTIVE_PROCESS_ZERO"]);
  });
});

test("a status that says of itself that something went wrong makes the exit abnormal", () => {
  play(function* () {
    const job = yield* makeJob();
    const port = yield* listen(job);
    const child = yield* spawn(sleepForever);
    yield* assign(job, child.handle);
    yield* nt.NtTerminateProcess(child.handle, STATUS_ACCESS_VIOLATION);
    yield* ended(child.handle);
    const told = [`NEW_PROCESS ${child.id}`, `ABNORMAL_EXIT_PROCESS ${child.id}`, "ACTIVE_PROCESS_ZERO"];
    expect(yield* messages(port)).toEqual(told);
  });
});

test("T-WJ6: closing the last handle to a job with KILL_ON_JOB_CLOSE ends its members", () => {
  const scene = play(function* () {
    const job = yield* makeJob({ flags: JobLimit.KILL_ON_JOB_CLOSE });
    const port = yield* listen(job);
    const children = [yield* spawn(sleepForever), yield* spawn(sleepForever)];
    for (const { handle } of children) yield* assign(job, handle);
    yield* nt.NtClose(job);
    for (const { handle } of children) expect(yield* ended(handle)).toBe(0);
    // The port went with the handle: it hears that nobody is left, and then no more.
    expect((yield* messages(port)).slice(2)).toEqual(["ACTIVE_PROCESS_ZERO"]);
  });
  const requests = scene.events.flatMap((event) => (event.kind === "thread-marked" ? [event.request] : []));
  expect(requests.filter(({ route }) => route === "job").map(({ via, job }) => [via, job])).toEqual([
    ["PspCloseJob", 1],
    ["PspCloseJob", 1],
  ]);
});

test("a job lives on for its members after its last handle, without KILL_ON_JOB_CLOSE", () => {
  play(function* () {
    const job = yield* makeJob();
    const child = yield* spawn(sleepForever);
    yield* assign(job, child.handle);
    yield* nt.NtClose(job);
    yield* settle();
    expect(must(yield* nt.queryProcess(child.handle)).exitStatus).toBe(STATUS_PENDING);
    expect(yield* nt.NtIsProcessInJob(child.handle)).toBe(STATUS_PROCESS_IN_JOB);
    yield* nt.NtTerminateProcess(child.handle, 1);
    yield* ended(child.handle);
  });
});

test("T-WJ7: a job is signaled by its termination, not by the exit of its members, and stays so", () => {
  play(function* () {
    const job = yield* makeJob();
    const first = yield* spawn(sleepForever);
    yield* assign(job, first.handle);
    yield* nt.NtTerminateProcess(first.handle, 1);
    yield* ended(first.handle);
    expect(yield* nt.NtWaitForSingleObject(job, false, 0)).toBe(STATUS_TIMEOUT);
    const second = yield* spawn(sleepForever);
    yield* assign(job, second.handle);
    yield* nt.NtTerminateJobObject(job, 1);
    expect(yield* nt.NtWaitForSingleObject(job)).toBe(STATUS_SUCCESS);
    const third = yield* spawn(sleepForever);
    yield* assign(job, third.handle);
    expect(yield* nt.NtWaitForSingleObject(job, false, 0)).toBe(STATUS_SUCCESS);
    yield* nt.NtTerminateJobObject(job, 3);
    expect(yield* ended(third.handle)).toBe(3);
  });
});

test("T-WJ8: a child is born into its parent's job", () => {
  play(function* () {
    const job = yield* makeJob();
    yield* assign(job, CURRENT_PROCESS_HANDLE);
    const child = yield* spawn(sleepForever);
    expect(yield* nt.NtIsProcessInJob(child.handle, job)).toBe(STATUS_PROCESS_IN_JOB);
    expect(yield* nt.NtCreateProcess("away.exe", null, { breakaway: true })).toEqual({
      ...{ ok: false, status: STATUS_ACCESS_DENIED },
    });
    yield* limit(job, { flags: JobLimit.BREAKAWAY_OK });
    const inside = yield* spawn(sleepForever);
    expect(yield* nt.NtIsProcessInJob(inside.handle)).toBe(STATUS_PROCESS_IN_JOB);
    const outside = must(yield* nt.NtCreateProcess("away.exe", sleepForever, { breakaway: true }));
    expect(yield* nt.NtIsProcessInJob(outside.handle)).toBe(STATUS_PROCESS_NOT_IN_JOB);
    yield* limit(job, { flags: JobLimit.SILENT_BREAKAWAY_OK });
    const silent = yield* spawn(sleepForever);
    expect(yield* nt.NtIsProcessInJob(silent.handle)).toBe(STATUS_PROCESS_NOT_IN_JOB);
    for (const { handle } of [child, inside, outside, silent]) yield* nt.NtTerminateProcess(handle, 0);
  });
});

test("a member that terminates its job ends last, with the job's status, and leaves nothing", () => {
  const scene = play(function* () {
    const job = yield* makeJob();
    const child = yield* spawn(function* () {
      yield* assign(must(yield* nt.NtOpenJobObject("shared")), CURRENT_PROCESS_HANDLE);
      yield* spawn(sleepForever);
      yield* nt.NtTerminateJobObject(must(yield* nt.NtOpenJobObject("shared")), 9);
      throw new Error("a member that terminates its job does not return");
    });
    const shared = must(yield* nt.NtCreateJobObject("shared"));
    expect(yield* ended(child.handle)).toBe(9);
    expect(yield* counts(shared)).toEqual([2, 0, 0]);
    yield* nt.NtClose(job);
  });
  const exits = scene.events.flatMap((event) => (event.kind === "process-exiting" ? [event.status] : []));
  expect(exits.slice(0, 2)).toEqual([9, 9]);
});

test("a job has one port at a time, and a new one hears of everybody again", () => {
  play(function* () {
    const job = yield* makeJob();
    const child = yield* spawn(sleepForever);
    yield* assign(job, child.handle);
    const first = yield* listen(job);
    expect(yield* messages(first)).toEqual([`NEW_PROCESS ${child.id}`]);
    const again = { kind: "completion-port", port: first, key: 2 } as const;
    expect(yield* nt.NtSetInformationJobObject(job, again)).toBe(STATUS_INVALID_PARAMETER);
    expect(yield* nt.NtSetInformationJobObject(job, { ...again, port: 0 })).toBe(STATUS_SUCCESS);
    const second = yield* listen(job);
    expect(yield* messages(second)).toEqual([`NEW_PROCESS ${child.id}`]);
    yield* nt.NtTerminateJobObject(job, 0);
    yield* ended(child.handle);
    expect(yield* messages(second)).toEqual(["ACTIVE_PROCESS_ZERO", `EXIT_PROCESS ${child.id}`]);
    expect(yield* messages(first)).toEqual([]);
  });
});

test("T-JOB1: what a handle does not grant is refused and changes nothing", () => {
  play(function* () {
    const job = must(yield* nt.NtCreateJobObject(null, JOB_OBJECT_QUERY));
    const child = yield* spawn(sleepForever);
    expect(yield* nt.NtAssignProcessToJobObject(job, child.handle)).toBe(STATUS_ACCESS_DENIED);
    expect(yield* nt.NtTerminateJobObject(job, 1)).toBe(STATUS_ACCESS_DENIED);
    const flags = JobLimit.KILL_ON_JOB_CLOSE;
    const setting = { kind: "ui-restrictions", flags } as const;
    expect(yield* nt.NtSetInformationJobObject(job, setting)).toBe(STATUS_ACCESS_DENIED);
    expect(must(yield* nt.NtQueryInformationJobObject(job)).uiRestrictions).toBe(0);
    yield* nt.NtTerminateProcess(child.handle, 0);
  });
});

test("a process in no job has no job to ask about", () => {
  play(function* () {
    expect(yield* nt.NtQueryInformationJobObject(0)).toEqual({ ok: false, status: STATUS_ACCESS_DENIED });
    const job = yield* makeJob();
    yield* assign(job, CURRENT_PROCESS_HANDLE);
    expect(must(yield* nt.NtQueryInformationJobObject(0)).activeProcesses).toBe(1);
  });
});

test("D43d: no child is born to a process that its job has ended, however far its creation has got", () => {
  const born: number[] = [];
  play(
    function* () {
      const job = yield* makeJob();
      const parent = yield* spawn(function* () {
        const child = yield* nt.NtCreateProcess("child.exe", sleepForever);
        throw new Error(`the creator lives on with ${JSON.stringify(child)}`);
      });
      yield* assign(job, parent.handle);
      // The creator is in a notify routine: its child is a member already, and has no thread yet.
      yield* settle();
      expect(yield* counts(job)).toEqual([2, 2, 0]);
      yield* nt.NtTerminateJobObject(job, 6);
      expect(yield* ended(parent.handle)).toBe(6);
      expect(yield* counts(job)).toEqual([2, 0, 0]);
    },
    {
      prepare: (k) => {
        registerCallback(k.ps.processNotify, function* (kernel, _parent, pid, create): Blocking<void> {
          if (!create || pid === 0 || kernel.ps.lastJobNumber === 0) return;
          born.push(pid);
          yield* KeDelayExecutionThread(kernel, { mode: 0, alertable: false, timeout100ns: 50_000 });
        });
      },
    },
  );
  expect(born.length).toBeGreaterThan(0);
});

test("a process that its job has ended and that creates one more is refused", () => {
  play(function* () {
    const job = yield* makeJob();
    const parent = yield* spawn(sleepForever);
    yield* assign(job, parent.handle);
    yield* nt.call(function* (k) {
      const process = processById(k, parent.id);
      expect(deactivate(process).length).toBe(1);
      const image = { imageFileName: "child.exe", imagePath: "", section: null, inheritHandles: false };
      const created = yield* PspCreateProcess(k, { parent: process, ...image, userMemory: true });
      expect(created).toEqual({ ok: false, status: STATUS_PROCESS_IS_TERMINATING });
    });
    yield* nt.NtTerminateProcess(parent.handle, 0);
    yield* ended(parent.handle);
    expect(yield* counts(job)).toEqual([1, 0, 0]);
  });
});
