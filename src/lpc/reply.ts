/**
 * Replies. A reply is not queued: it is handed to the thread that waits for it, which its client id and message id name.
 *
 * Invariant: whoever ends a wait for a reply, the reply itself, the end of a port or the death of the thread, takes the
 * thread out of its reply chain in the same step, so none of them can do it twice.
 */
import { LpcMessageType, STATUS_LPC_REPLY_LOST, STATUS_REPLY_MESSAGE_MISMATCH } from "../abi/lpc.ts";
import { WaitReason } from "../abi/ke.ts";
import { failure, type NtResult, type NtStatus, STATUS_INVALID_CID, STATUS_SUCCESS, success } from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import { KeReleaseSemaphore } from "../ke/semaphore.ts";
import { KeWaitForSingleObject } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { assert } from "../rtl/assert.ts";
import { insertTail } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import type { DataRange } from "./datainfo.ts";
import {
  checkLengths,
  LpcpAllocateFromPortZone,
  LpcpFreeToPortZone,
  LpcpMessage,
  type PortMessage,
} from "./message.ts";
import { leavesAbortedCall } from "./errata.ts";
import { type LpcPort, referencePort } from "./port.ts";
import { LPC_INCREMENT } from "./queue.ts";
import {
  clientIdOf,
  currentLpcThread,
  homeProcess,
  leaveReplyChain,
  type LpcThread,
  prepareReplySemaphore,
  replyEntryOf,
} from "./thread.ts";

/**
 * Replies to the request whose client id and message id `reply` repeats.
 * @returns PORT_MESSAGE_TOO_LONG; INVALID_CID for a thread that is none; REPLY_MESSAGE_MISMATCH if it does not wait for this
 *   reply, or not through a port connected with this one; NO_MEMORY, QUOTA_EXCEEDED; errors of the handle
 */
export function* NtReplyPort(k: Kernel, handle: number, reply: PortMessage): Blocking<NtStatus> {
  const port = referencePort(k, handle);
  if (!port.ok) return port.status;
  const status = replyThrough(k, port.value, reply);
  yield* ObDereferenceObject(k, port.value);
  return status;
}

/** As {@link NtReplyPort}, at once. */
export function replyThrough(k: Kernel, port: LpcPort, reply: PortMessage): NtStatus {
  const lengths = checkLengths(reply, port.maxMessageLength);
  if (lengths !== STATUS_SUCCESS) return lengths;
  const waiter = k.lpc.upcalls.lookupThread(k, reply.clientId);
  if (waiter === null) return STATUS_INVALID_CID;
  if (!awaitsReplyThrough(waiter, port, reply.messageId)) return STATUS_REPLY_MESSAGE_MISMATCH;
  return answerWaiter(k, waiter, { ...reply, type: LpcMessageType.Reply, clientViewSize: 0 });
}

/** Whether the thread waits for the reply to that message, and this port is at the other end. */
export function awaitsReplyThrough({ lpc }: LpcThread, port: LpcPort, messageId: number): boolean {
  const { waitingPort } = lpc;
  if (messageId === 0 || lpc.replyMessageId !== messageId || waitingPort === null) return false;
  return port === waitingPort.connectedPort || port === waitingPort.connectionPort;
}

/** Hands a message to a thread that waits for one, in the name of the current thread. @returns NO_MEMORY, QUOTA_EXCEEDED */
export function answerWaiter(k: Kernel, waiter: LpcThread, message: PortMessage): NtStatus {
  const sender = currentLpcThread(k);
  const charge = LpcpAllocateFromPortZone(k, homeProcess(sender).quotaBlock);
  if (!charge.ok) return charge.status;
  const origin = { portContext: 0, connection: null };
  const { lpc } = waiter;
  assert(lpc.replyMessage === null, "a thread that waits has no reply yet");
  lpc.replyMessage = new LpcpMessage({ ...message, clientId: clientIdOf(sender) }, charge.value, origin);
  wakeFromCall(k, waiter);
  return STATUS_SUCCESS;
}

/** Ends the wait of a thread that is in a reply chain. What it finds in its state says why. */
export function wakeFromCall(k: Kernel, thread: LpcThread): void {
  leaveReplyChain(thread);
  thread.lpc.replyMessageId = 0;
  const { replySemaphore } = thread.lpc;
  assert(replySemaphore !== null, "a thread in a reply chain has a semaphore");
  KeReleaseSemaphore(k, replySemaphore, LPC_INCREMENT, 1);
}

/** What a thread waits for. */
export interface Call {
  readonly port: LpcPort;
  /** The port whose end makes the wait pointless. */
  readonly rundown: LpcPort;
  readonly messageId: number;
  readonly dataRanges: readonly DataRange[];
}

/** The current thread waits from here on, though it may still have to send what it wants a reply for. */
export function beginCall(k: Kernel, thread: LpcThread, call: Call): void {
  prepareReplySemaphore(k, thread);
  const { lpc } = thread;
  lpc.replyMessageId = call.messageId;
  lpc.waitingPort = call.port;
  lpc.dataRanges = call.dataRanges;
  insertTail(call.rundown.replyChainHead, replyEntryOf(thread));
}

/** Waits for the reply. @returns it; LPC_REPLY_LOST if the other side has gone; USER_APC for a thread that dies */
export function* awaitReply(k: Kernel, thread: LpcThread): Blocking<NtResult<PortMessage>> {
  const status = yield* waitForCall(k, thread);
  if (status !== STATUS_SUCCESS && (yield* leavesAbortedCall(k))) return failure(status);
  const reply = endCall(thread);
  if (reply !== null) LpcpFreeToPortZone(k, reply);
  if (status !== STATUS_SUCCESS) return failure(status);
  return reply === null ? failure(STATUS_LPC_REPLY_LOST) : success(reply.message);
}

/** Waits until somebody wakes the thread from its call. */
export function waitForCall(k: Kernel, { lpc }: LpcThread): Blocking<NtStatus> {
  assert(lpc.replySemaphore !== null, "a call is begun before it is waited for");
  const mode = KeGetPreviousMode(k);
  const reason = WaitReason.WrLpcReply;
  return KeWaitForSingleObject(k, lpc.replySemaphore, { reason, mode, alertable: false, timeout100ns: null });
}

/** The thread waits no more. @returns the reply, if one has come */
export function endCall(thread: LpcThread): LpcpMessage | null {
  const { lpc } = thread;
  leaveReplyChain(thread);
  lpc.replyMessageId = 0;
  lpc.waitingPort = null;
  lpc.dataRanges = [];
  const reply = lpc.replyMessage;
  lpc.replyMessage = null;
  return reply;
}
