/**
 * A thread whose user mode is x86 code. One processor serves all threads of the machine: whoever runs last leaves its
 * registers in it, and they are saved only when somebody else needs the processor.
 *
 * Invariant: a thread's registers are in the processor exactly while `k.nt.x86.loaded` is its context; otherwise they
 * are in `saved`.
 */
import { Vector } from "../../abi/exception.ts";
import { type NtStatus, NT_SUCCESS, STATUS_BREAKPOINT } from "../../abi/status.ts";
import type { Cpu } from "../../cpu/cpu.ts";
import { X86Context } from "../../cpu/context.ts";
import type { KThread } from "../../ke/objects.ts";
import type { Caller, ExceptionRecord, UserApc, UserContext, UserExit } from "../../ke/usermode.ts";
import type { Kernel } from "../../kernel.ts";
import { FAULT_ACCESS, MmAccessFault } from "../../mm/fault.ts";
import { MmUpdateSharedTime } from "../../mm/shareddata.ts";
import { skipZeroFill } from "../../mm/zerofill.ts";
import { MmProcess } from "../../mm/process.ts";
import { CONTEXT_RESULT, type NtService } from "../../nt/table.ts";
import { assert } from "../../rtl/assert.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { trace } from "../../sim/record.ts";
import { PsGetCurrentThread } from "../../ps/current.ts";
import { KiDispatchException } from "../../ps/exception.ts";
import { EProcess } from "../../ps/objects.ts";
import { findCaller } from "./backtrace.ts";
import { exceptionOfTrap } from "./exceptions.ts";
import type { ImportNames } from "./importnames.ts";
import { pushApcFrame, pushExceptionFrame } from "./frames.ts";

const EAX = 0;
const ECX = 1;
const ESP = 4;
const EBP = 5;
const EDI = 7;
const DIRECTION_FLAG = 0x400;
const DWORDS_PER_PAGE = 1024;
/** The bytes of `rep stosd`, as a little-endian word. */
const REP_STOSD = 0xabf3;
const USER_READ = { write: false, user: true, present: false };
/** More than any service takes. The engine keeps an array of this many words in its own heap, which is cheap. */
const MAXIMUM_ARGUMENTS = 16;

/** What all x86 threads of a machine share. */
export interface X86Machine {
  readonly cpu: Cpu;
  /** Whose registers are in the processor. */
  loaded: X86UserContext | null;
  /** By system-call number. */
  readonly services: readonly (NtService | null)[];
  /** Bytes from ESP at the trap to the first argument. */
  readonly argumentOffset: number;
  readonly entry: UserEntryPoints;
  /** The imports of each process's program, by process id. */
  readonly imports: Map<number, ImportNames>;
}

/** Where the kernel enters user mode, in the ntdll that is mapped. */
export interface UserEntryPoints {
  readonly LdrInitializeThunk: number;
  readonly RtlUserThreadStart: number;
  readonly KiUserApcDispatcher: number;
  readonly KiUserExceptionDispatcher: number;
}

export class X86UserContext implements UserContext {
  readonly machine: X86Machine;
  readonly saved: X86Context = new X86Context();
  /** Arguments of the system call in progress. */
  readonly arguments: Uint32Array = new Uint32Array(MAXIMUM_ARGUMENTS);
  /** Stack pointer and return address of the system call in progress. */
  private callStack = 0;
  private returnAddress = 0;
  /** What the system call in progress raises when it is over. */
  private raisedStatus: NtStatus | null = null;

  constructor(machine: X86Machine) {
    this.machine = machine;
  }

  run(k: Kernel, thread: KThread, budget: number): UserExit {
    const { cpu } = this.machine;
    this.load(thread);
    MmUpdateSharedTime(k);
    const end = cpu.instructions + budget;
    let before = cpu.instructions;
    for (;;) {
      const trap = cpu.run(Math.max(1, end - before));
      const now = cpu.instructions;
      // At least one, so that a guest that only faults still uses up its turn.
      const spent = Math.max(1, now - before);
      before = now;
      k.ke.prcb.clock += spent;
      thread.quantum -= spent;
      thread.userTime += spent / 100;
      if (trap.vector === Vector.systemCall) return "system-call";
      if (trap.vector === Vector.pageFault) {
        if (!this.resolveFault(k, thread)) return "exception";
        if (thread.quantum > 0) continue;
      } else if (trap.vector >= 0 || trap.vector < -1) {
        return "exception";
      }
      return "quantum";
    }
  }

  /** Serves a page fault without leaving user mode. False: it is an exception. */
  private resolveFault(k: Kernel, thread: KThread): boolean {
    const { trap } = this.machine.cpu;
    const { process } = thread.apcState;
    assert(process instanceof MmProcess, "user code runs in a process with memory");
    if (this.skipZeroes(k, process)) return true;
    const access = FAULT_ACCESS[trap.errorCode & 7] ?? USER_READ;
    this.faultStatus = MmAccessFault(k, process, trap.faultAddress >>> 0, access);
    return NT_SUCCESS(this.faultStatus);
  }

  /**
   * `rep stosd` of zeroes over untouched memory: such pages are zero anyway, so whole ones are skipped. Wine clears
   * 240 pages of stack for every thread this way.
   */
  private skipZeroes(k: Kernel, process: MmProcess): boolean {
    const { trap, general } = this.machine.cpu;
    const target = trap.faultAddress >>> 0;
    if ((trap.errorCode & 3) !== 2 || (trap.eflags & DIRECTION_FLAG) !== 0) return false;
    if (general[EAX] !== 0 || (general[EDI] ?? 0) >>> 0 !== target) return false;
    const count = (general[ECX] ?? 0) >>> 0;
    if (count < DWORDS_PER_PAGE || k.mm.user.begin().readU16(trap.eip >>> 0) !== REP_STOSD) return false;
    const skipped = skipZeroFill(k, process, target, count);
    general[ECX] = (count - skipped) | 0;
    general[EDI] = (target + 4 * skipped) | 0;
    return skipped > 0;
  }

  private faultStatus: NtStatus = 0 as NtStatus;

  systemCall(k: Kernel, thread: KThread): Blocking<void> | void {
    const { cpu, services, argumentOffset } = this.machine;
    const number = cpu.general[EAX] ?? 0;
    const service = services[number >>> 0] ?? null;
    const user = k.mm.user.begin();
    const stack = cpu.trap.esp >>> 0;
    this.callStack = stack;
    this.returnAddress = user.readU32((stack + argumentOffset - 4) >>> 0);
    const count = service === null ? 0 : service.arguments;
    for (let index = 0; index < count; index++) {
      this.arguments[index] = user.readU32((stack + argumentOffset + 4 * index) >>> 0);
    }
    if (user.faulted) {
      this.setResult(user.status);
      return;
    }
    if (service === null) {
      this.setResult(k.nt.unknownService(k, number >>> 0));
      return;
    }
    k.nt.systemCalls++;
    const result = service.handler(k, this.arguments);
    if (typeof result !== "number") return this.finishCall(k, thread, service, result);
    this.setResult(result);
    if (k.sim.trace !== null) traceCall(k, thread, service, result);
  }

  private *finishCall(k: Kernel, thread: KThread, service: NtService, call: Blocking<NtStatus>): Blocking<void> {
    const result = yield* call;
    this.setResult(result);
    if (k.sim.trace !== null) traceCall(k, thread, service, result);
    const status = this.raisedStatus;
    if (status === null) return;
    this.raisedStatus = null;
    const record = { code: status, flags: 0, address: this.capture().eip >>> 0, parameters: [] };
    yield* KiDispatchException(k, record, { firstChance: true });
  }

  raiseAfterCall(status: NtStatus): void {
    this.raisedStatus = status;
  }

  private setResult(status: NtStatus): void {
    if (status === CONTEXT_RESULT) return;
    if (this.machine.loaded === this) this.machine.cpu.general[EAX] = status | 0;
    else this.saved.general[EAX] = status | 0;
  }

  exception(k: Kernel, _thread: KThread): ExceptionRecord {
    return exceptionOfTrap(k, this.machine.cpu, this.faultStatus);
  }

  enterApc(k: Kernel, _thread: KThread, apc: UserApc): NtStatus {
    const context = this.capture();
    return pushApcFrame(k, context, apc, this.machine.entry.KiUserApcDispatcher);
  }

  enterException(k: Kernel, _thread: KThread, record: ExceptionRecord): NtStatus {
    const context = this.capture();
    // A debugger that handles `int 3` lets the thread go on behind it; the program's handlers see it at the instruction.
    if (record.code === STATUS_BREAKPOINT && context.eip >>> 0 === record.address + 1) context.eip = record.address | 0;
    return pushExceptionFrame(k, context, record, this.machine.entry.KiUserExceptionDispatcher);
  }

  caller(k: Kernel, thread: KThread): Caller {
    const { process } = thread;
    assert(process instanceof EProcess, "every process is the process manager's");
    const { machine } = this;
    const general = machine.loaded === this ? machine.cpu.general : this.saved.general;
    const site = { stack: this.callStack, frame: (general[EBP] ?? 0) >>> 0, fallback: this.returnAddress };
    return findCaller(k, process, site, machine.imports.get(process.pid) ?? null);
  }

  /** Where the thread's user stack stood when it last entered the kernel. */
  get stackPointer(): number {
    const { machine } = this;
    const pointer = machine.loaded === this ? machine.cpu.trap.esp : (this.saved.general[ESP] ?? 0);
    return pointer >>> 0;
  }

  /** The thread's registers, out of the processor: they may be read and changed until it runs again. */
  capture(): X86Context {
    if (this.machine.loaded === this) {
      this.machine.cpu.save(this.saved);
      this.machine.loaded = null;
    }
    return this.saved;
  }

  private load(thread: KThread): void {
    const { machine } = this;
    if (machine.loaded === this) return;
    if (machine.loaded !== null) machine.cpu.save(machine.loaded.saved);
    machine.cpu.load(this.saved);
    machine.cpu.setTeb(thread.teb);
    machine.loaded = this;
  }

  /** Where the thread starts: at `eip` with its stack pointer at `esp`. */
  start(eip: number, esp: number): void {
    this.saved.eip = eip | 0;
    this.saved.general[ESP] = esp | 0;
  }
}

function traceCall(k: Kernel, thread: KThread, service: NtService, status: NtStatus): void {
  trace(k, {
    kind: "system-call",
    time: Math.floor(k.ke.prcb.clock / 100),
    pid: PsGetCurrentThread(k).threadsProcess.pid,
    tid: thread.tid,
    name: service.name,
    status,
  });
}
