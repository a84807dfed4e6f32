/**
 * Attaching: a thread works in the address space of another process. While it is attached, APCs that were meant for it
 * at home wait in its saved state, so an attached thread cannot be killed.
 */
import { BugCheckCode } from "../abi/ke.ts";
import type { Kernel } from "../kernel.ts";
import { isListEmpty } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { deliverKernelApcs, kernelApcDeliverable } from "./apc.ts";
import { KeBugCheckEx } from "./bugcheck.ts";
import { KeGetCurrentThread } from "./current.ts";
import { KApcState, type KProcess, type KThread } from "./objects.ts";

/** What {@link KeUnstackDetachProcess} needs to undo a stack attach. */
export interface SavedAttachment {
  /** Null: the thread was already in the process and nothing has to be undone. */
  readonly apcState: KApcState | null;
  readonly saved: KApcState | null;
  readonly index: 0 | 1;
}

const NOTHING_TO_UNDO: SavedAttachment = Object.freeze({ apcState: null, saved: null, index: 0 });

export function KeIsAttachedProcess(k: Kernel): boolean {
  return KeGetCurrentThread(k).apcStateIndex !== 0;
}

/** Attaches the current thread to `process`; it may already be attached elsewhere. */
export function KeStackAttachProcess(k: Kernel, process: KProcess): SavedAttachment {
  const thread = KeGetCurrentThread(k);
  if (thread.apcState.process === process) return NOTHING_TO_UNDO;
  const undo: SavedAttachment = {
    apcState: thread.apcState,
    saved: thread.savedApcState,
    index: thread.apcStateIndex,
  };
  if (thread.apcStateIndex === 0) thread.savedApcState = thread.apcState;
  attach(k, thread, process);
  return undo;
}

/** Attaches without nesting.
 * Attached already: bugcheck INVALID_PROCESS_ATTACH_ATTEMPT.
 */
export function KeAttachProcess(k: Kernel, process: KProcess): SavedAttachment {
  const thread = KeGetCurrentThread(k);
  if (thread.apcStateIndex !== 0) {
    const { INVALID_PROCESS_ATTACH_ATTEMPT } = BugCheckCode;
    KeBugCheckEx(k, INVALID_PROCESS_ATTACH_ATTEMPT, process.id, thread.apcState.process.id, 1, thread.id);
  }
  return KeStackAttachProcess(k, process);
}

/** Returns to where the thread was before the attach. */
export function* KeUnstackDetachProcess(k: Kernel, undo: SavedAttachment): Blocking<void> {
  if (undo.apcState === null || undo.saved === null) return;
  const thread = KeGetCurrentThread(k);
  while (kernelApcDeliverable(k, thread) && !isListEmpty(thread.apcState.kernelList)) yield* deliverKernelApcs(k);
  const left = thread.apcState;
  const pending = left.kernelApcInProgress || !isListEmpty(left.kernelList) || !isListEmpty(left.userList);
  if (thread.apcStateIndex === 0 || pending) KeBugCheckEx(k, BugCheckCode.INVALID_PROCESS_DETACH_ATTEMPT);
  left.process.stackCount--;
  thread.apcState = undo.apcState;
  thread.savedApcState = undo.saved;
  thread.apcStateIndex = undo.index;
  k.ke.upcalls.swapAddressSpace(k, thread);
  if (isListEmpty(thread.apcState.kernelList)) return;
  thread.apcState.kernelApcPending = true;
  yield* deliverKernelApcs(k);
}

function attach(k: Kernel, thread: KThread, process: KProcess): void {
  process.stackCount++;
  thread.apcState = new KApcState(process);
  thread.apcStateIndex = 1;
  k.ke.upcalls.swapAddressSpace(k, thread);
}
