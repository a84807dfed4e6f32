/** Jobs in scenes: a job with a port, and what came out of the port. */
import { expect } from "vitest";
import { JobMessage } from "../../src/abi/job.ts";
import { STATUS_SUCCESS } from "../../src/abi/status.ts";
import type { Script } from "../../src/guest/script/context.ts";
import { limitsOf } from "../../src/guest/script/jobs.ts";
import { nt } from "../../src/guest/script/services.ts";
import type { JobLimitRequest } from "../../src/ps/joblimits.ts";
import { must } from "./scene.ts";

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(JobMessage).map(([name, value]) => [value, name]));

/** A job with these limits. @returns its handle */
export function* makeJob(limits: Partial<JobLimitRequest> = {}): Script<number> {
  const job = must(yield* nt.NtCreateJobObject());
  yield* limit(job, limits);
  return job;
}

export function* limit(job: number, limits: Partial<JobLimitRequest>): Script<void> {
  expect(yield* nt.NtSetInformationJobObject(job, limitsOf(limits))).toBe(STATUS_SUCCESS);
}

/** Gives a job a port of its own. @returns the port's handle */
export function* listen(job: number, key = 1): Script<number> {
  const port = must(yield* nt.NtCreateIoCompletion());
  expect(yield* nt.NtSetInformationJobObject(job, { kind: "completion-port", port, key })).toBe(STATUS_SUCCESS);
  return port;
}

/** What is in the port now, as `NEW_PROCESS 12`. */
export function* messages(port: number): Script<string[]> {
  const found: string[] = [];
  for (;;) {
    const packet = yield* nt.NtRemoveIoCompletion(port, 0);
    if (!packet.ok) return found;
    const { information, apcContext, status } = packet.value;
    expect(status).toBe(STATUS_SUCCESS);
    found.push(`${NAMES.get(information) ?? information}${apcContext === 0 ? "" : ` ${apcContext}`}`);
  }
}

/** Assigns; fails unless that succeeds. */
export function* assign(job: number, process: number): Script<void> {
  expect(yield* nt.NtAssignProcessToJobObject(job, process)).toBe(STATUS_SUCCESS);
}

/** Total, active and terminated processes of a job. */
export function* counts(job: number): Script<[number, number, number]> {
  const { totalProcesses, activeProcesses, totalTerminatedProcesses } = must(
    yield* nt.NtQueryInformationJobObject(job),
  );
  return [totalProcesses, activeProcesses, totalTerminatedProcesses];
}
