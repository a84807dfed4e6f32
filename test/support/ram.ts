/**
 * Guest memory without a processor: bytes, a translation cache that forgets only what it is told to forget, and a guest
 * that reads and writes through it. Every frame begins with garbage, so that a page that was not filled shows.
 */
import type { GuestRam } from "../../src/abi/processor.ts";
import { SUPERVISOR_BASE } from "../../src/abi/processor.ts";
import { type NtStatus, STATUS_SUCCESS } from "../../src/abi/status.ts";
import type { Kernel } from "../../src/kernel.ts";
import { FAULT_ACCESS, MmAccessFault } from "../../src/mm/fault.ts";
import { MmCreateProcessAddressSpace } from "../../src/mm/addressspace.ts";
import { MmInitSystem } from "../../src/mm/init.ts";
import { mmLedger, type MmLedger } from "../../src/mm/ledger.ts";
import { MmProcess } from "../../src/mm/process.ts";
import { createMmState } from "../../src/mm/state.ts";
import { swapAddressSpace } from "../../src/mm/swap.ts";
import { KThread } from "../../src/ke/objects.ts";
import type { KSemaphore } from "../../src/ke/objects.ts";
import { QuotaBlock } from "../../src/ex/quota.ts";
import type { Blocking } from "../../src/sim/blocking.ts";
import { newObjectId } from "../../src/sim/identity.ts";
import { testKernel, type TestKernelOptions } from "./kernel.ts";

const GARBAGE = 0x5a;
const FIRST_FREE_FRAME = 4;
const SUPERVISOR_PDE = 0x3003;

interface Translation {
  readonly frame: number;
  readonly writable: boolean;
}

class FakeRam implements GuestRam {
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly byteLength: number;
  readonly firstFreeFrame: number = FIRST_FREE_FRAME;
  readonly supervisorPde: number = SUPERVISOR_PDE;
  framesInUse = 0;
  readonly translations = new Map<number, Translation>();
  /** Frames for which the processor holds code that was compiled from them. */
  readonly code = new Set<number>();
  directory = 0;

  constructor(pages: number) {
    const buffer = new ArrayBuffer(pages * 4096);
    this.u8 = new Uint8Array(buffer).fill(GARBAGE);
    this.i32 = new Int32Array(buffer);
    this.byteLength = buffer.byteLength;
  }

  invalidateCode(frame: number): void {
    this.code.delete(frame);
  }

  invalidatePage(address: number): void {
    this.translations.delete(address >>> 12);
  }

  flushTranslations(): void {
    this.translations.clear();
  }

  setPageDirectory(directory: number): void {
    this.directory = directory;
    this.translations.clear();
  }

  /** As the processor walks the tables; null is a fault. */
  translate(address: number, write: boolean): Translation | null {
    const page = address >>> 12;
    const cached = this.translations.get(page);
    if (cached !== undefined && (cached.writable || !write)) return cached;
    const walked = this.walk(page);
    if (walked === null || (write && !walked.writable)) return null;
    this.translations.set(page, walked);
    return walked;
  }

  /** What the tables say now. */
  walk(page: number): Translation | null {
    const pde = this.i32[(this.directory >>> 2) + (page >>> 10)] ?? 0;
    if ((pde & 5) !== 5) return null;
    const pte = this.i32[((pde >>> 12) << 10) + (page & 0x3ff)] ?? 0;
    if ((pte & 5) !== 5) return null;
    return { frame: pte >>> 12, writable: (pte & 2) !== 0 };
  }

  /** Pages whose cached translation allows what the tables do not, or leads elsewhere. */
  staleTranslations(): number[] {
    const stale: number[] = [];
    for (const [page, cached] of this.translations) {
      const now = this.walk(page);
      if (now === null || now.frame !== cached.frame || (cached.writable && !now.writable)) stale.push(page);
    }
    return stale;
  }
}

export class MemoryProcess extends MmProcess {}

export interface MemoryMachineOptions extends TestKernelOptions {
  /** Page frames of physical memory; null for a machine without any. */
  readonly pages?: number | null;
  readonly commitLimitPages?: number;
  readonly regionLimit?: number;
}

/** A kernel with memory, one process, and a thread of that process which runs. */
export class MemoryMachine {
  readonly k: Kernel;
  readonly ram: FakeRam;
  readonly process: MemoryProcess;
  readonly thread: KThread;

  constructor(options: MemoryMachineOptions = {}) {
    const pages = options.pages === undefined ? 1024 : options.pages;
    this.ram = new FakeRam(pages ?? 1);
    const kernel = testKernel(options);
    const mm = createMmState({ ...options, ram: pages === null ? null : this.ram });
    this.k = Object.assign(kernel, { mm });
    if (MmInitSystem(this.k) !== STATUS_SUCCESS) throw new Error("a test machine has room for the shared page");
    this.process = this.newProcess();
    this.thread = this.newThread(this.process);
    this.enter(this.thread);
  }

  newProcess(options: { readonly committedPages?: number } = {}): MemoryProcess {
    const process = new MemoryProcess(newObjectId(this.k), 1);
    const limits = { ...this.k.ex.machineQuota.limits, committedPages: options.committedPages ?? Infinity };
    process.quotaBlock = new QuotaBlock(limits, null);
    const status = MmCreateProcessAddressSpace(this.k, process);
    if (status !== STATUS_SUCCESS) throw new Error(`no address space: 0x${status.toString(16)}`);
    return process;
  }

  newThread(process: MmProcess): KThread {
    const semaphore = null as unknown as KSemaphore;
    return new KThread(newObjectId(this.k), process, semaphore, newObjectId(this.k));
  }

  /** Lets the thread run: its address space is loaded. */
  enter(thread: KThread): void {
    this.k.ke.currentThread = thread;
    swapAddressSpace(this.k, thread);
  }

  /** Runs a routine that need not wait. */
  call<T>(routine: Blocking<T>): T {
    const step = routine.next();
    if (step.done !== true) throw new Error("the routine blocked");
    return step.value;
  }

  /** The guest of the loaded address space reads a byte. @returns the byte, or the status of the exception it gets */
  read(address: number): number | Exception {
    const at = this.#access(address, false);
    return at instanceof Exception ? at : (this.ram.u8[at] ?? 0);
  }

  /** The guest writes a byte. @returns null, or the exception it gets */
  write(address: number, value: number): Exception | null {
    const at = this.#access(address, true);
    if (at instanceof Exception) return at;
    this.ram.u8[at] = value;
    return null;
  }

  /** Reads what a page holds without any access. @returns null if it has no frame */
  frameAt(address: number): number | null {
    return this.ram.walk(address >>> 12)?.frame ?? null;
  }

  /** The books, which must balance. */
  audit(): MmLedger {
    const ledger = mmLedger(this.k);
    if (ledger.complaints.length > 0) throw new Error(ledger.complaints.join("; "));
    return ledger;
  }

  #access(address: number, write: boolean): number | Exception {
    const { process } = this.k.ke.currentThread ?? {};
    if (!(process instanceof MmProcess)) throw new Error("a thread of a process with memory runs");
    if (address >= SUPERVISOR_BASE) throw new Error("the processor's own area is not the guest's");
    for (let faults = 0; faults < 4; faults++) {
      const translation = this.ram.translate(address, write);
      if (translation !== null) return translation.frame * 4096 + (address & 0xfff);
      const code = (write ? 2 : 0) | 4 | (this.ram.walk(address >>> 12) === null ? 0 : 1);
      const access = FAULT_ACCESS[code];
      if (access === undefined) throw new Error("three bits");
      const status = MmAccessFault(this.k, process, address, access);
      if (status !== STATUS_SUCCESS) return new Exception(status);
    }
    throw new Error(`the guest faults for ever at 0x${address.toString(16)}`);
  }
}

/** What the guest gets in place of an access. */
export class Exception {
  readonly status: NtStatus;

  constructor(status: NtStatus) {
    this.status = status;
  }
}
