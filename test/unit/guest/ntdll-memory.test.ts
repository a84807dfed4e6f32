import { describe, expect, it } from "vitest";
import { EAX, EBX, ECX, EDX, ESP } from "../../../src/guest/builtin/operands.ts";
import { DATA } from "../../support/processor.ts";
import { NtdllMachine, STACK_BASE, TEB } from "./ntdllmachine.ts";

const DIRECTION_FLAG = 0x400;
const CURRENT_PROCESS = "ffffffff";

function bytesAt(machine: NtdllMachine, address: number, length: number): number[] {
  return Array.from({ length }, (_, i) => (machine.read((address + i) & ~3) >>> (8 * ((address + i) & 3))) & 0xff);
}

const PATTERN = Array.from({ length: 64 }, (_, i) => (i * 37 + 1) & 0xff);

describe("memmove", () => {
  it.each([
    ["upwards over itself", 5, 0],
    ["downwards over itself", 0, 5],
    ["elsewhere", 0, 200],
    ["onto itself", 3, 3],
  ])("copies %s, whatever the length", (_, to, from) => {
    for (const length of [0, 1, 3, 4, 5, 31, 32]) {
      const machine = new NtdllMachine();
      machine.space.write(DATA + from, PATTERN);
      machine.call("memmove", DATA + to, DATA + from, length);
      expect(bytesAt(machine, DATA + to, length)).toEqual(PATTERN.slice(0, length));
      expect(machine.eax).toBe(DATA + to);
      expect(machine.cpu.trap.eflags & DIRECTION_FLAG).toBe(0);
    }
  });

  it("writes no byte beyond its target", () => {
    const machine = new NtdllMachine();
    machine.space.write(DATA + 100, PATTERN);
    machine.call("memcpy", DATA + 1, DATA + 100, 7);
    expect(bytesAt(machine, DATA, 10)).toEqual([0, ...PATTERN.slice(0, 7), 0, 0]);
  });
});

describe("memset", () => {
  it("fills with the low byte of its value and keeps EDI", () => {
    const machine = new NtdllMachine();
    machine.cpu.general[7] = 0x1234;
    machine.call("memset", DATA + 1, 0x1ab, 7);
    expect(bytesAt(machine, DATA, 9)).toEqual([0, ...Array.from({ length: 7 }, () => 0xab), 0]);
    expect([machine.eax, machine.cpu.general[7]]).toEqual([DATA + 1, 0x1234]);
  });
});

describe("memcmp", () => {
  it("compares bytes without sign, up to the length", () => {
    const machine = new NtdllMachine();
    machine.space.write(DATA, [1, 2, 0xff, 9]);
    machine.space.write(DATA + 16, [1, 2, 0x01, 9]);
    machine.call("memcmp", DATA, DATA + 16, 4);
    expect(machine.eax | 0).toBeGreaterThan(0);
    machine.call("memcmp", DATA + 16, DATA, 4);
    expect(machine.eax | 0).toBeLessThan(0);
    machine.call("memcmp", DATA, DATA + 16, 2);
    expect(machine.eax).toBe(0);
  });
});

describe("strings", () => {
  it("are as long as up to their zero", () => {
    const machine = new NtdllMachine();
    machine.space.write(DATA, [...Buffer.from("hello\0there\0")]);
    machine.call("strlen", DATA);
    expect(machine.eax).toBe(5);
    machine.space.write(DATA + 64, [...Buffer.from("Ünicode\0", "utf16le")]);
    machine.call("wcslen", DATA + 64);
    expect(machine.eax).toBe(7);
  });

  it("are counted by RtlInitUnicodeString, in bytes, with room for the zero", () => {
    const machine = new NtdllMachine();
    machine.space.write(DATA + 64, [...Buffer.from("abc\0", "utf16le")]);
    expect(machine.call("RtlInitUnicodeString", DATA, DATA + 64).by).toBe("returned");
    expect([machine.read(DATA), machine.read(DATA + 4)]).toEqual([6 | (8 << 16), DATA + 64]);
    machine.call("RtlInitUnicodeString", DATA, 0);
    expect([machine.read(DATA), machine.read(DATA + 4)]).toEqual([0, 0]);
  });

  it("are cut where a counted string ends", () => {
    const machine = new NtdllMachine();
    const text = 0x700000;
    for (let page = 0; page < 17; page++) {
      const frame = machine.space.map(text + 0x1000 * page);
      if (page < 16) machine.cpu.ram.u8.fill(0x41, frame * 0x1000, frame * 0x1000 + 0x1000);
    }
    machine.call("RtlInitUnicodeString", DATA, text);
    expect(machine.read(DATA)).toBe((0xfffc | (0xfffe << 16)) >>> 0);
  });
});

describe("the heap", () => {
  it("gives out zeroed memory of the kernel's", () => {
    const machine = new NtdllMachine();
    machine.services.set("NtAllocateVirtualMemory", ([process, base, bits, size, type, protection]) => {
      expect([process, bits, type, protection]).toEqual([0xffffffff, 0, 0x3000, 4]);
      expect([machine.read(base ?? 0), machine.read(size ?? 0)]).toEqual([0, 100]);
      machine.write(base ?? 0, 0x900000);
      return 0;
    });
    machine.call("RtlAllocateHeap", 0x1, 0, 100);
    expect(machine.eax).toBe(0x900000);
  });

  it("answers null, or raises when asked to, when there is no memory", () => {
    const machine = new NtdllMachine();
    machine.services.set("NtAllocateVirtualMemory", () => 0xc0000017 | 0);
    expect(machine.call("RtlAllocateHeap", 0x1, 0, 0).by).toBe("returned");
    expect(machine.eax).toBe(0);
    expect(machine.call("RtlAllocateHeap", 0x1, 4, 0).by).toBe("NtRaiseException");
  });

  it("gives whole blocks back", () => {
    const machine = new NtdllMachine();
    machine.services.set("NtFreeVirtualMemory", ([, base, size]) => {
      expect([machine.read(base ?? 0), machine.read(size ?? 0)]).toEqual([0x900000, 0]);
      return 0;
    });
    machine.call("RtlFreeHeap", 1, 0, 0x900000);
    expect(machine.eax).toBe(1);
    expect(machine.calls[0]).toMatch(
      new RegExp(`^NtFreeVirtualMemory\\(${CURRENT_PROCESS},[0-9a-f]+,[0-9a-f]+,8000\\)$`, "u"),
    );
    machine.services.set("NtFreeVirtualMemory", () => 0xc000009f | 0);
    machine.call("RtlFreeHeap", 1, 0, 0x900000);
    expect(machine.eax).toBe(0);
  });
});

describe("_chkstk", () => {
  it("takes the bytes in EAX and touches each page on the way", () => {
    const machine = new NtdllMachine();
    const caller = machine.assemble((code) => {
      code.mov(EBX, ESP);
      code.mov(ECX, 0x77);
      code.mov(EAX, 0x2345);
      code.mov(EDX, machine.address("_chkstk"));
      code.call(EDX);
      code.sub(EBX, ESP);
      code.breakpoint();
    });
    expect(machine.call(caller)).toMatchObject({ by: "trap", vector: 3 });
    expect([machine.cpu.general[3], machine.cpu.general[1]]).toEqual([0x2345, 0x77]);
  });

  it("faults at the first page that it may not have, not behind it", () => {
    const machine = new NtdllMachine();
    const caller = machine.assemble((code) => {
      code.mov(EAX, 0x10000);
      code.mov(EDX, machine.address("_chkstk"));
      code.call(EDX);
      code.breakpoint();
    });
    expect(machine.call(caller)).toMatchObject({ by: "trap", vector: 14 });
    const fault = machine.cpu.trap.faultAddress >>> 0;
    expect(fault).toBeGreaterThanOrEqual(STACK_BASE - 0x5000);
    expect(fault).toBeLessThan(STACK_BASE - 0x4000);
  });
});

describe("NtCurrentTeb", () => {
  it("is the thread's environment block", () => {
    const machine = new NtdllMachine();
    machine.call("NtCurrentTeb");
    expect(machine.eax).toBe(TEB);
  });
});
