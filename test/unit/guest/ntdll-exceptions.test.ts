import { describe, expect, it } from "vitest";
import { CONTEXT, EXCEPTION_RECORD } from "../../../src/abi/exception.ts";
import { Peb, Teb } from "../../../src/abi/teb.ts";
import { absolute, at, Condition, EAX, EBX, ECX, EDX, ESI, ESP, teb } from "../../../src/guest/builtin/operands.ts";
import type { Assembler } from "../../../src/guest/builtin/assembler.ts";
import { DATA } from "../../support/processor.ts";
import { NtdllMachine, PEB, STACK_BASE, STACK_LIMIT, TEB, type Ending } from "./ntdllmachine.ts";

/** Where the context of the tests continues; nothing is mapped there, so the run ends with a page fault. */
const RESUMED = 0x600000;
const ZERO_FLAG = 0x40;
const CURRENT_PROCESS = "ffffffff";
const RECORD = STACK_BASE - 0x1000;
const CONTEXT_ADDRESS = RECORD - 0x400;
const LOG = DATA + 0x100;
const OUTER = STACK_BASE - 0x40;
const INNER = STACK_BASE - 0x80;

/** A handler that logs a mark and the flags of its record, then answers. */
function handler(machine: NtdllMachine, mark: number, answer: (code: Assembler) => void): number {
  return machine.assemble((code) => {
    const append = (emit: () => void): void => {
      code.mov(EAX, absolute(LOG));
      code.increment(absolute(LOG));
      code.multiply(EAX, 4);
      emit();
    };
    append(() => {
      code.mov(at(EAX, LOG + 4), mark);
    });
    append(() => {
      code.mov(ECX, at(ESP, 4));
      code.mov(EDX, at(ECX, EXCEPTION_RECORD.flags));
      code.mov(at(EAX, LOG + 4), EDX);
    });
    answer(code);
  });
}

function answering(disposition: number): (code: Assembler) => void {
  return (code) => {
    code.mov(EAX, disposition);
    // Handlers of other compilers keep no registers; the dispatcher must not care.
    for (const register of [EBX, ESI]) code.mov(register, 0x5a5a5a5a);
    code.ret();
  };
}

function logged(machine: NtdllMachine): number[] {
  return Array.from({ length: machine.read(LOG) }, (_, index) => machine.read(LOG + 4 + 4 * index));
}

/** Links frames, the innermost first. */
function link(machine: NtdllMachine, ...frames: readonly (readonly [number, number])[]): void {
  for (const [index, [frame, routine]] of frames.entries()) {
    machine.write(frame, frames[index + 1]?.[0] ?? -1);
    machine.write(frame + 4, routine);
  }
  machine.write(TEB + Teb.ExceptionList, frames[0]?.[0] ?? -1);
}

function writeRecord(machine: NtdllMachine, code: number, flags = 0): void {
  for (const [index, value] of [code, flags, 0, 0x1111, 0].entries()) machine.write(RECORD + 4 * index, value);
}

function raise(machine: NtdllMachine, { code = 0xc0000005, flags = 0 } = {}): Ending {
  writeRecord(machine, code, flags);
  machine.context(CONTEXT_ADDRESS, { eip: RESUMED, esp: STACK_BASE - 0x200, eax: 0x77 });
  return machine.enter("KiUserExceptionDispatcher", [RECORD, CONTEXT_ADDRESS], CONTEXT_ADDRESS);
}

/** The fields of the record that the last service was given first. */
function raised(machine: NtdllMachine): { code: number; flags: number; nested: number; address: number } {
  const address = Number.parseInt(/\(([0-9a-f]+),/u.exec(machine.calls.at(-1) ?? "")?.[1] ?? "0", 16);
  const field = (offset: number): number => machine.read(address + offset);
  return { code: field(0), flags: field(4), nested: field(8), address: field(12) };
}

describe("KiUserExceptionDispatcher", () => {
  it("asks the handlers from the innermost, and continues where one of them says so", () => {
    const machine = new NtdllMachine();
    const inner = handler(machine, 0x11, answering(1));
    const outer = handler(machine, 0x22, answering(0));
    link(machine, [INNER, inner], [OUTER, outer]);
    expect(raise(machine)).toMatchObject({ by: "trap", vector: 14, eip: RESUMED });
    expect(logged(machine)).toEqual([0x11, 0, 0x22, 0]);
    expect(machine.calls).toEqual([`NtContinue(${CONTEXT_ADDRESS.toString(16)},0)`]);
    expect(machine.eax).toBe(0x77);
    expect(machine.read(TEB + Teb.ExceptionList)).toBe(INNER);
  });

  it("lets a handler change the context", () => {
    const machine = new NtdllMachine();
    const outer = handler(machine, 0x22, (code) => {
      code.mov(ECX, at(ESP, 12));
      code.mov(at(ECX, CONTEXT.eip), RESUMED + 0x1000);
      code.xor(EAX, EAX);
      code.ret();
    });
    link(machine, [OUTER, outer]);
    expect(raise(machine)).toMatchObject({ vector: 14, eip: RESUMED + 0x1000 });
  });

  it("raises for the second time when no handler wants the exception", () => {
    const machine = new NtdllMachine();
    link(machine, [OUTER, handler(machine, 0x22, answering(1))]);
    expect(raise(machine).by).toBe("NtRaiseException");
    expect(machine.calls).toEqual([`NtRaiseException(${RECORD.toString(16)},${CONTEXT_ADDRESS.toString(16)},0)`]);
    expect(logged(machine)).toEqual([0x22, 0]);
  });

  it.each([
    ["below the stack", STACK_LIMIT - 0x10],
    ["above the stack", STACK_BASE - 4],
    ["not aligned", OUTER + 2],
  ])("does not call the handler of a frame that lies %s", (_, frame) => {
    const machine = new NtdllMachine();
    const routine = handler(machine, 0x22, answering(0));
    machine.space.map((STACK_LIMIT - 0x10) & ~0xfff);
    machine.space.map(STACK_BASE);
    link(machine, [frame, routine]);
    expect(raise(machine).by).toBe("NtRaiseException");
    expect(logged(machine)).toEqual([]);
    expect(raised(machine).flags).toBe(8);
  });

  it("does not call a handler that lies on the stack", () => {
    const machine = new NtdllMachine();
    link(machine, [OUTER, STACK_LIMIT + 0x800]);
    expect(raise(machine).by).toBe("NtRaiseException");
    expect(raised(machine)).toMatchObject({ code: 0xc0000005, flags: 8 });
  });

  it("raises another exception over one that cannot be continued", () => {
    const machine = new NtdllMachine();
    const outer = handler(machine, 0x22, answering(0));
    link(machine, [OUTER, outer]);
    // With a debugger the second exception goes to the kernel at once, and not to the same handler again.
    machine.write(PEB + Peb.BeingDebugged, 1);
    expect(raise(machine, { flags: 1 }).by).toBe("NtRaiseException");
    expect(raised(machine)).toMatchObject({ code: 0xc0000025, flags: 1, nested: RECORD });
  });

  it("raises another exception over an answer that means nothing", () => {
    const machine = new NtdllMachine();
    machine.write(PEB + Peb.BeingDebugged, 1);
    link(machine, [OUTER, handler(machine, 0x22, answering(9))]);
    expect(raise(machine).by).toBe("NtRaiseException");
    expect(raised(machine)).toMatchObject({ code: 0xc0000026, nested: RECORD });
  });

  it("marks an exception within a handler as nested until the interrupted frame is passed", () => {
    const machine = new NtdllMachine();
    const raising = handler(machine, 0x22, (code) => {
      const again = code.label("again");
      code.increment(absolute(DATA));
      code.cmp(absolute(DATA), 1);
      code.jumpIf(Condition.NotEqual, again);
      code.push(0xdead);
      code.mov(EAX, machine.address("RtlRaiseStatus"));
      code.call(EAX);
      code.bind(again);
      code.mov(EAX, 1);
      code.ret();
    });
    const inner = handler(machine, 0x11, answering(1));
    const outer = handler(machine, 0x33, answering(1));
    link(machine, [INNER, inner], [OUTER, raising], [OUTER + 0x10, outer]);
    expect(raise(machine).by).toBe("NtRaiseException");
    const first = [0x11, 0, 0x22, 0];
    // The status that the handler raises cannot be continued (1), and is nested (0x10) up to the handler's own frame.
    const second = [0x11, 0x11, 0x22, 0x11, 0x33, 1];
    expect(logged(machine)).toEqual([...first, ...second]);
    expect(raised(machine)).toMatchObject({ code: 0xdead, flags: 1 });
  });
});

describe("KiUserApcDispatcher", () => {
  it("calls the routine with its three arguments and continues the context", () => {
    const machine = new NtdllMachine();
    const routine = machine.assemble((code) => {
      for (const [index, offset] of [4, 8, 12].entries()) {
        code.mov(EAX, at(ESP, offset));
        code.mov(absolute(LOG + 4 * index), EAX);
      }
      code.ret(12);
    });
    const context = machine.context(CONTEXT_ADDRESS, { eip: RESUMED, esp: STACK_BASE - 0x200, eax: 0xc0, ebx: 0x1234 });
    const ending = machine.enter("KiUserApcDispatcher", [0xbad, context, 1, 2, 3, routine], context);
    expect(ending).toMatchObject({ vector: 14, eip: RESUMED });
    expect([0, 4, 8].map((offset) => machine.read(LOG + offset))).toEqual([1, 2, 3]);
    expect(machine.calls).toEqual([`NtContinue(${context.toString(16)},1)`]);
    expect([machine.eax, machine.cpu.general[3]]).toEqual([0xc0, 0x1234]);
  });
});

describe("RtlRaiseException", () => {
  it("describes its caller, with the registers as they were", () => {
    const machine = new NtdllMachine();
    const caller = machine.assemble((code) => {
      code.mov(EBX, 0xb0b0);
      code.mov(ESI, 0x5151);
      code.mov(ECX, 0xc0c0);
      code.push(RECORD);
      code.mov(EDX, machine.address("RtlRaiseException"));
      code.cmp(ECX, ECX);
      code.call(EDX);
      code.breakpoint();
    });
    writeRecord(machine, 0xe0000001);
    machine.cpu.general[5] = 0xebeb;
    expect(machine.enter(caller, [0x99]).by).toBe("NtRaiseException");
    const context = Number.parseInt(/,([0-9a-f]+),0\)/u.exec(machine.calls[0] ?? "")?.[1] ?? "0", 16);
    const field = (name: keyof typeof CONTEXT): number => machine.read(context + CONTEXT[name]);
    const returned = raised(machine).address;
    expect(returned).toBeGreaterThan(caller);
    expect([field("eip"), field("esp"), field("ebp")]).toEqual([returned, STACK_BASE - 0x404, 0xebeb]);
    expect([field("ebx"), field("esi"), field("ecx"), field("edx")]).toEqual([
      0xb0b0,
      0x5151,
      0xc0c0,
      machine.address("RtlRaiseException"),
    ]);
    expect(field("eflags") & ZERO_FLAG).toBe(ZERO_FLAG);
    expect([field("contextFlags"), field("segCs") & 3, field("segSs") & 3]).toEqual([0x10007, 3, 3]);
  });

  it("returns to its caller when a handler continues", () => {
    const machine = new NtdllMachine();
    link(machine, [OUTER, handler(machine, 0x22, answering(0))]);
    writeRecord(machine, 0xe0000001);
    expect(machine.call("RtlRaiseException", RECORD).by).toBe("returned");
    expect(machine.cpu.trap.esp >>> 0).toBe(STACK_BASE - 0x400);
  });

  it("shows the exception to a debugger before the handlers", () => {
    const machine = new NtdllMachine();
    machine.write(PEB + Peb.BeingDebugged, 1);
    link(machine, [OUTER, handler(machine, 0x22, answering(0))]);
    writeRecord(machine, 0xe0000001);
    expect(machine.call("RtlRaiseException", RECORD).by).toBe("NtRaiseException");
    expect(machine.calls[0]).toMatch(/,1\)$/u);
    expect(logged(machine)).toEqual([]);
  });

  it("ends the process when the kernel refuses to raise", () => {
    const machine = new NtdllMachine();
    machine.services.set("NtRaiseException", () => 0xc000000d | 0);
    writeRecord(machine, 0xe0000001);
    machine.call("RtlRaiseException", RECORD);
    expect(machine.calls.at(-1)).toBe(`NtTerminateProcess(${CURRENT_PROCESS},c000000d)`);
  });
});

describe("KiRaiseUserExceptionDispatcher", () => {
  it("raises the code in the TEB and returns it", () => {
    const machine = new NtdllMachine();
    machine.write(TEB + Teb.ExceptionCode, 0xc0000008);
    link(machine, [OUTER, handler(machine, 0x22, answering(0))]);
    expect(machine.call("KiRaiseUserExceptionDispatcher").by).toBe("returned");
    expect(machine.eax).toBe(0xc0000008);
    expect(logged(machine)).toEqual([0x22, 0]);
  });
});

describe("RtlUnwind", () => {
  it("calls the handlers before the target, removes their frames and returns the value", () => {
    const machine = new NtdllMachine();
    const inner = handler(machine, 0x11, answering(1));
    const outer = handler(machine, 0x22, answering(1));
    link(machine, [INNER, inner], [OUTER, outer]);
    const caller = machine.assemble((code) => {
      code.mov(EBX, 0xb0b0);
      for (const value of [0x1234, 0, 0, OUTER]) code.push(value);
      code.mov(EDX, machine.address("RtlUnwind"));
      code.call(EDX);
      code.ret();
    });
    expect(machine.call(caller).by).toBe("returned");
    expect(machine.eax).toBe(0x1234);
    expect(machine.cpu.general[3]).toBe(0xb0b0);
    expect(logged(machine)).toEqual([0x11, 2]);
    expect(machine.read(TEB + Teb.ExceptionList)).toBe(OUTER);
  });

  it("marks the record that it is given", () => {
    const machine = new NtdllMachine();
    link(machine, [INNER, handler(machine, 0x11, answering(1))], [OUTER, 0]);
    writeRecord(machine, 0xe0000001);
    machine.call("RtlUnwind", OUTER, 0, RECORD, 0);
    expect(machine.read(RECORD + 4)).toBe(2);
  });

  it("unwinds everything without a target, and then gives the process up", () => {
    const machine = new NtdllMachine();
    link(machine, [OUTER, handler(machine, 0x22, answering(1))]);
    expect(machine.call("RtlUnwind", 0, 0, 0, 0).by).toBe("NtRaiseException");
    expect(logged(machine)).toEqual([0x22, 6]);
    expect(raised(machine)).toMatchObject({ code: 0xc0000027, flags: 6 });
    expect(machine.read(TEB + Teb.ExceptionList)).toBe(0xffffffff);
  });

  it("refuses a target that is not in the list", () => {
    const machine = new NtdllMachine();
    machine.write(PEB + Peb.BeingDebugged, 1);
    link(machine, [OUTER, handler(machine, 0x22, answering(1))]);
    expect(machine.call("RtlUnwind", INNER, 0, 0, 0).by).toBe("NtRaiseException");
    expect(raised(machine).code).toBe(0xc0000029);
    expect(logged(machine)).toEqual([]);
  });

  it("goes on behind the frame that an interrupted unwind had reached", () => {
    const machine = new NtdllMachine();
    const unwinding = handler(machine, 0x11, (code) => {
      // Called to unwind: starts an unwind of its own, over this very frame.
      for (const value of [0x77, 0, 0, OUTER]) code.push(value);
      code.mov(EDX, machine.address("RtlUnwind"));
      code.call(EDX);
      code.mov(EDX, absolute(DATA));
      code.jumpTo(EDX);
    });
    const resumed = machine.assemble((code) => {
      code.mov(ECX, teb(Teb.ExceptionList));
      code.breakpoint();
    });
    machine.write(DATA, resumed);
    const between = INNER + 0x10;
    link(machine, [INNER, unwinding], [between, handler(machine, 0x33, answering(1))], [OUTER, 0]);
    const ending = machine.call("RtlUnwind", OUTER, 0, 0, 0x55);
    expect(ending).toMatchObject({ by: "trap", vector: 3 });
    // The frame whose handler was interrupted is not called again; the one behind it is.
    expect(logged(machine)).toEqual([0x11, 2, 0x33, 2]);
    expect(machine.eax).toBe(0x77);
    expect((machine.cpu.general[1] ?? 0) >>> 0).toBe(OUTER);
  });
});

describe("the last resort", () => {
  /** A thread whose routine executes an invalid instruction; the test plays the kernel's part. */
  function crash(machine: NtdllMachine): Ending {
    const routine = machine.assemble((code) => {
      code.breakpoint();
    });
    machine.cpu.general[0] = routine;
    expect(machine.enter("RtlUserThreadStart", [], STACK_BASE - 16)).toMatchObject({ by: "trap", vector: 3 });
    return raise(machine, { code: 0x80000003 });
  }

  it("gives a debugger the second chance, then ends the process with the code", () => {
    const machine = new NtdllMachine();
    machine.services.set("NtRaiseException", () => 0);
    crash(machine);
    expect(machine.calls).toEqual([
      `NtRaiseException(${RECORD.toString(16)},${CONTEXT_ADDRESS.toString(16)},0)`,
      `NtTerminateProcess(${CURRENT_PROCESS},80000003)`,
    ]);
  });

  it.each([
    ["continue", -1, `NtContinue(${CONTEXT_ADDRESS.toString(16)},0)`],
    ["give up", 1, `NtTerminateProcess(${CURRENT_PROCESS},80000003)`],
    ["search on", 0, `NtRaiseException(${RECORD.toString(16)},${CONTEXT_ADDRESS.toString(16)},0)`],
  ])("does as the program's filter says: %s", (_, answer, call) => {
    const machine = new NtdllMachine();
    const filter = machine.assemble((code) => {
      code.mov(ECX, at(ESP, 4));
      code.mov(EDX, at(ECX, 4));
      code.mov(ECX, at(ECX));
      code.mov(absolute(LOG), ECX);
      code.mov(absolute(LOG + 4), EDX);
      code.mov(EAX, answer);
      code.ret(4);
    });
    machine.call("RtlSetUnhandledExceptionFilter", filter);
    expect(machine.eax).toBe(0);
    crash(machine);
    expect(machine.calls).toEqual([call]);
    expect([machine.read(LOG), machine.read(LOG + 4)]).toEqual([RECORD, CONTEXT_ADDRESS]);
  });
});
