/** What fuzzing found, once each. */
import { expect, test } from "vitest";
import { STATUS_PRIVILEGE_NOT_HELD } from "../../../src/abi/status.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { createMachine } from "../../../src/machine/machine.ts";
import { BUFFER, endless, OUT, service } from "../../support/endless.ts";
import { runHostile, runToEnd } from "../../support/hostile.ts";

const OWN_PROCESS = 0xffffffff;
const OWN_THREAD = 0xfffffffe;
/** ProcessBreakOnTermination and ThreadBreakOnTermination. */
const CRITICAL_PROCESS = 29;
const CRITICAL_THREAD = 18;
const TOKEN_QUERY = 8;
const STATUS_ACCESS_DENIED = 0xc0000022;

test.each([
  ["process", "NtSetInformationProcess", OWN_PROCESS, CRITICAL_PROCESS],
  ["thread", "NtSetInformationThread", OWN_THREAD, CRITICAL_THREAD],
])("a program without the debug privilege cannot make its %s critical", (_what, name, handle, informationClass) => {
  const program = endless((code) => {
    code.bytes(0xc7, 0x05).word(BUFFER).word(1);
    code.call(service(name), handle, informationClass, BUFFER, 4);
  });
  expect(runHostile(program).end).toEqual({ outcome: "exited", exitStatus: STATUS_PRIVILEGE_NOT_HELD, detail: "" });
});

test("a program can open its own token", () => {
  const program = endless((code) => {
    code.call(service("NtOpenProcessToken"), OWN_PROCESS, TOKEN_QUERY, OUT);
    // test eax,eax; js over; mov eax,STATUS_ACCESS_DENIED: how the program says that it could
    code.bytes(0x85, 0xc0, 0x78, 5, 0xb8).word(STATUS_ACCESS_DENIED);
  });
  expect(runHostile(program).end).toMatchObject({ outcome: "exited", exitStatus: STATUS_ACCESS_DENIED });
});

test("a wait for ten thousand years does not carry the machine past the end of virtual time", () => {
  const machine = createMachine({ processor: null, environment: null });
  const TEN_THOUSAND_YEARS = 10_000 * 365 * 86_400 * 1e7;
  machine.startScript("sleeper.exe", function* () {
    yield* nt.NtDelayExecution(false, TEN_THOUSAND_YEARS);
  });
  expect(runToEnd(machine)).toEqual({ outcome: "limit", exitStatus: 0, detail: "virtual time limit of 9000000 s" });
  expect(machine.statistics.virtualTime100ns).toBeLessThan(1e7);
});

test("a wait for a hundred days ends", () => {
  const machine = createMachine({ processor: null, environment: null });
  machine.startScript("sleeper.exe", function* () {
    yield* nt.NtDelayExecution(false, 100 * 86_400 * 1e7);
  });
  expect(runToEnd(machine)).toEqual({ outcome: "exited", exitStatus: 0, detail: "" });
});
