import { describe, expect, it } from "vitest";
import { Teb } from "../../../src/abi/teb.ts";
import { EAX } from "../../../src/guest/builtin/operands.ts";
import { DATA } from "../../support/processor.ts";
import { NtdllMachine, TEB, THREAD_ID } from "./ntdllmachine.ts";

const SECTION = DATA + 0x200;
const OTHER_THREAD = 0x99;
const EVENT = 0x44;
const NONE = 0xffffffff;

function newSection(): NtdllMachine {
  const machine = new NtdllMachine();
  machine.call("RtlInitializeCriticalSection", SECTION);
  expect(machine.eax).toBe(0);
  return machine;
}

/** LockCount, RecursionCount, OwningThread, LockSemaphore. */
function state(machine: NtdllMachine): number[] {
  return [4, 8, 12, 16].map((offset) => machine.read(SECTION + offset));
}

function ownedByAnother(machine: NtdllMachine): void {
  for (const [offset, value] of [
    [4, 0],
    [8, 1],
    [12, OTHER_THREAD],
  ] as const)
    machine.write(SECTION + offset, value);
}

function createsEvents(machine: NtdllMachine): void {
  machine.services.set("NtCreateEvent", ([handle, access, attributes, type, signaled]) => {
    expect([access, attributes, type, signaled]).toEqual([0x1f0003, 0, 1, 0]);
    machine.write(handle ?? 0, EVENT);
    return 0;
  });
}

describe("a critical section", () => {
  it("is entered and left without the kernel when nobody else wants it", () => {
    const machine = newSection();
    expect(state(machine)).toEqual([NONE, 0, 0, 0]);
    expect(machine.call("RtlEnterCriticalSection", SECTION).by).toBe("returned");
    expect(machine.eax).toBe(0);
    expect(state(machine)).toEqual([0, 1, THREAD_ID, 0]);
    machine.call("RtlEnterCriticalSection", SECTION);
    expect(state(machine)).toEqual([1, 2, THREAD_ID, 0]);
    machine.call("RtlLeaveCriticalSection", SECTION);
    expect(state(machine)).toEqual([0, 1, THREAD_ID, 0]);
    machine.call("RtlLeaveCriticalSection", SECTION);
    expect(state(machine)).toEqual([NONE, 0, 0, 0]);
    expect(machine.calls).toEqual([]);
  });

  it("keeps the spin count that it is made with", () => {
    const machine = new NtdllMachine();
    expect(machine.call("RtlInitializeCriticalSectionAndSpinCount", SECTION, 4000).by).toBe("returned");
    expect(machine.read(SECTION + 20)).toBe(4000);
  });

  it("makes its event when it must wait, and belongs to the thread that wakes", () => {
    const machine = newSection();
    createsEvents(machine);
    ownedByAnother(machine);
    machine.services.set("NtWaitForSingleObject", ([handle, alertable, timeout]) => {
      expect([handle, alertable, timeout]).toEqual([EVENT, 0, 0]);
      expect(state(machine)).toEqual([1, 1, OTHER_THREAD, EVENT]);
      // The owner leaves: it gives the section up and sets the event.
      for (const [offset, value] of [
        [4, 0],
        [8, 0],
        [12, 0],
      ] as const)
        machine.write(SECTION + offset, value);
      return 0;
    });
    expect(machine.call("RtlEnterCriticalSection", SECTION).by).toBe("returned");
    expect(state(machine)).toEqual([0, 1, THREAD_ID, EVENT]);
  });

  it("wakes one waiter when it is left", () => {
    const machine = newSection();
    createsEvents(machine);
    machine.services.set("NtSetEvent", () => 0);
    machine.call("RtlEnterCriticalSection", SECTION);
    machine.write(SECTION + 4, 1);
    expect(machine.call("RtlLeaveCriticalSection", SECTION).by).toBe("returned");
    expect(state(machine)).toEqual([0, 0, 0, EVENT]);
    expect(machine.calls.at(-1)).toBe(`NtSetEvent(${EVENT.toString(16)},0)`);
  });

  it("uses one event although two threads made one", () => {
    const machine = newSection();
    ownedByAnother(machine);
    machine.services.set("NtCreateEvent", ([handle]) => {
      machine.write(handle ?? 0, EVENT);
      machine.write(SECTION + 16, 0x50);
      return 0;
    });
    machine.services.set("NtClose", () => 0);
    machine.services.set("NtWaitForSingleObject", () => 0);
    machine.call("RtlEnterCriticalSection", SECTION);
    expect(machine.calls.slice(1)).toEqual([`NtClose(${EVENT.toString(16)})`, "NtWaitForSingleObject(50,0,0)"]);
  });

  it("raises when no event can be made", () => {
    const machine = newSection();
    ownedByAnother(machine);
    machine.services.set("NtCreateEvent", () => 0xc000009a | 0);
    expect(machine.call("RtlEnterCriticalSection", SECTION).by).toBe("NtRaiseException");
  });

  it("is only tried, and not waited for, by RtlTryEnterCriticalSection", () => {
    const machine = newSection();
    machine.call("RtlTryEnterCriticalSection", SECTION);
    expect([machine.eax, ...state(machine)]).toEqual([1, 0, 1, THREAD_ID, 0]);
    machine.call("RtlTryEnterCriticalSection", SECTION);
    expect([machine.eax, ...state(machine)]).toEqual([1, 1, 2, THREAD_ID, 0]);
    machine.write(TEB + Teb.UniqueThread, OTHER_THREAD);
    machine.call("RtlTryEnterCriticalSection", SECTION);
    expect([machine.eax, ...state(machine)]).toEqual([0, 1, 2, THREAD_ID, 0]);
    expect(machine.calls).toEqual([]);
  });

  it("closes its event when it is deleted", () => {
    const machine = newSection();
    machine.write(SECTION + 16, EVENT);
    machine.services.set("NtClose", () => 0);
    expect(machine.call("RtlDeleteCriticalSection", SECTION).by).toBe("returned");
    expect(machine.calls).toEqual([`NtClose(${EVENT.toString(16)})`]);
    expect(state(machine)).toEqual([0, 0, 0, 0]);
  });

  it("is granted to the thread that shuts the process down, since its owner is dead", () => {
    const machine = newSection();
    ownedByAnother(machine);
    const callback = machine.assemble((code) => {
      code.push(SECTION);
      code.mov(EAX, machine.address("RtlEnterCriticalSection"));
      code.call(EAX);
      code.ret(12);
    });
    machine.write(DATA, callback);
    machine.write(machine.address("RundownTlsCallbacks"), DATA);
    machine.services.set("NtTerminateProcess", ([handle]) => (handle === 0 ? 0 : null));
    expect(machine.call("RtlExitUserProcess", 3).by).toBe("NtTerminateProcess");
    expect(state(machine)).toEqual([0, 1, THREAD_ID, 0]);
    expect(machine.calls.filter((call) => call.startsWith("NtWait"))).toEqual([]);
  });
});
