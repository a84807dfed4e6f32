import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { EventEmitter } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { MachineEnd } from "../../../src/abi/report.ts";
import type { Report } from "../../../src/report/report.ts";
import { type GuestStreams, run, type RunHost, type RunningMachine } from "../../../apps/cli/command-run.ts";
import { CliFailure } from "../../../apps/cli/failure.ts";
import { Output } from "../../../apps/cli/output.ts";
import { defaultRunOptions, type RunOptions } from "../../../apps/cli/runoptions.ts";
import { exitWhileWaiting } from "../report/events.ts";

const SAMPLE = fileURLToPath(new URL("../../../samples/native/exit-while-waiting.exe", import.meta.url));

let folder = "";
let out = new Output(1);
let err = new Output(2);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rundown-run-"));
  out = new Output(openSync(join(folder, "out"), "a"));
  err = new Output(openSync(join(folder, "err"), "a"));
});
afterEach(() => {
  closeSync(out.descriptor);
  closeSync(err.descriptor);
  rmSync(folder, { recursive: true });
});

const file = (name: string): string => join(folder, name);
const read = (name: string): string => readFileSync(file(name), "utf8");

/** A machine that follows a script instead of running a program. */
interface Script {
  readonly end?: Partial<MachineEnd>;
  readonly during?: (streams: GuestStreams) => void;
  readonly machine?: Partial<RunningMachine>;
  readonly input?: string;
}

function host(script: Script): RunHost {
  return {
    environment: {},
    signals: new EventEmitter(),
    quit: () => undefined,
    clock: () => 0,
    pause: () => Promise.resolve(),
    loadCheck: () => Promise.resolve(() => undefined),
    findScenario: () => Promise.resolve(null),
    readInput: () => new TextEncoder().encode(script.input ?? ""),
    boot: (_options, _program, streams) =>
      Promise.resolve({
        run: () => {
          script.during?.(streams);
          return { outcome: "exited", exitStatus: 0, detail: "", ...script.end };
        },
        stop: (why) => ({ outcome: "limit", exitStatus: 0, detail: why }),
        statistics: { instructions: 1000, systemCalls: 10, virtualTime100ns: 5000, contextSwitches: 3 },
        ledger: () => [],
        waitGraph: () => ({ threads: [], cycle: [] }),
        notImplemented: () => [],
        ...script.machine,
      }),
  };
}

function runScript(script: Script, options: Partial<RunOptions> = {}): Promise<number> {
  return run({ ...defaultRunOptions(), program: SAMPLE, ...options }, { out, err }, host(script));
}

const say = (text: string) => (streams: GuestStreams) => streams.stdout(new TextEncoder().encode(text));

describe("the exit status of a run", () => {
  it.each([
    [{ exitStatus: 0 }, 0],
    [{ exitStatus: 119 }, 119],
    [{ exitStatus: 120 }, 1],
    [{ exitStatus: 0xc0000005, outcome: "crashed" }, 1],
    [{ exitStatus: 0x100, outcome: "exited" }, 1],
    [{ outcome: "bugcheck" }, 120],
    [{ outcome: "deadlock" }, 122],
    [{ outcome: "limit" }, 124],
  ] as const)("for the end %j is %i", async (end, status) => {
    expect(await runScript({ end })).toBe(status);
  });

  const leaks = { ledger: () => [{ kind: "object", id: 1, type: "Thread", pinnedBy: [] }] };

  it("is 121 after a leak if leaks are forbidden", async () => {
    expect(await runScript({ machine: leaks }, { failOn: new Set(["leak"] as const) })).toBe(121);
  });

  it("is the program's own after a leak otherwise", async () => {
    expect(await runScript({ machine: leaks, end: { exitStatus: 7 } })).toBe(7);
  });

  it("is not 121 for what was alive when the run was cut off", async () => {
    const failOn = new Set(["leak"] as const);
    expect(await runScript({ machine: leaks, end: { outcome: "limit" } }, { failOn })).toBe(124);
  });

  it("is 121 if a service was missing and that is forbidden", async () => {
    const failOn = new Set(["not-implemented"] as const);
    expect(await runScript({ machine: { notImplemented: () => ["NtFoo"] } }, { failOn })).toBe(121);
  });

  it("is 130 after Ctrl-C, with the report printed", async () => {
    const signals = new EventEmitter();
    const pause = () => {
      signals.emit("SIGINT", "SIGINT");
      return Promise.resolve();
    };
    const status = await run(
      { ...defaultRunOptions(), program: SAMPLE },
      { out, err },
      { ...host({ machine: { run: () => null } }), signals, pause },
    );
    expect(status).toBe(130);
    expect(read("err")).toContain("was stopped: interrupted by the user");
  });
});

describe("a run", () => {
  it("writes the guest's output and nothing else to standard output", async () => {
    await runScript({ during: say("hello\r\n") });
    expect(read("out")).toBe("hello\r\n");
  });

  it("tells on standard error how the program ended", async () => {
    const during = ({ record }: GuestStreams) => exitWhileWaiting().forEach(record);
    await runScript({ during, end: { exitStatus: 41 } });
    expect(read("err")).toContain("exit-while-waiting.exe ended with 41 (0x29)");
    expect(read("err")).toContain("thread 16  worker  41  killed by thread 12 with NtTerminateProcess(NULL)");
  });

  it("says nothing of its own when told to be quiet", async () => {
    await runScript({ during: say("x") }, { quiet: true });
    expect(read("err")).toBe("");
  });

  it("writes its report as JSON", async () => {
    const during = ({ record }: GuestStreams) => exitWhileWaiting().forEach(record);
    await runScript({ during, end: { exitStatus: 41 } }, { json: file("report.json"), arguments: ["-x"] });
    const report = JSON.parse(read("report.json")) as Report;
    expect(report).toMatchObject({ format: "rundown.report/1", exitStatus: 41, arguments: ["-x"], instructions: 1000 });
    expect(report.processes[0]?.threads).toHaveLength(2);
  });

  it("keeps standard output for the report when that is where it goes", async () => {
    await runScript({ during: say("hello\n") }, { json: "-" });
    expect(JSON.parse(read("out"))).toMatchObject({ outcome: "exited" });
    expect(read("err")).toMatch(/^hello\n/u);
  });

  it("writes its trace as JSON lines", async () => {
    const during = ({ record, trace }: GuestStreams) => {
      exitWhileWaiting().slice(0, 3).forEach(record);
      trace?.({ kind: "signal", object: 5 });
    };
    await runScript({ during }, { trace: file("trace.jsonl") });
    const lines = read("trace.jsonl").trimEnd().split("\n");
    expect(lines).toHaveLength(5);
    expect(JSON.parse(lines[4] ?? "")).toEqual({ sequence: 3, kind: "signal", object: 5 });
  });

  it("asks for no fine-grained events without a trace", async () => {
    const seen: unknown[] = [];
    await runScript({ during: ({ trace }) => seen.push(trace) });
    expect(seen).toEqual([null]);
  });

  it("reads standard input only when the program does, and once", async () => {
    let reads = 0;
    const readInput = () => (reads++, new Uint8Array(3));
    const options = { ...defaultRunOptions(), program: SAMPLE };
    await run(options, { out, err }, { ...host({}), readInput });
    expect(reads).toBe(0);
    const during = ({ stdin }: GuestStreams) => [stdin(), stdin()];
    await run(options, { out, err }, { ...host({ during: (streams) => void during(streams) }), readInput });
    expect(reads).toBe(1);
  });

  it("writes out what the guest said before we failed", async () => {
    const during = (streams: GuestStreams) => {
      say("last words")(streams);
      throw new Error("a defect of ours");
    };
    await expect(runScript({ during })).rejects.toThrow("a defect of ours");
    expect(read("out")).toBe("last words");
  });

  it("says what it has to say meanwhile behind what the guest has written", async () => {
    const during = (streams: GuestStreams): void => {
      say("guest\n")(streams);
      streams.say("KD: question\n");
    };
    await runScript({ during }, { json: "-" });
    expect(read("err")).toMatch(/^guest\nKD: question\n/u);
  });

  it("asks for the wait graph only after a deadlock", async () => {
    const waitGraph = () => {
      throw new Error("nobody is deadlocked");
    };
    expect(await runScript({ machine: { waitGraph } })).toBe(0);
  });

  it("does not start if its report could not be written", async () => {
    const during = () => {
      throw new Error("it started");
    };
    await expect(runScript({ during }, { json: file("no/such/folder.json") })).rejects.toThrow("cannot write");
  });
});

describe("a program", () => {
  async function refusal(program: string): Promise<CliFailure> {
    const error: unknown = await runScript({}, { program }).catch((reason: unknown) => reason);
    if (!(error instanceof CliFailure)) throw new Error(`no refusal but ${String(error)}`);
    return error;
  }

  it("that does not exist is not found", async () => {
    expect((await refusal(file("nothing.exe"))).status).toBe(127);
  });

  it("that lacks only its extension is named", async () => {
    expect((await refusal(SAMPLE.slice(0, -4))).advice).toEqual([`Did you mean ${SAMPLE}?`]);
  });

  it("that is a folder cannot be run", async () => {
    expect((await refusal(folder)).message).toContain("it is a folder");
  });

  it("that is no program cannot be run", async () => {
    writeFileSync(file("text.exe"), "#!/bin/sh\n");
    expect((await refusal(file("text.exe"))).status).toBe(126);
  });

  it("that is empty cannot be run", async () => {
    writeFileSync(file("empty.exe"), "");
    expect((await refusal(file("empty.exe"))).status).toBe(126);
  });
});
