/** Shutdown: who may ask for it, who ends by it, and who does not. */
import { expect, test } from "vitest";
import { UserMode } from "../../../src/abi/ke.ts";
import { PSF_BREAK_ON_TERMINATION } from "../../../src/abi/ps.ts";
import {
  STATUS_INVALID_PARAMETER,
  STATUS_PRIVILEGE_NOT_HELD,
  STATUS_SHUTDOWN_IN_PROGRESS,
  STATUS_SYSTEM_SHUTDOWN,
} from "../../../src/abi/status.ts";
import type { Script } from "../../../src/guest/script/context.ts";
import { nt } from "../../../src/guest/script/services.ts";
import { createMachine } from "../../../src/machine/machine.ts";
import { PsGetCurrentThread } from "../../../src/ps/current.ts";
import { PspSetProcessFlag } from "../../../src/ps/flags.ts";
import { PspShutdownProcessManager } from "../../../src/ps/kill.ts";
import { NtShutdownSystem } from "../../../src/ps/shutdown.ts";
import { Privilege, SE_PRIVILEGE_ENABLED } from "../../../src/se/privilege.ts";
import type { KernelEvent } from "../../../src/sim/record.ts";
import { ended, play, settle, sleepForever, spawn } from "../../support/scene.ts";

const shutDown = (action: number) => nt.call((k) => NtShutdownSystem(k, action, UserMode));

function* holdPrivilege(): Script<void> {
  yield* nt.call((k) => {
    const { privileges } = PsGetCurrentThread(k).threadsProcess.token!;
    const index = privileges.findIndex(({ luid }) => luid.low === Privilege.Shutdown);
    privileges[index] = { luid: { low: Privilege.Shutdown, high: 0 }, attributes: SE_PRIVILEGE_ENABLED };
  });
}

/** Runs a program until the machine is off; there is nothing to audit on a machine that was turned off. */
function runToOff(program: () => Script<void>) {
  const events: KernelEvent[] = [];
  const machine = createMachine({ processor: null, environment: null, record: (event) => events.push(event) });
  machine.startScript("scene.exe", program);
  return { end: machine.run({ turns: 100_000, stop: () => false }), events, k: machine.kernel };
}

test("NtShutdownSystem needs SeShutdownPrivilege and a known action", () => {
  play(function* () {
    expect(yield* shutDown(3)).toBe(STATUS_INVALID_PARAMETER);
    expect(yield* shutDown(0)).toBe(STATUS_PRIVILEGE_NOT_HELD);
    expect(yield* nt.call((k) => k.po.shutdown)).toBe(null);
  });
});

test("NtShutdownSystem ends every process with SYSTEM_SHUTDOWN, its caller too, and then the machine", () => {
  const { end, events } = runToOff(function* () {
    yield* spawn(sleepForever);
    yield* spawn(sleepForever);
    yield* settle();
    yield* holdPrivilege();
    yield* shutDown(2);
    expect.unreachable("its caller ends");
  });
  expect(end).toEqual({ outcome: "exited", exitStatus: STATUS_SYSTEM_SHUTDOWN, detail: "the machine was shut down" });
  const deaths = events.filter((event) => event.kind === "thread-marked");
  expect(deaths).toHaveLength(3);
  for (const { request } of deaths)
    expect(request).toMatchObject({ route: "shutdown", status: STATUS_SYSTEM_SHUTDOWN });
  expect(events.filter((event) => event.kind === "process-signaled")).toHaveLength(3);
});

test("a second shutdown is refused while one is under way", () => {
  const answers: number[] = [];
  runToOff(function* () {
    yield* holdPrivilege();
    yield* nt.call((k) => {
      k.po.shutdown ??= 0;
    });
    answers.push(yield* shutDown(1));
    yield* sleepForever();
  });
  expect(answers).toEqual([STATUS_SHUTDOWN_IN_PROGRESS]);
});

test("D44: a critical process does not stop the machine, it goes with the power", () => {
  const { end, k, events } = runToOff(function* () {
    yield* spawn(function* () {
      yield* nt.call((k) => PspSetProcessFlag(PsGetCurrentThread(k).threadsProcess, PSF_BREAK_ON_TERMINATION));
      yield* sleepForever();
    });
    yield* settle();
    yield* holdPrivilege();
    yield* shutDown(2);
  });
  expect(k.ke.bugCheck).toBe(null);
  expect(end).toMatchObject({ outcome: "exited", detail: "the machine was shut down" });
  expect(events.filter((event) => event.kind === "process-signaled")).toHaveLength(1);
});

test("D44: PspShutdownProcessManager spares its caller's process and waits for nobody", () => {
  play(function* () {
    const child = yield* spawn(sleepForever);
    yield* settle();
    yield* nt.call((k) => PspShutdownProcessManager(k));
    expect(yield* ended(child.handle)).toBe(STATUS_SYSTEM_SHUTDOWN);
  });
});
