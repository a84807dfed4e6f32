/**
 * Ports and the messages that the kernel itself sends. A message is a value: the sender's buffer is never referenced
 * again, and every field is filled, so nothing of the kernel's memory reaches a server (D17).
 */
import {
  type NtStatus,
  STATUS_INVALID_PARAMETER,
  STATUS_NO_MEMORY,
  STATUS_PORT_DISCONNECTED,
  STATUS_PORT_MESSAGE_TOO_LONG,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import { ExAllocatePoolWithTag, ExFreePoolWithTag, type PoolBlock } from "../ex/pool.ts";
import type { KSemaphore } from "../ke/objects.ts";
import { KeInitializeSemaphore, KeReleaseSemaphore } from "../ke/semaphore.ts";
import type { Kernel } from "../kernel.ts";
import { ObjectBody } from "../rtl/body.ts";
import { newObjectId } from "../sim/identity.ts";

/** `LPC_*` message types. */
const LpcMessageType = {
  Request: 1,
  Reply: 2,
  Datagram: 3,
  LostReply: 4,
  PortClosed: 5,
  ClientDied: 6,
} as const;

/** `PORT_MESSAGE` and its data; lengths in bytes as on i386. */
export interface LpcMessage {
  readonly type: number;
  readonly totalLength: number;
  readonly dataLength: number;
  readonly dataInfoOffset: number;
  readonly clientId: { readonly pid: number; readonly tid: number };
  readonly messageId: number;
  readonly clientViewSize: number;
  /** CLIENT_DIED: when the client thread was created, 100 ns since boot. */
  readonly createTime: number;
}

const TAG_LPC_MESSAGE = "LpcM";
const HEADER_BYTES = 24;
const CREATE_TIME_BYTES = 8;

/** A queued message and the pool block that it is accounted to. */
export interface QueuedLpcMessage {
  readonly message: LpcMessage;
  readonly block: PoolBlock;
}

/** A port; messages to a client port queue at its connection port. */
export class LpcPort extends ObjectBody {
  /** Null once the other side has gone. */
  connectionPort: LpcPort | null = null;
  readonly messages: QueuedLpcMessage[] = [];
  /** Counts the queued messages. */
  readonly semaphore: KSemaphore;

  constructor(id: number, semaphore: KSemaphore) {
    super(id);
    this.semaphore = semaphore;
  }
}

/** A connection port, without a name yet. */
export function newConnectionPort(k: Kernel): LpcPort {
  const port = new LpcPort(newObjectId(k), KeInitializeSemaphore(k, 0, 0x7fffffff));
  port.connectionPort = port;
  return port;
}

/** What LPC keeps for a thread. */
export interface LpcThreadState {
  exitCalled: boolean;
  replyMessageId: number;
  replyMessage: QueuedLpcMessage | null;
}

export function newLpcThreadState(): LpcThreadState {
  return { exitCalled: false, replyMessageId: 0, replyMessage: null };
}

/** The notice that a client thread has died. */
export function newClientDiedMessage(clientId: { pid: number; tid: number }, createTime: number): LpcMessage {
  return {
    type: LpcMessageType.ClientDied,
    totalLength: HEADER_BYTES + CREATE_TIME_BYTES,
    dataLength: CREATE_TIME_BYTES,
    dataInfoOffset: 0,
    clientId,
    messageId: 0,
    clientViewSize: 0,
    createTime,
  };
}

/**
 * Sends a message that expects no answer.
 * @returns INVALID_PARAMETER, PORT_MESSAGE_TOO_LONG, NO_MEMORY, PORT_DISCONNECTED or SUCCESS
 */
export function LpcRequestPort(k: Kernel, port: LpcPort, message: LpcMessage): NtStatus {
  if (message.type < LpcMessageType.Datagram || message.type > LpcMessageType.ClientDied)
    return STATUS_INVALID_PARAMETER;
  if (message.dataInfoOffset !== 0) return STATUS_INVALID_PARAMETER;
  const tooLong = message.totalLength > k.lpc.maximumMessageBytes || message.totalLength <= message.dataLength;
  if (tooLong) return STATUS_PORT_MESSAGE_TOO_LONG;
  const block = ExAllocatePoolWithTag(k, message.totalLength, TAG_LPC_MESSAGE);
  if (block === null) return STATUS_NO_MEMORY;
  const queue = port.connectionPort;
  if (queue === null) {
    ExFreePoolWithTag(k, block, TAG_LPC_MESSAGE);
    return STATUS_PORT_DISCONNECTED;
  }
  queue.messages.push({ message: { ...message, messageId: ++k.lpc.lastMessageId }, block });
  KeReleaseSemaphore(k, queue.semaphore, 1, 1);
  return STATUS_SUCCESS;
}

/** Frees a message that was taken from a queue. */
export function freeLpcMessage(k: Kernel, queued: QueuedLpcMessage): void {
  ExFreePoolWithTag(k, queued.block, TAG_LPC_MESSAGE);
}
