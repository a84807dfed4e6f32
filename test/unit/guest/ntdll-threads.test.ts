import { describe, expect, it } from "vitest";
import { Peb, Teb } from "../../../src/abi/teb.ts";
import { absolute, at, EAX, ESP } from "../../../src/guest/builtin/operands.ts";
import type { Assembler } from "../../../src/guest/builtin/assembler.ts";
import { DATA } from "../../support/processor.ts";
import { IMAGE_BASE, NtdllMachine, PEB, STACK_BASE, STACK_LIMIT, TEB } from "./ntdllmachine.ts";

const ENTRY = 0x12345;
const CURRENT_THREAD = 0xfffffffe;
const CURRENT_PROCESS = 0xffffffff;
/** A list of what the callbacks were given: its length, then the words. */
const LOG = DATA + 0x100;

/** Emits a stdcall routine with three arguments that appends its first two to the log. */
function logger(code: Assembler, argumentBytes: number): void {
  const copy = (from: number): void => {
    code.mov(EAX, absolute(LOG));
    code.increment(absolute(LOG));
    code.multiply(EAX, 4);
    code.add(EAX, LOG + 4);
    code.push(at(ESP, from));
    code.pop(at(EAX));
  };
  copy(4);
  copy(8);
  code.ret(argumentBytes);
}

function logged(machine: NtdllMachine): number[] {
  return Array.from({ length: machine.read(LOG) }, (_, index) => machine.read(LOG + 4 + 4 * index));
}

/** Gives the program two callbacks; the second has the wrong calling convention. */
function registerCallbacks(machine: NtdllMachine): void {
  const first = machine.assemble((code) => {
    logger(code, 12);
  });
  const second = machine.assemble((code) => {
    logger(code, 0);
  });
  for (const [index, value] of [first, second, 0].entries()) machine.write(DATA + 4 * index, value);
  machine.write(machine.address("RundownTlsCallbacks"), DATA);
}

function startThread(machine: NtdllMachine): void {
  const context = machine.context(STACK_BASE - 0x300, { eip: ENTRY, esp: STACK_BASE - 16 });
  const ending = machine.enter("LdrInitializeThunk", [0, context, 0, 0, 0], context);
  expect(ending).toMatchObject({ by: "trap", vector: 14, eip: ENTRY });
}

describe("LdrInitializeThunk", () => {
  it("continues the initial context and lets pending APCs in", () => {
    const machine = new NtdllMachine();
    startThread(machine);
    expect(machine.calls).toEqual([`NtContinue(${(STACK_BASE - 0x300).toString(16)},1)`]);
    expect(machine.cpu.trap.esp >>> 0).toBe(STACK_BASE - 16);
  });

  it("tells the callbacks of the process, and from the second thread on of the thread", () => {
    const machine = new NtdllMachine();
    registerCallbacks(machine);
    startThread(machine);
    expect(logged(machine)).toEqual([IMAGE_BASE, 1, IMAGE_BASE, 1]);
    startThread(machine);
    expect(logged(machine).slice(4)).toEqual([IMAGE_BASE, 2, IMAGE_BASE, 2]);
  });

  it("gives every callback the same stack, although one of them leaves its arguments there", () => {
    const machine = new NtdllMachine();
    const careless = machine.assemble((code) => {
      code.mov(absolute(LOG), ESP);
      code.ret();
    });
    const second = machine.assemble((code) => {
      code.mov(absolute(LOG + 4), ESP);
      code.ret(12);
    });
    for (const [index, value] of [careless, second, 0].entries()) machine.write(DATA + 4 * index, value);
    machine.write(machine.address("RundownTlsCallbacks"), DATA);
    startThread(machine);
    expect(machine.read(LOG)).toBeGreaterThan(STACK_LIMIT);
    expect(machine.read(LOG + 4)).toBe(machine.read(LOG));
  });

  it("shows its locks in the PEB, and leaves them free", () => {
    const machine = new NtdllMachine();
    startThread(machine);
    for (const lock of [machine.read(PEB + Peb.LoaderLock), machine.read(PEB + Peb.FastPebLock)]) {
      expect(machine.read(lock + 4)).toBe(0xffffffff);
      expect(machine.read(lock + 12)).toBe(0);
    }
  });

  it("raises the status with which NtContinue comes back", () => {
    const machine = new NtdllMachine();
    machine.services.set("NtContinue", () => 0xc0000005 | 0);
    const ending = machine.enter("LdrInitializeThunk", [0, 0x1234, 0, 0, 0]);
    expect(ending.by).toBe("NtRaiseException");
    const record = Number.parseInt(/NtRaiseException\(([0-9a-f]+),/.exec(machine.calls.at(-1) ?? "")?.[1] ?? "", 16);
    expect(machine.read(record)).toBe(0xc0000005);
  });
});

describe("RtlUserThreadStart", () => {
  it("calls the routine with its argument and exits with its result", () => {
    const machine = new NtdllMachine();
    machine.services.set("NtQueryInformationThread", () => 0);
    const routine = machine.assemble((code) => {
      code.mov(EAX, at(ESP, 4));
      code.add(EAX, 2);
      code.ret(4);
    });
    machine.cpu.general[0] = routine;
    machine.cpu.general[3] = 40;
    expect(machine.enter("RtlUserThreadStart", [], STACK_BASE - 16).by).toBe("NtTerminateThread");
    expect(machine.calls.at(-1)).toBe(`NtTerminateThread(${CURRENT_THREAD.toString(16)},2a)`);
  });
});

describe("RtlExitUserThread", () => {
  it("tells the callbacks, asks for its stack to be freed, and ends the thread", () => {
    const machine = new NtdllMachine();
    registerCallbacks(machine);
    machine.services.set("NtQueryInformationThread", () => 0);
    expect(machine.call("RtlExitUserThread", 7).by).toBe("NtTerminateThread");
    expect(logged(machine)).toEqual([IMAGE_BASE, 3, IMAGE_BASE, 3]);
    expect((machine.read(TEB + Teb.FreeStackOnTermination - 1) >>> 8) & 0xff).toBe(1);
    expect(machine.calls.at(-1)).toBe(`NtTerminateThread(${CURRENT_THREAD.toString(16)},7)`);
  });

  it("ends the process when it is the last thread", () => {
    const machine = new NtdllMachine();
    machine.services.set("NtQueryInformationThread", (args) => {
      expect(args.slice(0, 2)).toEqual([CURRENT_THREAD, 12]);
      machine.write(args[2] ?? 0, 1);
      return 0;
    });
    expect(machine.call("RtlExitUserThread", 7).by).toBe("NtTerminateProcess");
    expect(machine.calls.at(-1)).toBe("NtTerminateProcess(0,7)");
  });

  it("is not the last thread when the kernel cannot say", () => {
    const machine = new NtdllMachine();
    machine.services.set("NtQueryInformationThread", () => 0xc0000003 | 0);
    for (let address = STACK_BASE - 0x800; address < STACK_BASE; address += 4) machine.write(address, 1);
    expect(machine.call("RtlExitUserThread", 7).by).toBe("NtTerminateThread");
  });
});

describe("RtlExitUserProcess", () => {
  it("kills the other threads before the callbacks and itself after them", () => {
    const machine = new NtdllMachine();
    registerCallbacks(machine);
    machine.services.set("NtTerminateProcess", ([handle]) => {
      if (handle !== 0) return null;
      expect(logged(machine)).toEqual([]);
      return 0;
    });
    machine.call("RtlExitUserProcess", 41);
    expect(machine.calls).toEqual([
      "NtTerminateProcess(0,29)",
      `NtTerminateProcess(${CURRENT_PROCESS.toString(16)},29)`,
    ]);
    expect(logged(machine)).toEqual([IMAGE_BASE, 0, IMAGE_BASE, 0]);
  });

  it("takes the code of a callback that exits the process again, and runs no callback twice", () => {
    const machine = new NtdllMachine();
    const callback = machine.assemble((code) => {
      code.increment(absolute(LOG));
      code.push(9);
      code.mov(EAX, machine.address("RtlExitUserProcess"));
      code.call(EAX);
    });
    machine.write(DATA, callback);
    machine.write(machine.address("RundownTlsCallbacks"), DATA);
    machine.services.set("NtTerminateProcess", ([handle]) => (handle === 0 ? 0 : null));
    machine.call("RtlExitUserProcess", 1);
    expect(machine.calls.at(-1)).toBe(`NtTerminateProcess(${CURRENT_PROCESS.toString(16)},9)`);
    expect(machine.read(LOG)).toBe(1);
  });

  it("waits for the PEB lock before it kills anybody", () => {
    const machine = new NtdllMachine();
    startThread(machine);
    const lock = machine.read(PEB + Peb.FastPebLock);
    for (const [offset, value] of [
      [4, 0],
      [8, 1],
      [12, 0x99],
    ] as const)
      machine.write(lock + offset, value);
    machine.services.set("NtCreateEvent", ([handle]) => {
      machine.write(handle ?? 0, 0x40);
      return 0;
    });
    expect(machine.call("RtlExitUserProcess", 1).by).toBe("NtWaitForSingleObject");
    expect(machine.calls.join()).not.toContain("NtTerminateProcess");
  });
});

describe("RtlCreateUserThread", () => {
  it("asks for a suspended thread and stores its handle", () => {
    const machine = new NtdllMachine();
    machine.services.set("NtCreateThreadEx", ([handle, , object, , , , , , , , attributes]) => {
      machine.write(handle ?? 0, 0x88);
      expect(machine.read(object ?? 0)).toBe(24);
      expect([0, 4, 8, 12].map((offset) => machine.read((attributes ?? 0) + offset))).toEqual([
        20,
        0x10003,
        8,
        DATA + 8,
      ]);
      return 0;
    });
    const [routine, argument] = [0x1111, 0x2222];
    machine.call("RtlCreateUserThread", 0x30, 0, 2, 3, 0x40000, 0x2000, routine, argument, DATA, DATA + 8);
    expect(machine.calls[0]).toMatch(
      /^NtCreateThreadEx\([0-9a-f]+,1fffff,[0-9a-f]+,30,1111,2222,1,3,2000,40000,[0-9a-f]+\)$/u,
    );
    expect(machine.read(DATA)).toBe(0x88);
    expect(machine.eax).toBe(0);
  });

  it("closes a handle that nobody wants, and names no client", () => {
    const machine = new NtdllMachine();
    machine.services.set("NtCreateThreadEx", ([handle, , , , , , , , , , attributes]) => {
      machine.write(handle ?? 0, 0x88);
      expect(attributes).toBe(0);
      return 0;
    });
    machine.services.set("NtClose", () => 0);
    machine.call("RtlCreateUserThread", CURRENT_PROCESS, 0, 0, 0, 0, 0, 0x1111, 0, 0, 0);
    expect(machine.calls[1]).toBe("NtClose(88)");
  });

  it("returns the status of a thread that could not be made", () => {
    const machine = new NtdllMachine();
    machine.services.set("NtCreateThreadEx", () => 0xc000010a | 0);
    machine.call("RtlCreateUserThread", CURRENT_PROCESS, 0, 0, 0, 0, 0, 0x1111, 0, DATA, 0);
    expect(machine.eax).toBe(0xc000010a);
    expect(machine.read(DATA)).toBe(0);
  });
});

describe("DbgUiRemoteBreakin", () => {
  it("stops in the debugger only when there is one", () => {
    const machine = new NtdllMachine();
    machine.services.set("NtQueryInformationThread", () => 0);
    expect(machine.call("DbgUiRemoteBreakin", 0).by).toBe("NtTerminateThread");
    machine.write(PEB + 2, 1);
    expect(machine.call("DbgUiRemoteBreakin", 0)).toMatchObject({
      by: "trap",
      vector: 3,
      eip: machine.address("DbgBreakPoint") + 1,
    });
  });
});
