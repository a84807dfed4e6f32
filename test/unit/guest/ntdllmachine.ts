/**
 * The built-in ntdll in a flat address space, on the real processor, with system services that each test supplies.
 * There is no kernel: a service is a function of its arguments, and only NtContinue is always there.
 */
import { CONTEXT } from "../../../src/abi/exception.ts";
import { Peb, Teb } from "../../../src/abi/teb.ts";
import { VECTOR_QUANTUM, type Cpu } from "../../../src/cpu/cpu.ts";
import { Assembler } from "../../../src/guest/builtin/assembler.ts";
import { buildNtdll, REQUIRED_SERVICES } from "../../../src/guest/builtin/ntdll.ts";
import { parseImage, type PeImage } from "../../../src/guest/pe.ts";
import { readExports } from "../../../src/guest/peexports.ts";
import {
  AddressSpace,
  CODE,
  DATA,
  newCpu,
  PTE_USER_READ,
  PTE_USER_WRITE,
  startContext,
} from "../../support/processor.ts";

export const THREAD_ID = 0x24;
export const PEB = 0x7ffde000;
export const TEB = 0x7ffdd000;
export const STACK_BASE = 0x200000;
export const STACK_LIMIT = STACK_BASE - 0x4000;
export const IMAGE_BASE = 0x400000;
/** Where calls from a test return to. */
const RETURN = CODE + 0xff0;
const PAGE = 0x1000;
const [EAX, ECX, EDX, EBX, EBP, ESI, EDI] = [0, 1, 2, 3, 5, 6, 7] as const;
const BUDGET = 1_000_000;

/** A service answers with a status, or with null when the test has seen what it wanted and the run is to end. */
export type Service = (args: readonly number[]) => number | null;

export interface Ending {
  /** "returned", the name of the service that ended the run, or "trap" with a vector. */
  readonly by: string;
  readonly vector: number;
  readonly eip: number;
}

export function parseBuiltin(): PeImage {
  const parsed = parseImage(buildNtdll(REQUIRED_SERVICES));
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.value;
}

export class NtdllMachine {
  readonly cpu: Cpu = newCpu();
  readonly space: AddressSpace = new AddressSpace(this.cpu);
  /** Every service that was called, in order, as "Name(arguments in hexadecimal)". */
  readonly calls: string[] = [];
  readonly services = new Map<string, Service>();
  readonly #addresses = new Map<string, number>();
  #nextCode = CODE;

  constructor() {
    this.#mapLibrary(parseBuiltin());
    for (let page = STACK_LIMIT; page < STACK_BASE; page += PAGE) this.space.map(page);
    for (const page of [CODE, DATA, PEB, TEB]) this.space.map(page);
    this.cpu.ram.setPageDirectory(this.space.directory);
    this.cpu.setTeb(TEB);
    this.cpu.load(startContext());
    this.write(TEB + Teb.ExceptionList, -1);
    this.write(TEB + Teb.StackBase, STACK_BASE);
    this.write(TEB + Teb.StackLimit, STACK_LIMIT);
    this.write(TEB + Teb.Self, TEB);
    this.write(TEB + Teb.UniqueThread, THREAD_ID);
    this.write(TEB + Teb.ProcessEnvironmentBlock, PEB);
    this.write(PEB + Peb.ImageBaseAddress, IMAGE_BASE);
    this.space.write(RETURN, [0xcc]);
  }

  #mapLibrary(image: PeImage): void {
    const exported = readExports(image);
    if (!exported.ok) throw new Error("the exports are readable");
    for (const symbol of exported.value.values()) this.#addresses.set(symbol.name, image.base + symbol.rva);
    for (let page = 0; page * PAGE < image.size; page++) {
      const writable = image.sections.some(
        ({ name, va, span }) => name === ".data" && va <= page * PAGE && page * PAGE < va + span,
      );
      const frame = this.space.map(image.base + page * PAGE, undefined, writable ? PTE_USER_WRITE : PTE_USER_READ);
      const { offset, length } = image.pageSource(page);
      this.cpu.ram.u8.set(image.bytes.subarray(offset, offset + length), frame * PAGE);
    }
  }

  address(name: string): number {
    const address = this.#addresses.get(name);
    if (address === undefined) throw new Error(`ntdll exports ${name}`);
    return address;
  }

  read(address: number): number {
    return this.space.readWord(address) >>> 0;
  }

  write(address: number, value: number): void {
    this.space.write(
      address,
      [value, value >>> 8, value >>> 16, value >>> 24].map((byte) => byte & 0xff),
    );
  }

  /** Assembles a routine behind the last one and returns its address. */
  assemble(emit: (code: Assembler) => void): number {
    const address = this.#nextCode;
    const code = new Assembler(address);
    emit(code);
    const bytes = code.finish();
    this.space.write(address, bytes);
    this.#nextCode = (address + bytes.length + 15) & ~15;
    if (this.#nextCode > RETURN) throw new Error("the code fits into its page");
    return address;
  }

  get eax(): number {
    return (this.cpu.general[EAX] ?? 0) >>> 0;
  }

  /** Calls a routine as C does, and runs it. */
  call(routine: number | string, ...args: readonly number[]): Ending {
    return this.enter(routine, [RETURN, ...args]);
  }

  /** Enters a routine with these words on the stack, the first one at ESP. */
  enter(routine: number | string, words: readonly number[], top: number = STACK_BASE - 0x400): Ending {
    const esp = top - 4 * words.length;
    for (const [index, value] of words.entries()) this.write(esp + 4 * index, value);
    this.cpu.trap.esp = esp;
    this.cpu.trap.eip = typeof routine === "string" ? this.address(routine) : routine;
    return this.run();
  }

  run(): Ending {
    for (;;) {
      const { vector, eip } = this.cpu.run(BUDGET);
      if (vector === VECTOR_QUANTUM) throw new Error(`the code ends (it is at 0x${(eip >>> 0).toString(16)})`);
      if (vector === 3 && eip >>> 0 === RETURN + 1) return { by: "returned", vector, eip: eip >>> 0 };
      if (vector !== 0x2e) return { by: "trap", vector, eip: eip >>> 0 };
      const ended = this.#serve();
      if (ended !== null) return { by: ended, vector, eip: eip >>> 0 };
    }
  }

  /** @returns the name of the service that ends the run */
  #serve(): string | null {
    const description = REQUIRED_SERVICES[this.eax];
    if (description === undefined) throw new Error(`service ${String(this.eax)} exists`);
    const { name, argumentBytes } = description;
    const args: number[] = [];
    for (let offset = 0; offset < argumentBytes; offset += 4) args.push(this.read(this.cpu.trap.esp + 4 + offset));
    this.calls.push(`${name}(${args.map((value) => value.toString(16)).join(",")})`);
    const service = this.services.get(name);
    if (service === undefined && name === "NtContinue") {
      this.#continue(args[0] ?? 0);
      return null;
    }
    if (service === undefined) return name;
    const status = service(args);
    if (status === null) return name;
    this.cpu.general[EAX] = status;
    // The kernel keeps EBX, ESI, EDI and EBP only.
    this.cpu.general[ECX] = 0x0c0c0c0c;
    this.cpu.general[EDX] = 0x0d0d0d0d;
    return null;
  }

  #continue(context: number): void {
    const { general, trap } = this.cpu;
    const fields = [
      [EAX, CONTEXT.eax],
      [ECX, CONTEXT.ecx],
      [EDX, CONTEXT.edx],
      [EBX, CONTEXT.ebx],
      [EBP, CONTEXT.ebp],
      [ESI, CONTEXT.esi],
      [EDI, CONTEXT.edi],
    ] as const;
    for (const [register, offset] of fields) general[register] = this.read(context + offset);
    trap.esp = this.read(context + CONTEXT.esp);
    trap.eip = this.read(context + CONTEXT.eip);
    trap.eflags = this.read(context + CONTEXT.eflags);
  }

  /** Writes a CONTEXT that continues at `eip`, and returns its address. */
  context(address: number, registers: Partial<Record<keyof typeof CONTEXT, number>>): number {
    for (let offset = 0; offset < CONTEXT.bytes; offset += 4) this.write(address + offset, 0);
    this.write(address + CONTEXT.eflags, 0x202);
    this.write(address + CONTEXT.contextFlags, 0x10007);
    for (const [name, value] of Object.entries(registers))
      this.write(address + CONTEXT[name as keyof typeof CONTEXT], value);
    return address;
  }
}
