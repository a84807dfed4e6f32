/**
 * The seam between a thread and what it runs in user mode: x86 code on a processor, or a scripted program. Both enter
 * the kernel the same way, so previous mode, user APCs and the kill work alike for both.
 */
import type { NtStatus } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import type { Blocking } from "../sim/blocking.ts";
import type { KThread } from "./objects.ts";

/** An exception as user mode sees it (`EXCEPTION_RECORD`). */
export interface ExceptionRecord {
  readonly code: NtStatus;
  readonly flags: number;
  readonly address: number;
  readonly parameters: readonly number[];
}

/** A user APC on its way to user mode. */
export interface UserApc {
  /** Address of the routine, or null when `script` is set. */
  readonly routine: number;
  /** A scripted program's routine. */
  readonly script: unknown;
  readonly context: unknown;
  readonly argument1: unknown;
  readonly argument2: unknown;
}

/** Where a system call came from. */
export interface Caller {
  /** Return address in the program, or 0 if unknown. */
  readonly address: number;
  /** The library routine that the program called there, if it is known. */
  readonly api?: string;
  /** Whether no frame of the program is left on the stack: its routine has returned. */
  readonly outsideProgram?: boolean;
}

/** What a stay in user mode ended with. */
export type UserExit = "quantum" | "system-call" | "exception";

/** A thread's user mode. It exists from the thread's creation until its object is deleted. */
export interface UserContext {
  /** Goes to user mode for at most `budget` nanoseconds (one instruction is one) and says why it came back. */
  run(k: Kernel, thread: KThread, budget: number): UserExit;
  /** Performs the system call that `run` came back for, with previous mode user, and delivers its result. */
  systemCall(k: Kernel, thread: KThread): Blocking<void> | void;
  /** The exception that `run` came back for. */
  exception(k: Kernel, thread: KThread): ExceptionRecord;
  /** Arranges that the next `run` starts in the user APC dispatcher. Fails if the user stack is not usable. */
  enterApc(k: Kernel, thread: KThread, apc: UserApc): NtStatus;
  /** Arranges that the next `run` starts in the user exception dispatcher. Fails if the user stack is not usable. */
  enterException(k: Kernel, thread: KThread, record: ExceptionRecord): NtStatus;
  /**
   * `KeRaiseUserException`: the system call in progress, which blocks or could have, raises a status after it has
   * answered. A context without it raises at once.
   */
  raiseAfterCall?(status: NtStatus): void;
  /** Who made the system call in progress, for death certificates. */
  caller(k: Kernel, thread: KThread): Caller;
}
