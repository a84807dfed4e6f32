/** Sending without waiting for an answer: datagrams, and the notices of the kernel itself. */
import { LPC_KERNELMODE_MESSAGE, LpcMessageType } from "../abi/lpc.ts";
import { type NtStatus, STATUS_INVALID_PARAMETER, STATUS_PORT_DISCONNECTED, STATUS_SUCCESS } from "../abi/status.ts";
import type { QuotaBlock } from "../ex/quota.ts";
import type { Kernel } from "../kernel.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import {
  checkLengths,
  LpcpAllocateFromPortZone,
  LpcpFreeToPortZone,
  LpcpMessage,
  type PortMessage,
} from "./message.ts";
import { type LpcPort, referencePort } from "./port.ts";
import { destinationOf, queueMessage } from "./queue.ts";
import { LpcpGenerateMessageId } from "./state.ts";
import { clientIdOf, currentLpcThread, homeProcess } from "./thread.ts";

/**
 * Sends a datagram. What the sender put into the type does not matter, unless it claims to be the kernel.
 * @returns INVALID_PARAMETER, PORT_MESSAGE_TOO_LONG, NO_MEMORY, QUOTA_EXCEEDED, PORT_DISCONNECTED; errors of the handle
 */
export function* NtRequestPort(k: Kernel, handle: number, message: PortMessage): Blocking<NtStatus> {
  const port = referencePort(k, handle);
  if (!port.ok) return port.status;
  const status = sendDatagram(k, port.value, message);
  yield* ObDereferenceObject(k, port.value);
  return status;
}

function sendDatagram(k: Kernel, port: LpcPort, message: PortMessage): NtStatus {
  if ((message.type & LPC_KERNELMODE_MESSAGE) !== 0 || message.dataInfoOffset !== 0) return STATUS_INVALID_PARAMETER;
  const { quotaBlock } = homeProcess(currentLpcThread(k));
  const datagram = { ...message, type: LpcMessageType.Datagram, messageId: 0, clientViewSize: 0 };
  return send(k, port, datagram, quotaBlock);
}

/**
 * Sends a message of the kernel's that expects no answer, in the name of the current thread. It gets an id unless it has
 * one.
 * @returns INVALID_PARAMETER, PORT_MESSAGE_TOO_LONG, NO_MEMORY, PORT_DISCONNECTED or SUCCESS
 */
export function LpcRequestPort(k: Kernel, port: LpcPort, message: PortMessage): NtStatus {
  const { type } = message;
  if (type < LpcMessageType.Datagram || type > LpcMessageType.ClientDied) return STATUS_INVALID_PARAMETER;
  if (message.dataInfoOffset !== 0) return STATUS_INVALID_PARAMETER;
  return send(k, port, message, null);
}

function send(k: Kernel, port: LpcPort, message: PortMessage, quota: QuotaBlock | null): NtStatus {
  const lengths = checkLengths(message, port.maxMessageLength);
  if (lengths !== STATUS_SUCCESS) return lengths;
  const charge = LpcpAllocateFromPortZone(k, quota);
  if (!charge.ok) return charge.status;
  const destination = destinationOf(port);
  if (destination === null) {
    LpcpFreeToPortZone(k, charge.value);
    return STATUS_PORT_DISCONNECTED;
  }
  const clientId = clientIdOf(currentLpcThread(k));
  const messageId = message.messageId === 0 ? LpcpGenerateMessageId(k) : message.messageId;
  const sent = { ...message, clientId, messageId };
  const { portContext } = destination;
  queueMessage(k, destination.queue, new LpcpMessage(sent, charge.value, { portContext, connection: null }));
  return STATUS_SUCCESS;
}
