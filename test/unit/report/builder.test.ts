import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { bugcheckName, ReportBuilder } from "../../../src/report/builder.ts";
import type { ReportDeath, ReportThread } from "../../../src/report/report.ts";
import type { KernelEvent } from "../../../src/sim/record.ts";
import {
  build,
  died,
  exitWhileWaiting,
  facts,
  held,
  imageMapped,
  marked,
  PID,
  processCreated,
  processDied,
  threadCreated,
} from "./events.ts";

function threadOf(events: readonly KernelEvent[], tid: number): ReportThread {
  const found = build(events)
    .processes.flatMap((process) => process.threads)
    .findLast((thread) => thread.tid === tid);
  if (found === undefined) throw new Error(`no thread ${tid} in the report`);
  return found;
}

function deathOf(events: readonly KernelEvent[], tid: number): ReportDeath {
  const { death } = threadOf(events, tid);
  if (death === null) throw new Error(`thread ${tid} has no death certificate`);
  return death;
}

const oneProcess = [...processCreated(PID, "a.exe"), ...threadCreated(12)];

describe("a death certificate", () => {
  it("names the killer, the path and what the thread was doing", () => {
    const death = deathOf(exitWhileWaiting(), 16);
    expect(death).toMatchObject({
      route: "process-exit",
      killer: { pid: 8, tid: 12 },
      status: 41,
      requested: { time: 3_000_000, via: "NtTerminateProcess(NULL)", api: null, from: "0x7b001234" },
      waiting: [{ kind: "event", id: 0x2c }],
      held: [{ kind: "mutant", id: 0x30, note: "abandoned" }],
    });
  });

  it("has a time for every stage of the death", () => {
    expect(deathOf(exitWhileWaiting(), 16)).toMatchObject({
      delivered: 3_000_100,
      exited: 3_000_200,
      signaled: 3_000_201,
      reaped: 3_000_202,
      deleted: 3_000_203,
    });
  });

  it("says null for stages that were not reached", () => {
    expect(deathOf([...oneProcess, marked(12, {})], 12)).toMatchObject({
      delivered: null,
      exited: null,
      deleted: null,
    });
  });

  it("gives the caller as an offset into its image", () => {
    expect(deathOf(exitWhileWaiting(), 12).requested?.from).toBe("exit-while-waiting.exe+0x14f2");
  });

  it("looks the caller up in the killer's process, not the victim's", () => {
    const events = [
      ...processCreated(20, "killer.exe"),
      imageMapped(20, "killer.exe"),
      ...oneProcess,
      imageMapped(PID, "a.exe"),
      marked(12, { route: "killed", killer: { pid: 20, tid: 24 }, from: 0x400100 }),
    ];
    expect(deathOf(events, 12).requested?.from).toBe("killer.exe+0x100");
  });

  it("keeps the caller's image after the image is gone", () => {
    const events = [
      ...oneProcess,
      imageMapped(PID, "plugin.dll", 0x10000000),
      marked(12, { from: 0x10000020 }),
      { kind: "image-unmapped", pid: PID, base: 0x10000000 } as const,
      ...died(12, 0),
    ];
    expect(deathOf(events, 12).requested?.from).toBe("plugin.dll+0x20");
  });

  it("uses the injected locator when there is one", () => {
    const locate = (_pid: number, address: number) => ({ image: "from-elsewhere.dll", offset: address & 0xfff });
    const report = build([...oneProcess, marked(12, { from: 0x77001234 })], {}, { locate });
    expect(report.processes[0]?.threads[0]?.death?.requested?.from).toBe("from-elsewhere.dll+0x234");
  });

  it("keeps the first decision when a second killer comes", () => {
    const first = marked(12, { route: "killed", killer: { pid: PID, tid: 16 }, status: 1 }, 100);
    const second = marked(12, { route: "process-kill", killer: { pid: 20, tid: 24 }, status: 2 }, 200);
    expect(deathOf([...oneProcess, first, second], 12)).toMatchObject({
      route: "killed",
      status: 1,
      killer: { tid: 16 },
    });
  });

  it("keeps a status of the upper half unsigned", () => {
    const events = [...oneProcess, marked(12, { status: 0xc0000005 }), ...died(12, 0xc0000005)];
    expect(threadOf(events, 12)).toMatchObject({ exitStatus: 0xc0000005, death: { status: 0xc0000005 } });
  });

  it("lists 32 things held and counts the rest", () => {
    const many = Array.from({ length: 40 }, (_, index) => held(12, { id: index }));
    const death = deathOf([...oneProcess, ...many, marked(12, {})], 12);
    expect([death.held.length, death.heldOmitted]).toEqual([32, 8]);
  });

  it("has no route when a thread goes away without anybody asking", () => {
    const events = [...oneProcess, { kind: "thread-deleted", time: 5000, pid: PID, tid: 12 } as const];
    expect(deathOf(events, 12)).toMatchObject({ route: null, requested: null, deleted: 5000 });
  });

  it("is absent while nobody has asked for the thread's death", () => {
    expect(threadOf(oneProcess, 12).death).toBeNull();
  });
});

describe("a report", () => {
  it("tells two threads apart that had the same id one after the other", () => {
    const events = [
      ...oneProcess,
      marked(12, { status: 1 }),
      ...died(12, 1),
      ...threadCreated(12),
      marked(12, { status: 2 }),
      ...died(12, 2),
    ];
    expect(build(events).processes[0]?.threads.map((thread) => thread.exitStatus)).toEqual([1, 2]);
  });

  it("tells two processes apart that had the same id one after the other", () => {
    const events = [
      ...processCreated(PID, "first.exe"),
      ...processDied(PID, 1),
      ...processCreated(PID, "second.exe"),
      ...processDied(PID, 2),
    ];
    const { processes } = build(events);
    expect(processes.map((process) => [process.image, process.exitStatus])).toEqual([
      ["first.exe", 1],
      ["second.exe", 2],
    ]);
  });

  it("forgets the images of a process with it", () => {
    const events = [
      ...processCreated(PID, "first.exe"),
      imageMapped(PID, "first.exe"),
      ...processDied(PID, 1),
      ...oneProcess,
      marked(12, { from: 0x400100 }),
    ];
    expect(deathOf(events, 12).requested?.from).toBe("0x400100");
  });

  it("names the thread that exited last", () => {
    expect(build(exitWhileWaiting()).processes[0]?.lastThread).toBe(12);
  });

  it("names no last thread of a process that lives", () => {
    const events = [...oneProcess, ...threadCreated(16), marked(16, {}), ...died(16, 0)];
    expect(build(events).processes[0]?.lastThread).toBeNull();
  });

  it("says which job a process was in", () => {
    const events = [...oneProcess, { kind: "process-job", pid: PID, job: 77 } as const];
    expect(build(events).processes[0]?.job).toBe(77);
  });

  it("gives a bugcheck its name and four parameters", () => {
    const events: KernelEvent[] = [{ kind: "bugcheck", time: 1, code: 0xef, parameters: [5] }];
    expect(build(events).bugcheck).toEqual({ code: 0xef, name: "CRITICAL_PROCESS_DIED", parameters: [5, 0, 0, 0] });
  });

  it("calls an unknown bugcheck by its number", () => {
    expect(bugcheckName(0xdeadbeef)).toBe("0xdeadbeef");
  });

  it("finds the ring of a deadlock", () => {
    const wait = (owner: number) => ({ kind: "critical section", id: 0x405020, name: null, owner, note: "" });
    const threads = [
      { pid: PID, tid: 16, name: null, waitsFor: [wait(12)] },
      { pid: PID, tid: 12, name: null, waitsFor: [wait(16)] },
    ];
    expect(build([], { waitGraph: { threads, cycle: [] } }).deadlock?.cycle).toEqual([12, 16]);
  });

  it("does not mind fine-grained events", () => {
    const noise: KernelEvent[] = [
      { kind: "signal", object: 3 },
      { kind: "step", step: "E1", pid: PID, tid: 12 },
      { kind: "wait", act: "begin", tid: 12, objects: [3], status: 0 },
      { kind: "pool", act: "allocate", id: 9, tag: "TAPC", bytes: 48 },
    ];
    expect(build([...oneProcess, ...noise])).toEqual(build(oneProcess));
  });

  it("counts the threads that do not fit", () => {
    const threads = [12, 16, 20, 24].flatMap((tid) => threadCreated(tid));
    const report = build([...processCreated(PID, "a.exe"), ...threads], {}, { maximumThreads: 3 });
    expect([report.processes[0]?.threads.length, report.omitted.threads]).toEqual([3, 1]);
  });

  it("counts the processes that do not fit, and their threads", () => {
    const events = [...oneProcess, ...processCreated(20, "b.exe"), ...threadCreated(24, { pid: 20 })];
    const report = build(events, {}, { maximumProcesses: 1 });
    expect([report.processes.length, report.omitted]).toEqual([1, { processes: 1, threads: 1 }]);
  });

  it("holds a hundred thousand threads in under 256 bytes each", () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const builder = new ReportBuilder();
    for (const event of processCreated(PID, "a.exe")) builder.sink(event);
    collect();
    const before = process.memoryUsage();
    for (let tid = 16; tid < 16 + 4 * 100_000; tid += 4) {
      for (const event of threadCreated(tid)) builder.sink(event);
      builder.sink(marked(tid, { route: "killed", killer: { pid: PID, tid: 12 } }));
      for (const event of died(tid, 5)) builder.sink(event);
    }
    collect();
    const after = process.memoryUsage();
    const bytes = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;

    expect(bytes / 100_000).toBeLessThan(256);
    expect(builder.finish(facts()).processes[0]?.threads.length).toBe(100_000);
  });
});
