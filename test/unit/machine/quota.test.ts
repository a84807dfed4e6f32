/** Programs that take without end: each meets a limit, is told so, and costs the host little. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { STATUS_PENDING } from "../../../src/abi/status.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { createMachine } from "../../../src/machine/machine.ts";
import type { MachineOptions } from "../../../src/machine/options.ts";
import { Costs } from "../../support/costs.ts";
import { auditAfterwards, type HostileRun, runHostile, runToEnd } from "../../support/hostile.ts";
import { IMAGE_BASE, MachineCode, SECTION_CODE, SECTION_WRITE, TEXT_RVA, writeProgram } from "../../support/program.ts";
import { callableServices } from "../../support/syscallprogram.ts";

const STATUS_QUOTA_EXCEEDED = 0xc0000044;
const STATUS_DISK_FULL = 0xc000007f;
const MOST_BYTES = 384 << 20;
const DATA_RVA = 0x2000;
const DATA = IMAGE_BASE + DATA_RVA;

function sample(name: string): Uint8Array {
  return new Uint8Array(readFileSync(`samples/native/${name}.exe`));
}

function service(name: string): number {
  const number = callableServices().find((candidate) => candidate.name === name)?.number;
  if (number === undefined) throw new Error(`the built-in ntdll has ${name}`);
  return number;
}

/** Places in the data of the programs below. */
const OUT = DATA + 0x00;
const STATUS_BLOCK = DATA + 0x10;
const ATTRIBUTES = DATA + 0x20;
const STRING = DATA + 0x40;
const NAME = DATA + 0x60;
const PARAMETERS = DATA + 0x200;
const BUFFER = DATA + 0x1000;
const BUFFER_BYTES = 0x8000;
/** `\??\C:\windows\temp\` and two characters that count. */
const FILE_NAME = "\\??\\C:\\windows\\temp\\\u4000\u4000";

/** A program that does `body` again and again until EAX is an error, and exits with that. */
function endless(body: (code: MachineCode) => void): Uint8Array {
  const code = new MachineCode();
  // mov eax,[esp+4]; mov eax,[eax+10h]; mov [parameters],eax
  code.bytes(0x8b, 0x44, 0x24, 4, 0x8b, 0x40, 0x10, 0xa3).word(PARAMETERS);
  code.place("again");
  body(code);
  // test eax,eax; jns again; push eax; push -1; push 0; NtTerminateProcess
  code.bytes(0x85, 0xc0, 0x0f, 0x89).distance("again").bytes(0x50).push(0xffffffff);
  code.trap(service("NtTerminateProcess"), 2);
  const data = new Uint8Array(0x1000 + BUFFER_BYTES);
  const view = new DataView(data.buffer);
  const put = (at: number, value: number): void => view.setUint32(at - DATA, value, true);
  put(ATTRIBUTES, 24);
  put(ATTRIBUTES + 8, STRING);
  view.setUint16(STRING - DATA, 2 * FILE_NAME.length, true);
  view.setUint16(STRING - DATA + 2, 2 * FILE_NAME.length, true);
  put(STRING + 4, NAME);
  for (let i = 0; i < FILE_NAME.length; i++) view.setUint16(NAME - DATA + 2 * i, FILE_NAME.charCodeAt(i), true);
  return writeProgram([
    { name: ".text", rva: TEXT_RVA, bytes: code.finish(), characteristics: SECTION_CODE },
    { name: ".data", rva: DATA_RVA, bytes: data, characteristics: SECTION_WRITE },
  ]);
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
    expect(text).toMatch(/refused after \d+ MB with 0xc00000/);
  });

  const events = (code: MachineCode): unknown => code.call(service("NtCreateEvent"), OUT, 0x1f0003, 0, 0, 0);

  test("is refused handles at the limit", () => {
    const done = run(
      endless((code) => events(code)),
      { limits: { handles: 500 } },
    );
    expect(done.end).toMatchObject({ outcome: "exited", exitStatus: STATUS_QUOTA_EXCEEDED });
  });

  test("is refused handles before the host suffers if nobody set a limit", () => {
    const done = run(endless((code) => events(code)));
    expect([done.end?.outcome, (done.end?.exitStatus ?? 0) >= 0xc0000000]).toEqual(["exited", true]);
  });

  test("is refused files", () => {
    const create = (code: MachineCode): void => {
      // inc word [the name's last but one]: some 60,000 names; then the other counts on
      const last = NAME + 2 * FILE_NAME.length - 2;
      code.bytes(0x66, 0xff, 0x05).word(last);
      code.bytes(0x66, 0x81, 0x3d).word(last).bytes(0xff, 0xd7, 0x75, 16);
      code.bytes(0x66, 0xc7, 0x05).word(last).bytes(0x00, 0x40);
      code.bytes(0x66, 0xff, 0x05).word(last - 2);
      code.call(service("NtCreateFile"), OUT, 0x100002, ATTRIBUTES, STATUS_BLOCK, 0, 0, 7, 2, 0x20, 0, 0);
      // test eax,eax; js over; NtClose(handle)
      code.bytes(0x85, 0xc0, 0x0f, 0x88).distance("over").bytes(0xff, 0x35).word(OUT).trap(service("NtClose"), 1);
      code.place("over");
    };
    const done = run(endless(create));
    expect([done.end?.outcome, done.end?.exitStatus.toString(16)]).toEqual(["exited", STATUS_DISK_FULL.toString(16)]);
  });

  test("is refused room in a file", () => {
    const write = (code: MachineCode): void => {
      code.call(service("NtCreateFile"), OUT, 0x100004, ATTRIBUTES, STATUS_BLOCK, 0, 0, 7, 3, 0x20, 0, 0);
      code.place("more");
      for (const word of [0, 0, BUFFER_BYTES, BUFFER, STATUS_BLOCK, 0, 0, 0]) code.push(word);
      code.bytes(0xff, 0x35).word(OUT).trap(service("NtWriteFile"), 9);
      code.bytes(0x85, 0xc0, 0x0f, 0x89).distance("more");
    };
    const done = run(endless(write));
    expect([done.end?.outcome, done.end?.exitStatus.toString(16)]).toEqual(["exited", STATUS_DISK_FULL.toString(16)]);
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

  test("is refused processes, and so is its offspring", () => {
    const spawn = (code: MachineCode): void => {
      code.push(0).push(0).bytes(0xff, 0x35).word(PARAMETERS);
      for (const word of [0, 4, 0, 0, 0x1fffff, 0x1fffff, OUT + 4, OUT]) code.push(word);
      code.trap(service("NtCreateUserProcess"), 11);
    };
    const done = run(endless(spawn), { limits: { processes: 20 } });
    expect(done.end).toMatchObject({ outcome: "exited", exitStatus: STATUS_QUOTA_EXCEEDED });
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
