import { expect, test } from "vitest";
import { nt } from "../../../src/guest/script/services.ts";
import type { ScriptProgram } from "../../../src/guest/script/context.ts";
import { createMachine } from "../../../src/machine/machine.ts";
import type { KernelEvent } from "../../../src/sim/record.ts";

function runScript(program: ScriptProgram) {
  const events: KernelEvent[] = [];
  const machine = createMachine({ processor: null, environment: null, record: (event) => events.push(event) });
  expect(machine.startScript("test.exe", program)).toEqual({ ok: true });
  const end = machine.run({ turns: 100_000, stop: () => false });
  return { machine, events, end };
}

test("a scripted program returns its exit status", () => {
  const { end } = runScript(function* () {
    yield* nt.NtDelayExecution(false, 1000);
    return 7 as never;
  });
  expect(end).toEqual({ outcome: "exited", exitStatus: 7, detail: "" });
});

test("a thread that is killed while it waits dies, and its waiter wakes", () => {
  const { end, machine } = runScript(function* () {
    const event = yield* nt.NtCreateEvent("notification");
    if (!event.ok) return 1 as never;
    const child = yield* nt.NtCreateThread(function* () {
      yield* nt.NtWaitForSingleObject(event.value);
    });
    if (!child.ok) return 2 as never;
    yield* nt.NtDelayExecution(false, 1000);
    yield* nt.NtTerminateThread(child.value.handle, 99);
    yield* nt.NtWaitForSingleObject(child.value.handle);
    const info = yield* nt.queryThread(child.value.handle);
    return (info.ok ? info.value.exitStatus : 3) as never;
  });
  expect(end).toEqual({ outcome: "exited", exitStatus: 99, detail: "" });
  expect(machine.ledger()).toEqual([]);
});
