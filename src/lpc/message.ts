/**
 * Messages. What a sender gives is copied into a block of the kernel's pool (`LPCP_MESSAGE`) and never referenced again;
 * every field of a message that the kernel makes is filled, so nothing of the kernel's memory reaches a server (D17).
 *
 * Invariants: a block is freed exactly once, by whoever took the message off its queue or out of its thread; what a
 * message was charged to stays until then.
 */
import { PORT_MESSAGE } from "../abi/lpc.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_NO_MEMORY,
  STATUS_PORT_MESSAGE_TOO_LONG,
  STATUS_QUOTA_EXCEEDED,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { ExAllocatePoolWithTag, ExFreePoolWithTag, type PoolBlock } from "../ex/pool.ts";
import { chargeQuota, dereferenceQuotaBlock, type QuotaBlock, referenceQuotaBlock, returnQuota } from "../ex/quota.ts";
import type { Kernel } from "../kernel.ts";
import { ListEntry } from "../rtl/list.ts";
import type { LpcConnection } from "./connection.ts";

/** `PORT_MESSAGE` and the data behind it. Lengths in bytes as on i386. */
export interface PortMessage {
  readonly type: number;
  /** Header and data, and whatever the sender wants counted beside them. */
  readonly totalLength: number;
  readonly dataLength: number;
  /** Offset of `PORT_DATA_INFORMATION` from the start of the message; 0 without one. */
  readonly dataInfoOffset: number;
  /** The sender. */
  readonly clientId: { readonly pid: number; readonly tid: number };
  readonly messageId: number;
  /** Of a connection request: bytes of the client's view. */
  readonly clientViewSize: number;
  /** `dataLength` bytes, unless that is more than any port takes. */
  readonly data: Uint8Array;
}

/** `LPCP_MESSAGE`: a message in the kernel. */
export class LpcpMessage {
  /** In the queue of a port. */
  readonly entry: ListEntry<LpcpMessage> = new ListEntry<LpcpMessage>(this);
  readonly message: PortMessage;
  readonly block: PoolBlock;
  readonly quota: QuotaBlock | null;
  /** What the server gave the connection that the message came through. */
  readonly portContext: number;
  /** Of a connection request, which belongs to the thread that connects. */
  readonly connection: LpcConnection | null;

  constructor(
    message: PortMessage,
    charge: { readonly block: PoolBlock; readonly quota: QuotaBlock | null },
    origin: { readonly portContext: number; readonly connection: LpcConnection | null },
  ) {
    this.message = message;
    this.block = charge.block;
    this.quota = charge.quota;
    this.portContext = origin.portContext;
    this.connection = origin.connection;
  }
}

const TAG_LPC_MESSAGE = "LpcM";
/** All messages come from one zone of blocks that hold the largest. */
export const LPCP_MESSAGE_BYTES = 0x160;

/** Pool for one message, and the quota that it was charged to. */
export interface MessageBlock {
  readonly block: PoolBlock;
  readonly quota: QuotaBlock | null;
}

/**
 * Pool for one message.
 * @param quota of the sender; null for what the kernel itself sends
 * @returns NO_MEMORY or QUOTA_EXCEEDED
 */
export function LpcpAllocateFromPortZone(k: Kernel, quota: QuotaBlock | null): NtResult<MessageBlock> {
  if (quota !== null && !chargeQuota(quota, "poolBytes", LPCP_MESSAGE_BYTES)) return failure(STATUS_QUOTA_EXCEEDED);
  const block = ExAllocatePoolWithTag(k, LPCP_MESSAGE_BYTES, TAG_LPC_MESSAGE);
  if (block === null) {
    if (quota !== null) returnQuota(quota, "poolBytes", LPCP_MESSAGE_BYTES);
    return failure(STATUS_NO_MEMORY);
  }
  // The message may outlive its sender, and what it was charged to must not go before it is returned.
  if (quota !== null) referenceQuotaBlock(quota);
  return success({ block, quota });
}

/** Frees a message that is in no queue. */
export function LpcpFreeToPortZone(k: Kernel, message: MessageBlock): void {
  ExFreePoolWithTag(k, message.block, TAG_LPC_MESSAGE);
  if (message.quota === null) return;
  returnQuota(message.quota, "poolBytes", LPCP_MESSAGE_BYTES);
  dereferenceQuotaBlock(message.quota);
}

/** The lengths that a sender states, against what the port carries. @returns PORT_MESSAGE_TOO_LONG */
export function checkLengths(message: PortMessage, maximumMessageBytes: number): NtStatus {
  const { totalLength, dataLength } = message;
  if (totalLength > maximumMessageBytes || totalLength <= dataLength) return STATUS_PORT_MESSAGE_TOO_LONG;
  return STATUS_SUCCESS;
}

/** A message with these data and without a sender yet. */
export function newPortMessage(type: number, data: Uint8Array): PortMessage {
  return {
    type,
    totalLength: PORT_MESSAGE.bytes + data.length,
    dataLength: data.length,
    dataInfoOffset: 0,
    clientId: { pid: 0, tid: 0 },
    messageId: 0,
    clientViewSize: 0,
    data,
  };
}

/** `CLIENT_DIED_MSG`: a header and a time of creation. Sent for threads, and, as PORT_CLOSED, for ports. */
export function newClientDiedMessage(type: number, createTime: bigint): PortMessage {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setBigUint64(0, BigInt.asUintN(64, createTime), true);
  return newPortMessage(type, data);
}
