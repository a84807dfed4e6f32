/**
 * Callback slots (`EX_CALLBACK`): routines that are told of something, each behind rundown protection of its own, so
 * that whoever unregisters one waits until nobody runs it any more.
 *
 * Invariant: a routine that is being called was registered when the call began; after its removal has returned it is
 * never called again. What a routine is, the table does not care.
 */
import { BugCheckCode } from "../abi/ke.ts";
import { KeBugCheckEx } from "../ke/bugcheck.ts";
import type { Kernel } from "../kernel.ts";
import type { Blocking } from "../sim/blocking.ts";
import {
  ExAcquireRundownProtection,
  ExReleaseRundownProtection,
  ExRundown,
  ExWaitForRundownProtectionRelease,
} from "./rundown.ts";

/** `PSP_MAX_CREATE_PROCESS_NOTIFY` and its like. */
const DEFAULT_SLOTS = 64;

/** `EX_CALLBACK_ROUTINE_BLOCK`. */
class CallbackBlock<R> {
  readonly routine: R;
  readonly rundown: ExRundown = new ExRundown();

  constructor(routine: R) {
    this.routine = routine;
  }
}

export class CallbackSlots<R> {
  readonly slots: (CallbackBlock<R> | null)[];
  /** Slots in use: callers skip everything when it is 0. */
  count = 0;

  constructor(size: number = DEFAULT_SLOTS) {
    this.slots = new Array<CallbackBlock<R> | null>(size).fill(null);
  }
}

/** Registers a routine in the first free slot. @returns false if all are taken */
export function registerCallback<R>(table: CallbackSlots<R>, routine: R): boolean {
  const index = table.slots.indexOf(null);
  if (index < 0) return false;
  table.slots[index] = new CallbackBlock(routine);
  table.count++;
  return true;
}

/** Removes a routine and waits for its running calls. @returns false if it is not registered */
export function* unregisterCallback<R>(k: Kernel, table: CallbackSlots<R>, routine: R): Blocking<boolean> {
  const index = table.slots.findIndex((block) => block !== null && block.routine === routine);
  const block = table.slots[index];
  if (block === undefined || block === null) return false;
  table.slots[index] = null;
  table.count--;
  yield* ExWaitForRundownProtectionRelease(k, block.rundown);
  return true;
}

/**
 * Calls `call` with every routine that is registered when its turn comes, in the order of the slots. Bug check 0xC8 if one
 * returns at another level.
 */
export function* invokeCallbacks<R>(
  k: Kernel,
  table: CallbackSlots<R>,
  call: (routine: R) => Blocking<void>,
): Blocking<void> {
  if (table.count === 0) return;
  for (let index = 0; index < table.slots.length; index++) {
    const block = table.slots[index];
    if (block === undefined || block === null || !ExAcquireRundownProtection(block.rundown)) continue;
    const { irql } = k.ke.prcb;
    yield* call(block.routine);
    if (k.ke.prcb.irql !== irql) KeBugCheckEx(k, BugCheckCode.IRQL_UNEXPECTED_VALUE, irql, k.ke.prcb.irql);
    ExReleaseRundownProtection(k, block.rundown);
  }
}
