/** Receiving: a server replies to one message and waits for the next. */
import { LpcMessageType } from "../abi/lpc.ts";
import { WaitReason } from "../abi/ke.ts";
import { failure, type NtResult, STATUS_PORT_DISCONNECTED, STATUS_SUCCESS, success } from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import { KeQueryInterruptTime } from "../ke/time.ts";
import { KeWaitForSingleObject } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import { LpcpFreeToPortZone, type PortMessage } from "./message.ts";
import { type LpcPort, referencePort } from "./port.ts";
import { receivePortOf, takeMessage } from "./queue.ts";
import { replyThrough } from "./reply.ts";

/** A message, and what the server gave the connection that it came through. */
export interface ReceivedMessage {
  readonly message: PortMessage;
  readonly portContext: number;
}

/** What to do before and while waiting. */
export interface ReceiveOptions {
  /** Null: nothing to reply to. */
  readonly reply: PortMessage | null;
  /** From now on; null for ever. */
  readonly timeout100ns: number | null;
}

/**
 * Replies, if there is something to reply to, and waits for a message.
 * @returns as NtReplyPort: then nothing is waited for; PORT_DISCONNECTED if the port's client has gone; TIMEOUT; USER_APC
 */
export function* NtReplyWaitReceivePortEx(
  k: Kernel,
  handle: number,
  options: ReceiveOptions,
): Blocking<NtResult<ReceivedMessage>> {
  const port = referencePort(k, handle);
  if (!port.ok) return port;
  const received = yield* replyAndReceive(k, port.value, options);
  yield* ObDereferenceObject(k, port.value);
  return received;
}

function* replyAndReceive(k: Kernel, port: LpcPort, options: ReceiveOptions): Blocking<NtResult<ReceivedMessage>> {
  const { reply, timeout100ns } = options;
  const queue = receivePortOf(port);
  if (queue === null) return failure(STATUS_PORT_DISCONNECTED);
  const replied = reply === null ? STATUS_SUCCESS : replyThrough(k, port, reply);
  if (replied !== STATUS_SUCCESS) return failure(replied);
  // The port lets go of its connection port when its client goes, which may be while we wait.
  ObReferenceObject(queue);
  const received = yield* receive(k, queue, timeout100ns);
  yield* ObDereferenceObject(k, queue);
  return received;
}

/** Waits for a message. */
function* receive(k: Kernel, queue: LpcPort, timeout100ns: number | null): Blocking<NtResult<ReceivedMessage>> {
  const mode = KeGetPreviousMode(k);
  const deadline = timeout100ns === null ? null : KeQueryInterruptTime(k) + timeout100ns;
  for (;;) {
    const left = deadline === null ? null : Math.max(0, deadline - KeQueryInterruptTime(k));
    const wait = { reason: WaitReason.WrLpcReceive, mode, alertable: false, timeout100ns: left };
    const status = yield* KeWaitForSingleObject(k, queue.semaphore, wait);
    if (status !== STATUS_SUCCESS) return failure(status);
    const taken = takeMessage(queue);
    // Withdrawn between the wake-up and here.
    if (taken === null) continue;
    // A connection request stays with the thread that connects.
    if (taken.connection === null) LpcpFreeToPortZone(k, taken);
    return success({ message: taken.message, portContext: taken.portContext });
  }
}

/** Waits for a connection request; every other message that comes before it is dropped. @returns as above */
export function* NtListenPort(k: Kernel, handle: number): Blocking<NtResult<PortMessage>> {
  for (;;) {
    const received = yield* NtReplyWaitReceivePortEx(k, handle, { reply: null, timeout100ns: null });
    if (!received.ok) return received;
    const { message } = received.value;
    if (message.type === LpcMessageType.ConnectionRequest) return success(message);
  }
}
