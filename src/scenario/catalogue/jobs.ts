/** Scenarios: jobs and their members. */
import { JobLimit, JobMessage } from "../../abi/job.ts";
import { BugCheckCode } from "../../abi/ke.ts";
import { CURRENT_PROCESS_HANDLE } from "../../abi/ps.ts";
import type { Script } from "../../guest/script/context.ts";
import { limitsOf } from "../../guest/script/jobs.ts";
import { nt } from "../../guest/script/services.ts";
import { run, type Scenario, until } from "../scenario.ts";
import { must, type Stage } from "../stage.ts";
import { naps } from "./cast.ts";

/** Makes a job with a port; the port's handle is noted. @returns the job's handle, in the first process */
function* makeJobWithPort(stage: Stage): Script<number> {
  const job = must(yield* nt.NtCreateJobObject());
  const port = must(yield* nt.NtCreateIoCompletion());
  yield* nt.NtSetInformationJobObject(job, { kind: "completion-port", port, key: 1 });
  stage.notes.set("port", port);
  return job;
}

/** Takes out of the port whatever is there, and notes what it was. */
function* readPort(stage: Stage): Script<void> {
  const heard: number[] = [];
  for (;;) {
    const packet = yield* nt.NtRemoveIoCompletion(stage.notes.get("port") as number, 0);
    if (!packet.ok) break;
    heard.push(packet.value.information);
  }
  stage.notes.set("heard", heard);
}

/** Whether the port heard of a birth and not of a death. */
function hearsOfBirthOnly(stage: Stage): boolean {
  const heard = (stage.notes.get("heard") ?? []) as readonly number[];
  return heard.includes(JobMessage.NEW_PROCESS) && !heard.includes(JobMessage.EXIT_PROCESS);
}

/** Ends the process of the thread that does it, in one go. */
function* exitProcess(): Script<void> {
  yield* nt.NtTerminateProcess(0, 5);
  yield* nt.NtTerminateProcess(CURRENT_PROCESS_HANDLE, 5);
}

const exitUnheard: Scenario = {
  id: "d43a-exit-that-no-port-hears-of",
  defects: ["D43a"],
  meaning: "a member of a job exits; whoever waits for it looks into the job's port",
  *setUp(stage) {
    yield* stage.makeProcess("member");
    yield* stage.makeActor("exit", exitProcess, { process: "member" });
    const job = yield* makeJobWithPort(stage);
    yield* nt.NtAssignProcessToJobObject(job, stage.handle("member"));
    yield* stage.makeActor("waiter", function* () {
      yield* nt.NtWaitForSingleObject(stage.handle("member"));
      yield* readPort(stage);
    });
  },
  schedule: [run("exit"), run("waiter")],
  violation(stage) {
    if (!hearsOfBirthOnly(stage)) return null;
    return "the process has ended, and the port of its job heard that it began and never that it is gone";
  },
};

const memberEndsItsJob: Scenario = {
  id: "d43b-member-ends-its-job",
  defects: ["D43b"],
  meaning: "a member of a job ends the job, and with it its own process",
  *setUp(stage) {
    yield* stage.makeProcess("member");
    const job = must(yield* nt.NtCreateJobObject("d43b"));
    yield* nt.NtAssignProcessToJobObject(job, stage.handle("member"));
    const end = function* (): Script<void> {
      yield* nt.NtTerminateJobObject(must(yield* nt.NtOpenJobObject("d43b")), 5);
    };
    yield* stage.makeActor("member's thread", end, { process: "member" });
  },
  schedule: [run("member's thread")],
  violation(stage) {
    if (stage.bugCheck !== BugCheckCode.KERNEL_APC_PENDING_DURING_EXIT) return null;
    return "the member exits while it holds the job's lock, and the machine stops";
  },
};

const memberHoldsItsJob: Scenario = {
  id: "d43c-member-holds-its-own-job",
  defects: ["D43c"],
  meaning: "the only handle to a job with KILL_ON_JOB_CLOSE is its member's, and is closed when the member exits",
  *setUp(stage) {
    yield* stage.makeProcess("member");
    const live = function* (): Script<void> {
      const job = must(yield* nt.NtCreateJobObject());
      yield* nt.NtSetInformationJobObject(job, limitsOf({ flags: JobLimit.KILL_ON_JOB_CLOSE }));
      yield* nt.NtAssignProcessToJobObject(job, CURRENT_PROCESS_HANDLE);
      yield* exitProcess();
    };
    yield* stage.makeActor("member's thread", live, { process: "member" });
  },
  schedule: [run("member's thread")],
  violation(stage) {
    if (stage.bugCheck !== BugCheckCode.KERNEL_APC_PENDING_DURING_EXIT) return null;
    return "a thread that exits closes its job, is ended by it from within its exit, and the machine stops";
  },
};

const assignmentDuringExit: Scenario = {
  id: "d43d-assignment-during-exit",
  defects: ["D43d"],
  meaning: "a process is assigned to a job while its last thread is past the exit message and waits for the rundown",
  *setUp(stage) {
    yield* stage.makeProcess("victim");
    yield* stage.makeThread("victim's thread", naps, { process: "victim" });
    const job = yield* makeJobWithPort(stage);
    yield* stage.makeActor("assigner", () => nt.NtAssignProcessToJobObject(job, stage.handle("victim")));
    yield* stage.makeActor("killer", () => nt.NtTerminateProcess(stage.handle("victim"), 5));
    yield* stage.makeActor("waiter", function* () {
      yield* nt.NtWaitForSingleObject(stage.handle("victim"));
      yield* readPort(stage);
    });
  },
  schedule: [until("assigner", "D43d:between-rundown-and-link"), run("killer"), run("assigner"), run("waiter")],
  violation(stage) {
    if (!hearsOfBirthOnly(stage)) return null;
    return "the port of the job heard that the process began, and never that it is gone";
  },
};

export const jobScenarios: readonly Scenario[] = [
  exitUnheard,
  memberEndsItsJob,
  memberHoldsItsJob,
  assignmentDuringExit,
];
