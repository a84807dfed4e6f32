/** Programs that take everything that a machine without limits of its own has to give. */
import { describe, expect, test } from "vitest";
import { Costs } from "../support/costs.ts";
import {
  ATTRIBUTES,
  BUFFER,
  BUFFER_BYTES,
  endless,
  FILE_NAME,
  NAME,
  OUT,
  service,
  STATUS_BLOCK,
} from "../support/endless.ts";
import { auditAfterwards, type HostileRun, runHostile } from "../support/hostile.ts";
import type { MachineCode } from "../support/program.ts";

const STATUS_DISK_FULL = 0xc000007f;
const MOST_BYTES = 384 << 20;

/** Runs it, measures it, and checks that the kernel got everything back. */
function run(bytes: Uint8Array): HostileRun {
  const costs = new Costs();
  const done = costs.measure(() => runHostile(bytes, { limits: { instructions: 300_000_000 } }));
  console.log(costs.toString());
  expect(costs.grownBytes).toBeLessThan(MOST_BYTES);
  expect(auditAfterwards(done)).toEqual([]);
  return done;
}

describe("a program that takes without end", () => {
  test("is refused handles before the host suffers if nobody set a limit", () => {
    const done = run(endless((code) => code.call(service("NtCreateEvent"), OUT, 0x1f0003, 0, 0, 0)));
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
      code.call(service("NtCreateFile"), OUT, 0x100002, ATTRIBUTES, STATUS_BLOCK, 0, 0, 7, 3, 0x20, 0, 0);
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
});
