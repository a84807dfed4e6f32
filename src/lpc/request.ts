/** Requests: a message and the wait for its reply. */
import { LPC_KERNELMODE_MESSAGE, LpcMessageType, STATUS_REPLY_MESSAGE_MISMATCH } from "../abi/lpc.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_INVALID_CID,
  STATUS_INVALID_PARAMETER,
  STATUS_PORT_DISCONNECTED,
  STATUS_SUCCESS,
  STATUS_THREAD_IS_TERMINATING,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import { type DataRange, readDataRanges } from "./datainfo.ts";
import {
  checkLengths,
  LpcpAllocateFromPortZone,
  LpcpFreeToPortZone,
  LpcpMessage,
  type PortMessage,
} from "./message.ts";
import { type LpcPort, referencePort } from "./port.ts";
import { destinationOf, queueMessage } from "./queue.ts";
import { answerWaiter, awaitReply, awaitsReplyThrough, beginCall, replyThrough } from "./reply.ts";
import { LpcpGenerateMessageId } from "./state.ts";
import { clientIdOf, currentLpcThread, homeProcess, type LpcThread } from "./thread.ts";

/** Types that a sender may choose by itself. */
const CHOSEN_TYPES: ReadonlySet<number> = new Set([
  LpcMessageType.ClientDied,
  LpcMessageType.PortClosed,
  LpcMessageType.Exception,
  LpcMessageType.DebugEvent,
  LpcMessageType.ErrorEvent,
]);

/**
 * Sends a request and waits for the reply. A request of type `LPC_REQUEST` is a callback: it goes to the client whose own
 * request is being served, as if it were its reply.
 * @returns the reply, or the other side's callback; INVALID_PARAMETER for a type or data information that is none;
 *   PORT_MESSAGE_TOO_LONG, THREAD_IS_TERMINATING, NO_MEMORY, QUOTA_EXCEEDED, PORT_DISCONNECTED; LPC_REPLY_LOST if the
 *   other side goes without replying; for a callback also INVALID_CID and REPLY_MESSAGE_MISMATCH; errors of the handle
 */
export function* NtRequestWaitReplyPort(
  k: Kernel,
  handle: number,
  request: PortMessage,
): Blocking<NtResult<PortMessage>> {
  const type = request.type === LpcMessageType.New ? LpcMessageType.Request : request.type;
  const callback = request.type === LpcMessageType.Request;
  // This refuses the kernel's own mark as well.
  if (request.type !== LpcMessageType.New && !callback && !CHOSEN_TYPES.has(type)) {
    return failure(STATUS_INVALID_PARAMETER);
  }
  const port = referencePort(k, handle);
  if (!port.ok) return port;
  const thread = currentLpcThread(k);
  const sent = sendRequest(k, thread, port.value, { ...request, type }, { callback });
  const reply = sent === STATUS_SUCCESS ? yield* awaitReply(k, thread) : failure<PortMessage>(sent);
  yield* ObDereferenceObject(k, port.value);
  return reply;
}

function sendRequest(
  k: Kernel,
  thread: LpcThread,
  port: LpcPort,
  request: PortMessage,
  options: { readonly callback: boolean },
): NtStatus {
  const lengths = checkLengths(request, port.maxMessageLength);
  if (lengths !== STATUS_SUCCESS) return lengths;
  const ranges = readDataRanges(request);
  if (!ranges.ok) return ranges.status;
  if (thread.lpc.exitCalled) return STATUS_THREAD_IS_TERMINATING;
  return options.callback
    ? callBack(k, thread, port, request, ranges.value)
    : queueRequest(k, thread, port, request, ranges.value);
}

function queueRequest(
  k: Kernel,
  thread: LpcThread,
  port: LpcPort,
  request: PortMessage,
  dataRanges: readonly DataRange[],
): NtStatus {
  const charge = LpcpAllocateFromPortZone(k, homeProcess(thread).quotaBlock);
  if (!charge.ok) return charge.status;
  const destination = destinationOf(port);
  if (destination === null) {
    LpcpFreeToPortZone(k, charge.value);
    return STATUS_PORT_DISCONNECTED;
  }
  const { queue, rundown, portContext } = destination;
  const messageId = LpcpGenerateMessageId(k);
  const message = { ...request, clientViewSize: 0, clientId: clientIdOf(thread), messageId };
  beginCall(k, thread, { port, rundown, messageId, dataRanges });
  queueMessage(k, queue, new LpcpMessage(message, charge.value, { portContext, connection: null }));
  return STATUS_SUCCESS;
}

/** Asks back: the client's wait ends with this request, and both sides go on under the same message id. */
function callBack(
  k: Kernel,
  thread: LpcThread,
  port: LpcPort,
  request: PortMessage,
  dataRanges: readonly DataRange[],
): NtStatus {
  const client = k.lpc.upcalls.lookupThread(k, request.clientId);
  if (client === null) return STATUS_INVALID_CID;
  const { messageId } = request;
  if (client === thread || !awaitsReplyThrough(client, port, messageId)) return STATUS_REPLY_MESSAGE_MISMATCH;
  // The client replies through the port that it asked through, so that is the one whose end ends the callback.
  const rundown = client.lpc.waitingPort;
  const status = answerWaiter(k, client, { ...request, clientViewSize: 0 });
  if (status !== STATUS_SUCCESS || rundown === null) return status;
  beginCall(k, thread, { port: replyPortOf(port, rundown), rundown, messageId, dataRanges });
  return STATUS_SUCCESS;
}

/** The port that stands for the asking server: its end of the connection, if it asks through the connection port. */
function replyPortOf(port: LpcPort, clientPort: LpcPort): LpcPort {
  return clientPort.connectedPort ?? port;
}

/**
 * Replies to a callback and waits for the reply to the request that is still being served.
 * @returns as NtReplyPort, then as {@link NtRequestWaitReplyPort}
 */
export function* NtReplyWaitReplyPort(k: Kernel, handle: number, reply: PortMessage): Blocking<NtResult<PortMessage>> {
  if ((reply.type & LPC_KERNELMODE_MESSAGE) !== 0) return failure(STATUS_INVALID_PARAMETER);
  const port = referencePort(k, handle);
  if (!port.ok) return port;
  const thread = currentLpcThread(k);
  const sent = replyAndWait(k, thread, port.value, reply);
  const answer = sent === STATUS_SUCCESS ? yield* awaitReply(k, thread) : failure<PortMessage>(sent);
  yield* ObDereferenceObject(k, port.value);
  return answer;
}

function replyAndWait(k: Kernel, thread: LpcThread, port: LpcPort, reply: PortMessage): NtStatus {
  if (thread.lpc.exitCalled) return STATUS_THREAD_IS_TERMINATING;
  const destination = destinationOf(port);
  if (destination === null) return STATUS_PORT_DISCONNECTED;
  const status = replyThrough(k, port, reply);
  if (status !== STATUS_SUCCESS) return status;
  const { messageId } = reply;
  beginCall(k, thread, { port, rundown: destination.rundown, messageId, dataRanges: [] });
  return STATUS_SUCCESS;
}
