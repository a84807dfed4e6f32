import { describe, expect, it } from "vitest";
import { reportText, type TextOptions } from "../../../src/report/text.ts";
import type { KernelEvent } from "../../../src/sim/record.ts";
import type { RunFacts } from "../../../src/report/builder.ts";
import {
  build,
  died,
  exitWhileWaiting,
  held,
  marked,
  PID,
  processCreated,
  processDied,
  threadCreated,
} from "./events.ts";

const noColor: TextOptions = { color: (_style, text) => text };

function textOf(events: readonly KernelEvent[], changes: Partial<RunFacts> = {}, options = noColor): string {
  return reportText(build(events, changes), options);
}

function lineWith(text: string, part: string): string {
  return text.split("\n").find((line) => line.includes(part)) ?? "";
}

/** A thread of a process that dies as `events` say. */
function sentence(...events: KernelEvent[]): string {
  const text = textOf(
    [...processCreated(PID, "a.exe"), ...threadCreated(12), ...events],
    {},
    { ...noColor, width: 1000 },
  );
  return lineWith(text, "thread 12 ").replace(/^ +thread 12 {2}main {2}\S+ +/u, "");
}

describe("the text of a run", () => {
  it("reads as the manual shows it", () => {
    expect(textOf(exitWhileWaiting(), {}, { ...noColor, hostMilliseconds: 42 })).toBe(
      `exit-while-waiting.exe ended with 41 (0x29) · 1.09 M instructions · 0.35 s virtual · 42 ms
  process 8  exit-while-waiting.exe  41  status from NtTerminateProcess by its last thread, 12
    thread 12  main    41  ended itself: ExitProcess, exit-while-waiting.exe+0x14f2
    thread 16  worker  41  killed by thread 12 with NtTerminateProcess(NULL) while waiting for event 0x2c; held mutant 0x30 (abandoned)
  left behind: nothing
`,
    );
  });

  it("breaks long sentences at the width of the terminal, under their own beginning", () => {
    const lines = textOf(exitWhileWaiting(), {}, { ...noColor, width: 80 }).split("\n");
    const first = lines.findIndex((line) => line.includes("thread 16"));
    expect(lines.slice(first, first + 3)).toEqual([
      "    thread 16  worker  41  killed by thread 12 with NtTerminateProcess(NULL)",
      "                           while waiting for event 0x2c; held mutant 0x30",
      "                           (abandoned)",
    ]);
  });

  it("names the status of a crash", () => {
    const end = { outcome: "crashed", exitStatus: 0xc0000005, detail: "read of address 0 at a.exe+0x1010" } as const;
    expect(textOf([], { end })).toContain(
      "crashed with 0xc0000005 (STATUS_ACCESS_VIOLATION): read of address 0 at a.exe+0x1010",
    );
  });

  it("says which limit ended the run and claims nothing about what was left behind", () => {
    const text = textOf([], { end: { outcome: "limit", exitStatus: 0, detail: "limit of 100 instructions" } });
    expect(text).toContain("was stopped: limit of 100 instructions");
    expect(text).not.toContain("left behind");
  });

  it("names the bugcheck and its parameters", () => {
    const bugcheck: KernelEvent = { kind: "bugcheck", time: 1, code: 0xf4, parameters: [3, 17, 0, 0] };
    const text = textOf([bugcheck], { end: { outcome: "bugcheck", exitStatus: 0, detail: "" } });
    expect(text).toContain("  bugcheck 0xf4 CRITICAL_OBJECT_TERMINATION (0x3, 0x11, 0x0, 0x0)");
  });

  it("lists what was left behind and who holds it", () => {
    const leaks = [{ kind: "object", id: 17, type: "Thread", pinnedBy: ["handle 0x44 of process 8"] }];
    expect(textOf([], { leaks })).toContain(
      "  left behind: 1 thing\n    object 17  Thread  held by handle 0x44 of process 8\n",
    );
  });

  it("names the services that are not implemented", () => {
    expect(textOf([], { notImplemented: ["NtFoo", "NtBar"] })).toContain("  not implemented: NtFoo, NtBar\n");
  });

  it("colours cells without disturbing the columns", () => {
    const marks = textOf(exitWhileWaiting(), {}, { color: (style, text) => `<${style}>${text}</>` });
    expect(marks.replace(/<[^>]*>/gu, "")).toBe(textOf(exitWhileWaiting()));
  });

  it("gives the times of all stages when asked for them", () => {
    expect(textOf(exitWhileWaiting(), {}, { ...noColor, verbose: true, width: 1000 })).toContain(
      "[created 100 µs, requested 0.3 s, delivered 0.3 s, exited 0.3 s, signaled 0.3 s, reaped 0.3 s, deleted 0.3 s]",
    );
  });

  it("stays short when a run had ten thousand threads", () => {
    const threads = Array.from({ length: 10_000 }, (_, index) =>
      threadCreated(12 + 4 * index, { name: `worker ${index}` }),
    ).flat();
    const text = textOf([...processCreated(PID, "a.exe"), ...threads]);
    expect(text.split("\n").length).toBeLessThan(60);
    expect(text).toContain("    and 9960 more threads\n");
  });

  it("tells of many threads with one fate in one line", () => {
    const kill = { route: "killed", killer: { pid: PID, tid: 12 }, via: "NtTerminateProcess(NULL)" } as const;
    const crowd = Array.from({ length: 1000 }, (_, index) => 16 + 4 * index);
    const events = crowd.flatMap((tid) => [...threadCreated(tid), marked(tid, kill), ...died(tid, 0)]);
    const text = textOf([...processCreated(PID, "a.exe"), ...threadCreated(12), ...events]);
    expect(lineWith(text, "thread 16 ")).toBe(
      "    thread 16  0x401000  0  killed by thread 12 with NtTerminateProcess(NULL) (and so 999 more threads, up to 4012)",
    );
    expect(text).not.toContain("thread 20 ");
  });

  it("tells of three threads with one fate one by one", () => {
    const events = [12, 16, 20, 24].flatMap((tid) => [
      ...threadCreated(tid),
      marked(tid, {}),
      ...died(tid, tid === 12 ? 1 : 0),
    ]);
    const text = textOf([...processCreated(PID, "a.exe"), ...events]);
    expect(text.match(/thread \d+ /gu)).toHaveLength(4);
  });

  it("lets no control character of the guest reach the terminal", () => {
    const events = [
      ...processCreated(PID, "a\u001b]0;x\u0007.exe"),
      ...threadCreated(12, { name: "\u001b[31mred\u202e" }),
    ];
    expect(textOf(events)).not.toMatch(/[\u001b\u0007\u202e]/u);
  });
});

describe("the sentence of a death", () => {
  it("says that a thread lives", () => {
    expect(sentence()).toBe("still alive when the run ended");
  });

  it("says that a thread returned", () => {
    expect(sentence(marked(12, { route: "returned" }), ...died(12, 0))).toBe("returned from its start routine");
  });

  it("names the killer's process when it is another one", () => {
    const kill = marked(12, { route: "process-kill", killer: { pid: 20, tid: 24 }, via: "NtTerminateProcess" });
    expect(sentence(kill, ...died(12, 9))).toBe("killed by thread 24 of process 20 with NtTerminateProcess");
  });

  it("says that a kill was asked for but not delivered", () => {
    const kill = marked(12, { route: "killed", killer: { pid: PID, tid: 16 } });
    expect(sentence(kill)).toBe("killed by thread 16 with NtTerminateThread, but was still alive when the run ended");
  });

  it("says that a thread slept", () => {
    const kill = {
      ...marked(12, { route: "killed", killer: { pid: PID, tid: 16 } }),
      waiting: [{ kind: "delay", id: 0 }],
    };
    expect(sentence(kill as KernelEvent, ...died(12, 9))).toContain("with NtTerminateThread while sleeping");
  });

  it("tells a job from a plain kill", () => {
    const kill = marked(12, { route: "job", killer: null, via: "the last handle was closed" });
    expect(sentence(kill, ...died(12, 9))).toBe("killed with its job (the last handle was closed)");
  });

  it("names where an unhandled exception was raised", () => {
    const fault = marked(12, { route: "exception", via: "unhandled exception", from: 0x401234 });
    expect(sentence(fault, ...died(12, 0xc0000005))).toBe("ended by an unhandled exception, 0x401234");
  });

  it("names four things held and counts the others", () => {
    const many = [1, 2, 3, 4, 5, 6].map((id) => held(12, { id, note: "" }));
    expect(sentence(marked(12, {}), ...many, ...died(12, 0))).toContain(
      "; held mutant 0x1, mutant 0x2, mutant 0x3, mutant 0x4 and 2 more",
    );
  });
});

describe("the line of a process", () => {
  it("is left out for the System process, which always lives", () => {
    expect(textOf(processCreated(4, "System"))).not.toContain("process 4");
  });

  it("is there for the System process if that ended", () => {
    expect(textOf([...processCreated(4, "System"), ...processDied(4, 1)])).toContain("process 4");
  });

  it("says whose call its status came from when another process killed it", () => {
    const kill = marked(12, {
      route: "process-kill",
      killer: { pid: 20, tid: 24 },
      via: "NtTerminateProcess",
      status: 9,
    });
    const events = [
      ...processCreated(PID, "a.exe"),
      ...threadCreated(12),
      kill,
      ...died(12, 9),
      ...processDied(PID, 9),
    ];
    expect(lineWith(textOf(events), "process 8")).toBe(
      "  process 8  a.exe  9  status from NtTerminateProcess by thread 24 of process 20",
    );
  });

  it("only names the last thread when its status is not the one that was asked of it", () => {
    const exit = marked(12, { status: 3 });
    const events = [
      ...processCreated(PID, "a.exe"),
      ...threadCreated(12),
      exit,
      ...died(12, 3),
      ...processDied(PID, 5),
    ];
    expect(lineWith(textOf(events), "process 8")).toContain("its last thread was 12");
  });
});

describe("the text of a deadlock", () => {
  const section = { kind: "critical section", id: 0x405020, name: "exit-while-holding.exe .bss", owner: 16 };
  const end = { outcome: "deadlock", exitStatus: 0, detail: "" } as const;

  it("says who owned the lock, how the owner died, and that nobody can release it", () => {
    const note = "3 instructions after it entered it";
    const waitGraph = { threads: [{ pid: PID, tid: 12, name: "main", waitsFor: [{ ...section, note }] }], cycle: [] };
    const kill = marked(16, { route: "process-exit", killer: { pid: PID, tid: 12 }, via: "NtTerminateProcess(NULL)" });
    const events = [...processCreated(PID, "a.exe"), ...threadCreated(12), ...threadCreated(16), kill, ...died(16, 1)];
    expect(textOf(events, { end, waitGraph }, { ...noColor, width: 144 })).toContain(
      `  deadlock: nothing can run any more
    thread 12  main  waits for critical section 0x405020 (exit-while-holding.exe .bss), owned by thread 16, which was killed by thread 12 with
                     NtTerminateProcess(NULL) at 0.35 s, 3 instructions after it entered it — nobody can release it
`,
    );
  });

  it("shows the ring of threads that wait for each other", () => {
    const waiting = (tid: number, owner: number) => ({
      pid: PID,
      tid,
      name: null,
      waitsFor: [{ ...section, owner, note: "" }],
    });
    const waitGraph = { threads: [waiting(12, 16), waiting(16, 12)], cycle: [] };
    expect(textOf([], { end, waitGraph })).toContain(
      "    each waits for the next: thread 12 → thread 16 → thread 12\n",
    );
  });

  it("tells of a waiting thread once, and calls its process hanging", () => {
    const waitGraph = {
      threads: [{ pid: PID, tid: 12, name: "main", waitsFor: [{ ...section, note: "" }] }],
      cycle: [],
    };
    const text = textOf([...processCreated(PID, "a.exe"), ...threadCreated(12)], { end, waitGraph });
    expect(lineWith(text, "process 8")).toMatch(/hangs$/u);
    expect(text.split("thread 12")).toHaveLength(2);
  });

  it("does not call a lock of a living thread unreleasable", () => {
    const waitGraph = { threads: [{ pid: PID, tid: 12, name: null, waitsFor: [{ ...section, note: "" }] }], cycle: [] };
    const events = [...processCreated(PID, "a.exe"), ...threadCreated(12), ...threadCreated(16)];
    expect(textOf(events, { end, waitGraph })).not.toContain("nobody can release it");
  });
});
