/**
 * What LPC keeps in every thread: the reply that it waits for.
 *
 * Invariant: a thread is in the reply chain of a port exactly while it waits for a reply or for a connection, so a port
 * that goes wakes everybody who would wait for ever.
 */
import { IoThread } from "../io/thread.ts";
import { KeGetCurrentThread } from "../ke/current.ts";
import type { KSemaphore } from "../ke/objects.ts";
import { KeInitializeSemaphore } from "../ke/semaphore.ts";
import type { Kernel } from "../kernel.ts";
import { ObProcess } from "../ob/process.ts";
import { assert } from "../rtl/assert.ts";
import { isLinked, ListEntry, removeEntry } from "../rtl/list.ts";
import type { LpcConnection } from "./connection.ts";
import type { DataRange } from "./datainfo.ts";
import type { LpcpMessage } from "./message.ts";
import type { LpcPort } from "./port.ts";

/** Fields of `ETHREAD` that belong to LPC. */
export interface LpcThreadState {
  /** `LPC_EXIT_THREAD_CALLED`: it takes part in no further call. */
  exitCalled: boolean;
  /** Id of the message whose reply the thread waits for; 0 while it waits for none. */
  replyMessageId: number;
  /** The reply that has come and was not taken yet. */
  replyMessage: LpcpMessage | null;
  /** Signaled when the reply has come, or none will. Made with the first call. */
  replySemaphore: KSemaphore | null;
  /** In the chain of the port whose end makes the wait pointless. Made with the first call. */
  replyChain: ListEntry<LpcThread> | null;
  /** The port that the thread asked through, while it waits. */
  waitingPort: LpcPort | null;
  /** Memory that the request offers to the server, while the thread waits. */
  dataRanges: readonly DataRange[];
  /** The connection that the thread waits for and that nobody has answered yet. */
  connection: LpcConnection | null;
}

export abstract class LpcThread extends IoThread {
  readonly lpc: LpcThreadState = {
    exitCalled: false,
    replyMessageId: 0,
    replyMessage: null,
    replySemaphore: null,
    replyChain: null,
    waitingPort: null,
    dataRanges: [],
    connection: null,
  };
}

export function currentLpcThread(k: Kernel): LpcThread {
  const thread = KeGetCurrentThread(k);
  assert(thread instanceof LpcThread, "every thread can make calls");
  return thread;
}

/** The process that the thread belongs to. */
export function homeProcess(thread: LpcThread): ObProcess {
  const { process } = thread;
  assert(process instanceof ObProcess, "every process is the object manager's");
  return process;
}

export function clientIdOf(thread: LpcThread): { pid: number; tid: number } {
  return { pid: homeProcess(thread).pid, tid: thread.tid };
}

/** The thread's semaphore, without a count. */
export function prepareReplySemaphore(k: Kernel, { lpc }: LpcThread): KSemaphore {
  lpc.replySemaphore ??= KeInitializeSemaphore(k, 0, 1);
  // A wake-up that came after the last wait had ended is not one for this.
  lpc.replySemaphore.signalState = 0;
  return lpc.replySemaphore;
}

/** The thread's entry in reply chains; it is in none. */
export function replyEntryOf(thread: LpcThread): ListEntry<LpcThread> {
  return (thread.lpc.replyChain ??= new ListEntry<LpcThread>(thread));
}

/** Takes the thread out of the reply chain that it is in, if any. */
export function leaveReplyChain({ lpc }: LpcThread): void {
  if (lpc.replyChain !== null && isLinked(lpc.replyChain)) removeEntry(lpc.replyChain);
}
