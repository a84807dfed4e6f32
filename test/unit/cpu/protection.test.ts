import { beforeEach, describe, expect, it } from "vitest";
import { SUPERVISOR_BASE } from "../../../src/abi/processor.ts";
import { type Cpu, VECTOR_GENERAL_PROTECTION, VECTOR_PAGE_FAULT, type Trap } from "../../../src/cpu/cpu.ts";
import { CODE, loadProgram, newCpu, PTE_USER_READ, resetCpu, TEB, word } from "../../support/processor.ts";

const cpu: Cpu = newCpu();
beforeEach(() => {
  resetCpu(cpu);
});

/** Runs the bytes, with a system call behind them. */
function execute(...code: number[]): Trap {
  resetCpu(cpu);
  loadProgram(cpu, [...code, 0xcd, 0x2e]);
  return { ...cpu.run(50) };
}

/** The page, but for its stack, as it is after an innocent program. */
function supervisorPage(...code: number[]): Uint8Array {
  execute(...code);
  return cpu.ram.u8.slice(0x1000, 0x1f00);
}

const generalProtection = (errorCode: number): Partial<Trap> => ({ vector: VECTOR_GENERAL_PROTECTION, errorCode });

describe("int n", () => {
  it("raises 3, 4, 2d and 2e from ring 3, and nothing else", () => {
    const raised: number[] = [];
    for (let vector = 0; vector < 256; vector++) {
      const trap = execute(0xcd, vector);
      if (trap.vector === vector && trap.eip === CODE + 2) raised.push(vector);
      else expect(trap).toMatchObject({ ...generalProtection(vector * 8 + 2), eip: CODE });
    }
    expect(raised).toEqual([3, 4, 0x2d, 0x2e]);
  });
});

describe("an instruction of ring 0", () => {
  const faulting: Record<string, number[]> = {
    hlt: [0xf4],
    cli: [0xfa],
    sti: [0xfb],
    "in al": [0xe4, 0x10],
    "in eax,dx": [0xed],
    "out dx": [0xee],
    insb: [0x6c],
    "rep outsd": [0xb9, ...word(4), 0xf3, 0x6f],
    "mov eax,cr0": [0x0f, 0x20, 0xc0],
    "mov cr3,eax": [0x0f, 0x22, 0xd8],
    "mov dr7,eax": [0x0f, 0x23, 0xf8],
    lgdt: [0x0f, 0x01, 0x14, 0x24],
    lidt: [0x0f, 0x01, 0x1c, 0x24],
    lmsw: [0x0f, 0x01, 0xf0],
    lldt: [0x0f, 0x00, 0xd0],
    ltr: [0x0f, 0x00, 0xd8],
    invlpg: [0x0f, 0x01, 0x3c, 0x24],
    clts: [0x0f, 0x06],
    wbinvd: [0x0f, 0x09],
    rdmsr: [0x0f, 0x32],
    wrmsr: [0x0f, 0x30],
    sysenter: [0x0f, 0x34],
    sysexit: [0x0f, 0x35],
  };
  for (const [name, code] of Object.entries(faulting)) {
    it(`${name} is a general protection fault with error code 0`, () => {
      expect(execute(...code)).toMatchObject(generalProtection(0));
    });
  }

  it("that this processor does not have is an invalid opcode", () => {
    for (const code of [
      [0x0f, 0x05],
      [0x0f, 0x07],
      [0x0f, 0x0b],
      [0x0f, 0x33],
      [0x0f, 0x01, 0xf8],
      [0xc5, 0xf8, 0x77],
    ]) {
      expect(execute(...code).vector).toBe(6);
    }
  });

  it("icebp does nothing but to go on", () => {
    expect(execute(0xf1)).toMatchObject({ vector: 0x2e, eip: CODE + 3 });
  });

  it("into raises 4 on overflow only", () => {
    expect(execute(0xce).vector).toBe(0x2e);
    expect(execute(0xb0, 0x7f, 0x04, 0x01, 0xce)).toMatchObject({ vector: 4, eip: CODE + 5 }); // mov al,127; add al,1
  });

  it("popf changes neither IOPL nor the interrupt flag, and sets no trap flag", () => {
    const trap = execute(0x68, ...word(0x3100), 0x9d); // push 0x3100; popf
    expect(trap.eflags & 0x3300).toBe(0x200);
  });
});

describe("a far transfer", () => {
  const selectors = [
    0x00, 0x04, 0x07, 0x08, 0x0b, 0x0c, 0x10, 0x13, 0x23, 0x28, 0x2b, 0x30, 0x33, 0x3b, 0x40, 0xfff8, 0xffff,
  ];
  const low = (selector: number): number[] => [selector & 0xff, selector >>> 8];

  it("to any selector but the user code segment's faults", () => {
    for (const selector of selectors) {
      expect(execute(0xea, ...word(CODE), ...low(selector)), `jmp ${selector}`).toMatchObject({
        vector: 13,
        eip: CODE,
      });
      expect(execute(0x9a, ...word(CODE), ...low(selector)), `call ${selector}`).toMatchObject({
        vector: 13,
        eip: CODE,
      });
      const returning = execute(0x68, ...word(selector), 0x68, ...word(CODE), 0xcb);
      expect(returning, `retf ${selector}`).toMatchObject({ vector: 13, eip: CODE + 10 });
    }
  });

  it("to the user code segment is an ordinary jump", () => {
    expect(execute(0xea, ...word(CODE + 7), 0x1b, 0)).toMatchObject({ vector: 0x2e, eip: CODE + 9 });
  });

  it("by iret reaches ring 3 only", () => {
    for (const selector of selectors) {
      const trap = execute(0x68, ...word(0x202), 0x68, ...word(selector), 0x68, ...word(CODE), 0xcf);
      expect([VECTOR_GENERAL_PROTECTION, -2], `iret ${selector}`).toContain(trap.vector);
      expect(trap.eip).toBe(CODE + 15);
    }
    const same = execute(0x68, ...word(0x202), 0x68, ...word(0x1b), 0x68, ...word(CODE + 16), 0xcf);
    expect(same).toMatchObject({ vector: 0x2e, eip: CODE + 18 });
  });
});

describe("a segment load", () => {
  it("accepts the user segments, the TEB's and null, and nothing else", () => {
    for (const [register, opcode] of [
      ["es", 0xc0],
      ["ds", 0xd8],
      ["fs", 0xe0],
      ["gs", 0xe8],
    ] as const) {
      for (let selector = 0; selector < 0x60; selector++) {
        const trap = execute(0xb8, ...word(selector), 0x8e, opcode);
        const loads = selector < 4 || [0x18, 0x20, 0x38].includes(selector & ~3);
        const expected = loads ? { vector: 0x2e } : generalProtection(selector & ~3);
        expect(trap, `mov ${register},${selector}`).toMatchObject(expected);
      }
    }
  });

  it("never reads a descriptor from memory of the guest", () => {
    // Selector 7 names the first entry of the local descriptor table. Page 0 offers a call gate into ring 0 there.
    const space = loadProgram(cpu, [0x9a, ...word(0), 0x07, 0x00]); // call 7:0
    space.map(0);
    space.write(0, [...word((0x08 << 16) | 0x5000), ...word(0x40_0000 | 0xec00)]);
    expect(cpu.run(10)).toMatchObject({ ...generalProtection(4), eip: CODE });
  });

  it("of null into DS makes the next access fault, and the kernel sees the selector", () => {
    expect(execute(0x31, 0xc0, 0x8e, 0xd8, 0xa1, ...word(0x500000))).toMatchObject(generalProtection(0));
  });

  it("of the TEB's selector into GS gives the TEB", () => {
    const trap = execute(0xb8, ...word(0x3b), 0x8e, 0xe8, 0x65, 0xa1, ...word(0x18)); // mov gs,0x3b; mov eax,gs:[18]
    expect(trap.vector).toBe(0x2e);
    cpu.setTeb(TEB + 0x1000);
    cpu.trap.eip = CODE + 7;
    expect(cpu.run(10)).toMatchObject({ vector: VECTOR_PAGE_FAULT, faultAddress: TEB + 0x1018 });
  });
});

describe("the supervisor area", () => {
  it("can be neither read, written nor executed by ring 3, at any of its pages", () => {
    for (let address = SUPERVISOR_BASE; address < SUPERVISOR_BASE + 0x12000; address += 0x1000) {
      const faultAddress = address;
      const present = address === SUPERVISOR_BASE ? 1 : 0;
      expect(execute(0xa1, ...word(address))).toMatchObject({ vector: 14, errorCode: 4 | present, faultAddress });
      expect(execute(0xa3, ...word(address))).toMatchObject({ vector: 14, errorCode: 6 | present, faultAddress });
      expect(execute(0x68, ...word(address), 0xc3)).toMatchObject({ vector: 14, errorCode: 4 | present, eip: address });
    }
  });

  it("cannot be reached by string instructions, the stack, floating point or a locked access either", () => {
    const at = SUPERVISOR_BASE;
    for (const code of [
      [0xbe, ...word(at), 0xbf, ...word(0x500000), 0xb9, ...word(8), 0xf3, 0xa5], // rep movsd from there
      [0xbe, ...word(0x500000), 0xbf, ...word(at - 4), 0xa5, 0xa5], // movsd across its lower edge
      [0xbf, ...word(at), 0xb9, ...word(8), 0xf3, 0xab], // rep stosd
      [0xbc, ...word(at + 0x40), 0x50], // mov esp; push
      [0xbc, ...word(at), 0x58], // mov esp; pop
      [0xb8, ...word(at), 0xf0, 0x0f, 0xc1, 0x08], // lock xadd
      [0xb8, ...word(at), 0x0f, 0xae, 0x00], // fxsave
      [0xb8, ...word(at), 0x0f, 0xae, 0x08], // fxrstor
      [0xb8, ...word(at), 0xdd, 0x18], // fstp qword
      [0xb8, ...word(at), 0x0f, 0x29, 0x00], // movaps
      [0xb8, ...word(at), 0x0f, 0xc7, 0x08], // cmpxchg8b
      [0xbc, ...word(at + 0x100), 0xc8, 0x10, 0, 3], // enter
      [0xbd, ...word(at + 0x100), 0xc9], // leave
      [0xbc, ...word(at + 0x100), 0x61], // popa
    ]) {
      const before = supervisorPage(0x90);
      const trap = execute(...code);
      expect(trap.vector, Buffer.from(code).toString("hex")).toBe(VECTOR_PAGE_FAULT);
      expect(trap.faultAddress >>> 12).toBeGreaterThanOrEqual((at >>> 12) - 1);
      // Only the trap frame, at the end of the page, may differ.
      expect(Buffer.compare(cpu.ram.u8.slice(0x1000, 0x1f00), before)).toBe(0);
    }
  });

  it("is out of reach for the kernel's own translation of a guest's address", () => {
    loadProgram(cpu, [0x90]);
    expect(cpu.translate(SUPERVISOR_BASE, { write: false })).toBe(-1);
  });
});

describe("page protection", () => {
  it("faults a write to a read-only page with error code 7", () => {
    const space = loadProgram(cpu, [0xa1, ...word(0x700000), 0xa3, ...word(0x700000)]);
    space.map(0x700000, undefined, PTE_USER_READ);
    expect(cpu.run(10)).toMatchObject({
      vector: VECTOR_PAGE_FAULT,
      errorCode: 7,
      faultAddress: 0x700000,
      eip: CODE + 5,
    });
    expect(cpu.translate(0x700000, { write: false })).toBeGreaterThan(0);
    expect(cpu.translate(0x700000, { write: true })).toBe(-1);
  });

  it("faults a write to an absent page with 6, a read with 4, and a jump with 4", () => {
    expect(execute(0xa3, ...word(0x700000))).toMatchObject({ vector: 14, errorCode: 6, eip: CODE });
    expect(execute(0xa1, ...word(0x700000))).toMatchObject({ vector: 14, errorCode: 4, eip: CODE });
    expect(execute(0xe9, ...word(0x700000 - CODE - 5))).toMatchObject({ vector: 14, errorCode: 4, eip: 0x700000 });
  });
});

describe("time and identity", () => {
  it("rdtsc reads the instruction count on top of the kernel's time", () => {
    loadProgram(cpu, [0x90, 0x90, 0x0f, 0x31, 0xcd, 0x2e]);
    cpu.timestampBase = 0x5_0000_0000;
    cpu.run(10);
    expect(cpu.general[0]).toBe(3);
    expect(cpu.general[2]).toBe(5);
  });

  it("rdtsc in a loop does not stretch the budget", () => {
    loadProgram(cpu, [0x0f, 0x31, 0xeb, 0xfc]);
    expect(cpu.run(1001).vector).toBe(-1);
    expect(cpu.instructions).toBe(1001);
  });

  it("cpuid and rdrand answer alike in every processor", () => {
    const answers = (one: Cpu): number[] => {
      const all: number[] = [];
      for (let leaf = 0; leaf < 8; leaf++) {
        loadProgram(one, [0xb8, ...word(leaf), 0x31, 0xc9, 0x0f, 0xa2, 0x0f, 0xc7, 0xf6, 0xcd, 0x2e]); // cpuid; rdrand esi
        one.run(20);
        all.push(...one.general.filter((_, i) => i !== 4));
      }
      return all;
    };
    expect(answers(cpu)).toEqual(answers(newCpu()));
    expect(new Set(answers(newCpu())).size).toBeGreaterThan(10);
  });
});
