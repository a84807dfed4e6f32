/** Programs that take without end: each meets a limit, is told so, and costs the host little. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { STATUS_PENDING } from "../../../src/abi/status.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { createMachine } from "../../../src/machine/machine.ts";
import type { MachineOptions } from "../../../src/machine/options.ts";
import { Costs } from "../../support/costs.ts";
import { BUFFER, BUFFER_BYTES, endless, OUT, PARAMETERS, service, STATUS_BLOCK } from "../../support/endless.ts";
import { auditAfterwards, type HostileRun, runHostile, runToEnd } from "../../support/hostile.ts";
import type { MachineCode } from "../../support/program.ts";

const STATUS_QUOTA_EXCEEDED = 0xc0000044;
const MOST_BYTES = 384 << 20;

function sample(name: string): Uint8Array {
  return new Uint8Array(readFileSync(`samples/native/${name}.exe`));
}

/** Runs it, measures it, and checks that the kernel got everything back. */
function run(bytes: Uint8Array, options: Partial<MachineOptions> = {}): HostileRun {
  const costs = new Costs();
  const done = costs.measure(() => runHostile(bytes, { limits: { instructions: 300_000_000 }, ...options }));
  expect(costs.grownBytes).toBeLessThan(MOST_BYTES);
  expect(auditAfterwards(done)).toEqual([]);
  return done;
}

function outputOf(bytes: Uint8Array, options: Partial<MachineOptions> = {}): { run: HostileRun; text: string } {
  let text = "";
  const done = run(bytes, { ...options, stdout: (piece) => (text += Buffer.from(piece).toString("latin1")) });
  return { run: done, text };
}

describe("a program that takes without end", () => {
  test("is refused threads at the limit and can still end", () => {
    const { run: done, text } = outputOf(sample("fork-threads"), { limits: { threads: 50 } });
    expect([done.end?.outcome, done.end?.exitStatus]).toEqual(["exited", 0]);
    expect(text).toMatch(/refused after 4\d /);
  });

  test("is refused threads before the host suffers if nobody set a limit", () => {
    const { run: done } = outputOf(sample("fork-threads"));
    expect([done.end?.outcome, done.end?.exitStatus]).toEqual(["exited", 0]);
  });

  test("is refused memory and can still end", () => {
    const { run: done, text } = outputOf(sample("alloc-forever"));
    expect([done.end?.outcome, done.end?.exitStatus]).toEqual(["exited", 0]);
    expect(text).toMatch(/refused after \d+ MB with 0xC000012D/);
  });

  const events = (code: MachineCode): unknown => code.call(service("NtCreateEvent"), OUT, 0x1f0003, 0, 0, 0);

  test("is refused handles at the limit", () => {
    const done = run(
      endless((code) => events(code)),
      { limits: { handles: 500 } },
    );
    expect(done.end).toMatchObject({ outcome: "exited", exitStatus: STATUS_QUOTA_EXCEEDED });
  });

  test("is refused output at the limit", () => {
    const write = (code: MachineCode): void => {
      for (const word of [0, 0, BUFFER_BYTES, BUFFER, STATUS_BLOCK, 0, 0, 0]) code.push(word);
      // mov eax,[parameters]; push [eax+1Ch]
      code.bytes(0xa1).word(PARAMETERS).bytes(0xff, 0x70, 0x1c).trap(service("NtWriteFile"), 9);
    };
    const { run: done, text } = outputOf(endless(write), { limits: { outputBytes: 1 << 20 } });
    expect(done.end?.outcome).toBe("exited");
    expect(done.end?.exitStatus).toBeGreaterThanOrEqual(0xc0000000);
    expect(text.length).toBe(1 << 20);
  });

  const spawn = (code: MachineCode, threadFlags: number): void => {
    code.push(0).push(0).bytes(0xff, 0x35).word(PARAMETERS);
    for (const word of [threadFlags, 4, 0, 0, 0x1fffff, 0x1fffff, OUT + 4, OUT]) code.push(word);
    code.trap(service("NtCreateUserProcess"), 11);
  };

  test("is refused processes at the limit", () => {
    const SUSPENDED = 1;
    const done = run(
      endless((code) => spawn(code, SUSPENDED)),
      { limits: { processes: 20 } },
    );
    // Its children never run: that is what is left.
    expect(done.end).toMatchObject({ outcome: "deadlock", exitStatus: STATUS_QUOTA_EXCEEDED });
    expect(done.machine.statistics.systemCalls).toBeLessThan(30);
  });

  test("is stopped by the limit of instructions if its offspring takes the place of those who gave up", () => {
    const done = run(
      endless((code) => spawn(code, 0)),
      { limits: { processes: 20, instructions: 100_000 } },
    );
    expect(done.end?.outcome).toBe("limit");
  });
});

test("a script that makes processes without end meets the limit", () => {
  let made = 0;
  const machine = createMachine({ processor: null, environment: null, limits: { processes: 30 } });
  machine.startScript("maker.exe", function* () {
    for (;;) {
      const child = yield* nt.NtCreateProcess("child.exe", null);
      if (!child.ok) return child.status;
      made++;
    }
  });
  const end = runToEnd(machine);
  expect(end).toMatchObject({ outcome: "exited", exitStatus: STATUS_QUOTA_EXCEEDED });
  expect(made).toBeGreaterThan(25);
  expect(auditAfterwards({ machine, end, refusal: "" })).toEqual([]);
});

test("a script that remakes a process that has ended runs on as long as it likes", () => {
  const ROUNDS = 2000;
  let exits = 0;
  const machine = createMachine({ processor: null, environment: null, limits: { processes: 4, handles: 20 } });
  machine.startScript("maker.exe", function* () {
    for (let round = 0; round < ROUNDS; round++) {
      const child = yield* nt.NtCreateProcess("child.exe", function* () {
        return 3 as never;
      });
      if (!child.ok) return child.status;
      yield* nt.NtWaitForSingleObject(child.value.handle);
      const info = yield* nt.queryProcess(child.value.handle);
      if (info.ok && info.value.exitStatus !== STATUS_PENDING) exits++;
      yield* nt.NtClose(child.value.handle);
      yield* nt.NtClose(child.value.thread);
    }
  });
  const end = runToEnd(machine);
  expect([end.outcome, end.exitStatus, exits]).toEqual(["exited", 0, ROUNDS]);
  expect(auditAfterwards({ machine, end, refusal: "" })).toEqual([]);
});
