/**
 * What the routines of the built-in ntdll share while they are emitted: names for their entry points, the layout of the
 * variables, and a call that pushes its arguments.
 *
 * Invariant: a name stands for one place. A routine may be called before it is defined; a name that never is defined
 * fails when the code is finished.
 */
import { Assembler } from "./assembler.ts";
import { EBP, ESP, type Label, type Memory, type Register } from "./operands.ts";

/** Where the built-in ntdll always lies. */
export const NTDLL_BASE = 0x7c900000;
export const DATA_RVA = 0x1000;
export const TEXT_RVA = 0x2000;

const CRITICAL_SECTION_BYTES = 24;

/** `RTL_CRITICAL_SECTION`. */
export const CriticalSection = {
  DebugInfo: 0,
  /** -1 when nobody owns it; one more for each owner, recursion and waiter. */
  LockCount: 4,
  RecursionCount: 8,
  OwningThread: 12,
  LockSemaphore: 16,
  SpinCount: 20,
} as const;

const DATA = NTDLL_BASE + DATA_RVA;

/** Addresses of the variables. */
export const Variable: {
  /** Points to the zero-terminated table of the program's TLS callbacks; 0 when it has none. */
  readonly tlsCallbacks: number;
  /** The filter that a program registers for exceptions that nobody handles. */
  readonly unhandledExceptionFilter: number;
  readonly processInitialized: number;
  readonly shutdownInProgress: number;
  /** The thread that shuts the process down; meaningful once `shutdownInProgress` is set. */
  readonly shutdownThread: number;
  readonly loaderLock: number;
  readonly pebLock: number;
} = {
  tlsCallbacks: DATA,
  unhandledExceptionFilter: DATA + 0x04,
  processInitialized: DATA + 0x08,
  shutdownInProgress: DATA + 0x0c,
  shutdownThread: DATA + 0x10,
  loaderLock: DATA + 0x18,
  pebLock: DATA + 0x18 + CRITICAL_SECTION_BYTES,
};

const DATA_BYTES = 0x18 + 2 * CRITICAL_SECTION_BYTES;

/** The variables as they are in the file: all zero, but for two critical sections that nobody owns. */
export function initialData(): Uint8Array {
  const data = new Uint8Array(DATA_BYTES);
  const view = new DataView(data.buffer);
  for (const lock of [Variable.loaderLock, Variable.pebLock]) {
    view.setInt32(lock - DATA + CriticalSection.DebugInfo, -1, true);
    view.setInt32(lock - DATA + CriticalSection.LockCount, -1, true);
  }
  return data;
}

export interface ExportEntry {
  readonly name: string;
  readonly rva: number;
}

type Argument = Register | Memory | Label | number;

const ROUTINE_ALIGNMENT = 16;

/** Handles that stand for the caller's own process and thread. */
export const CURRENT_PROCESS = -1;
export const CURRENT_THREAD = -2;

export class NtdllCode extends Assembler {
  readonly exports: ExportEntry[] = [];
  readonly #labels = new Map<string, Label>();

  constructor() {
    super(NTDLL_BASE + TEXT_RVA);
  }

  /** The entry point of a routine, defined or yet to be. */
  entry(name: string): Label {
    let label = this.#labels.get(name);
    if (label === undefined) {
      label = this.label(name);
      this.#labels.set(name, label);
    }
    return label;
  }

  /** Labels within a routine, by their names. */
  labels<const Name extends string>(...names: readonly Name[]): Record<Name, Label> {
    return Object.fromEntries(names.map((name) => [name, this.label(name)])) as Record<Name, Label>;
  }

  /** Begins a routine that only this image calls. */
  internal(name: string): void {
    this.align(ROUTINE_ALIGNMENT);
    this.bind(this.entry(name));
  }

  /** Begins a routine that programs and the kernel find by its name, or by its other names. */
  routine(name: string, ...aliases: readonly string[]): void {
    this.internal(name);
    for (const exported of [name, ...aliases]) this.exportAt(exported, this.entry(name).offset);
  }

  /** Exports a place in the code. */
  exportAt(name: string, offset: number): void {
    this.exports.push({ name, rva: TEXT_RVA + offset });
  }

  /** Exports a variable. */
  variable(name: string, address: number): void {
    this.exports.push({ name, rva: address - NTDLL_BASE });
  }

  /** Sets up EBP and room for local variables. */
  frame(localBytes = 0): void {
    this.push(EBP);
    this.mov(EBP, ESP);
    if (localBytes > 0) this.sub(ESP, localBytes);
  }

  /** Pushes the arguments, the last one first, and calls. Arguments must not be relative to ESP. */
  invoke(name: string, ...args: readonly Argument[]): void {
    for (let i = args.length - 1; i >= 0; i--) {
      const argument = args[i];
      if (argument !== undefined) this.push(argument);
    }
    this.call(this.entry(name));
  }
}
