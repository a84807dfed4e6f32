/**
 * The frames with which the kernel enters user mode: for a user APC, for an exception, and at a thread's start. Each
 * leaves a complete CONTEXT on the user stack; `NtContinue` returns to it.
 */
import {
  CONTEXT,
  CONTEXT_ALL,
  CONTEXT_FULL,
  EXCEPTION_MAXIMUM_PARAMETERS,
  EXCEPTION_RECORD,
} from "../../abi/exception.ts";
import { type NtStatus, STATUS_SUCCESS } from "../../abi/status.ts";
import type { X86Context } from "../../cpu/context.ts";
import type { ExceptionRecord, UserApc } from "../../ke/usermode.ts";
import type { Kernel } from "../../kernel.ts";
import type { UserMemory } from "../../mm/usermemory.ts";
import { writeContextRecord } from "./contextrecord.ts";

const ESP = 4;

/** Enters `KiUserApcDispatcher(context, argument1..3, routine)`. */
export function pushApcFrame(k: Kernel, context: X86Context, apc: UserApc, dispatcher: number): NtStatus {
  const user = k.mm.user.begin();
  const record = aligned((context.general[ESP] ?? 0) - CONTEXT.bytes);
  writeContextRecord(user, record, context, CONTEXT_ALL);
  const words = [context.eip >>> 0, record, word(apc.context), word(apc.argument1), word(apc.argument2), apc.routine];
  const top = pushWords(user, record, words);
  if (user.faulted) return user.status;
  enter(context, dispatcher, top);
  return STATUS_SUCCESS;
}

/** Enters `KiUserExceptionDispatcher(record, context)`. */
export function pushExceptionFrame(
  k: Kernel,
  context: X86Context,
  exception: ExceptionRecord,
  dispatcher: number,
): NtStatus {
  const user = k.mm.user.begin();
  const record = aligned((context.general[ESP] ?? 0) - EXCEPTION_RECORD.bytes);
  writeExceptionRecord(user, record, exception);
  const contextRecord = aligned(record - CONTEXT.bytes);
  writeContextRecord(user, contextRecord, context, CONTEXT_ALL);
  const top = pushWords(user, contextRecord, [record, contextRecord]);
  if (user.faulted) return user.status;
  enter(context, dispatcher, top);
  return STATUS_SUCCESS;
}

/** What a new thread's stack holds when it enters `LdrInitializeThunk(context)`. */
export interface ThreadStart {
  readonly stackBase: number;
  /** `RtlUserThreadStart`. */
  readonly userThreadStart: number;
  readonly routine: number;
  readonly argument: number;
}

/** Space above the initial CONTEXT, as Windows leaves it. */
const START_RESERVE = 0x10;

/** Builds a thread's first frame. @returns its stack pointer; check `user.faulted` */
export function pushStartFrame(user: UserMemory, initial: X86Context, start: ThreadStart): number {
  const top = start.stackBase - START_RESERVE;
  initial.general[0] = start.routine | 0;
  initial.general[3] = start.argument | 0;
  initial.general[ESP] = top | 0;
  initial.eip = start.userThreadStart | 0;
  const record = aligned(top - CONTEXT.bytes);
  writeContextRecord(user, record, initial, CONTEXT_FULL | CONTEXT_ALL);
  return pushWords(user, record, [0, record, 0, 0, 0]);
}

function writeExceptionRecord(user: UserMemory, address: number, exception: ExceptionRecord): void {
  const parameters = exception.parameters.slice(0, EXCEPTION_MAXIMUM_PARAMETERS);
  user.writeU32(address + EXCEPTION_RECORD.code, exception.code);
  user.writeU32(address + EXCEPTION_RECORD.flags, exception.flags);
  user.writeU32(address + EXCEPTION_RECORD.nested, 0);
  user.writeU32(address + EXCEPTION_RECORD.address, exception.address);
  user.writeU32(address + EXCEPTION_RECORD.parameterCount, parameters.length);
  for (const [index, value] of parameters.entries()) {
    user.writeU32(address + EXCEPTION_RECORD.parameters + 4 * index, value >>> 0);
  }
}

/** Writes `words` below `top`, first word lowest. @returns the address of the first */
function pushWords(user: UserMemory, top: number, words: readonly number[]): number {
  const address = (top - 4 * words.length) >>> 0;
  for (const [index, value] of words.entries()) user.writeU32(address + 4 * index, value >>> 0);
  return address;
}

function enter(context: X86Context, eip: number, esp: number): void {
  context.eip = eip | 0;
  context.general[ESP] = esp | 0;
}

function aligned(address: number): number {
  return (address & ~3) >>> 0;
}

function word(value: unknown): number {
  return typeof value === "number" ? value >>> 0 : 0;
}
