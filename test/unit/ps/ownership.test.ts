/**
 * D38: what threads and processes hold. Each of their fields that can hold something is in a table that says what must be
 * there when the object is deleted, so that whoever adds a field has to decide who gives it back.
 */
import { describe, expect, test } from "vitest";
import { jobServices as jobs } from "../../../src/guest/script/jobs.ts";
import { lpc } from "../../../src/guest/script/lpc.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { PsGetCurrentThread } from "../../../src/ps/current.ts";
import type { EThread } from "../../../src/ps/objects.ts";
import { isLinked, isListEmpty, ListEntry } from "../../../src/rtl/list.ts";
import { debugged, follow, pass } from "../../support/debugger.ts";
import { createPort } from "../../support/port.ts";
import { ended, must, play, settle, sleepForever, start } from "../../support/scene.ts";

/** `gone`: null. `list`: empty. `link`: in no list. `part`: lives and dies with the object, and holds nothing else. */
type Afterwards = "gone" | "list" | "link" | "part";

const DISPATCHER = { objectHeader: "part", waitListHead: "list" } as const;

const THREAD: Readonly<Record<string, Afterwards>> = {
  ...DISPATCHER,
  stackBase: "gone",
  initialStack: "gone",
  continuation: "gone",
  queue: "gone",
  queueItem: "gone",
  win32Thread: "gone",
  terminationPort: "gone",
  nameBlock: "gone",
  impersonationInfo: "gone",
  mutantListHead: "list",
  activeTimerListHead: "list",
  irpList: "list",
  queueListEntry: "link",
  readyListEntry: "link",
  threadListEntry: "link",
  ethreadListEntry: "link",
  alerted: "part",
  apcState: "part",
  exitApc: "part",
  killRequest: "part",
  lpc: "part",
  rundownProtect: "part",
  savedApcState: "part",
  suspendApc: "part",
  suspendSemaphore: "part",
  user: "part",
  waitBlocks: "part",
  waitTimeout: "part",
  // The driver's that registered the Lego routine.
  legoData: "part",
  // One reference for both, dropped as the last thing (DT6).
  process: "part",
  threadsProcess: "part",
};

const PROCESS: Readonly<Record<string, Afterwards>> = {
  ...DISPATCHER,
  addressSpace: "gone",
  auditImageName: "gone",
  commitLimiter: "gone",
  debugPort: "gone",
  exceptionPort: "gone",
  job: "gone",
  objectTable: "gone",
  quotaBlock: "gone",
  sectionObject: "gone",
  token: "gone",
  win32Process: "gone",
  workingSetWatch: "gone",
  ethreadListHead: "list",
  threadListHead: "list",
  activeProcessLinks: "link",
  ioCounters: "part",
  processLock: "part",
  rundownProtect: "part",
};

/** A process with a job, a debugger and two threads that hold what threads can hold, all of it dead and deleted. */
function deletedThreads(): EThread[] {
  const threads: EThread[] = [];
  play(function* () {
    const job = must(yield* jobs.NtCreateJobObject());
    const child = yield* debugged(function* () {
      for (const name of ["first", "second"]) {
        yield* start(
          function* () {
            must(yield* nt.NtCreateMutant(true));
            yield* lpc.NtRegisterThreadTerminatePort((yield* createPort()).handle);
            threads.push(yield* nt.call(PsGetCurrentThread));
            yield* sleepForever();
          },
          { name },
        );
      }
      yield* sleepForever();
    });
    expect(yield* jobs.NtAssignProcessToJobObject(job, child.handle)).toBe(0);
    for (const kind of ["create-process", "create-thread", "create-thread"] as const) yield* pass(child.debug, kind);
    yield* settle();
    yield* nt.NtTerminateProcess(child.handle, 5);
    yield* follow(child.debug);
    yield* ended(child.handle);
  });
  return threads;
}

/** What is not as the table has it. */
function misfits(object: object, table: Readonly<Record<string, Afterwards>>): string[] {
  return Object.entries(object).flatMap(([field, value]: [string, unknown]) => {
    if (value !== null && typeof value !== "object") return [];
    const afterwards = table[field];
    if (afterwards === undefined) return [`${field}: nobody has decided who gives it back`];
    return fits(value, afterwards) ? [] : [`${field}: ${afterwards} afterwards, it should be`];
  });
}

function fits(value: object | null, afterwards: Afterwards): boolean {
  if (afterwards === "gone") return value === null;
  if (afterwards === "part") return true;
  if (!(value instanceof ListEntry)) return false;
  return afterwards === "list" ? isListEmpty(value) : !isLinked(value);
}

describe("D38: a deleted object holds nothing", () => {
  const threads = deletedThreads();

  test("a thread", () => {
    expect(threads).toHaveLength(2);
    expect(threads.map((thread) => misfits(thread, THREAD))).toEqual([[], []]);
  });

  test("a process", () => {
    expect(threads.map(({ threadsProcess }) => misfits(threadsProcess, PROCESS))).toEqual([[], []]);
  });

  test("a field that the table does not know, or that is not given back, is found", () => {
    expect(misfits({ added: {}, token: {}, job: null }, PROCESS)).toEqual([
      "added: nobody has decided who gives it back",
      "token: gone afterwards, it should be",
    ]);
  });
});
