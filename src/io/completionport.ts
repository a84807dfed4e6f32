/**
 * I/O completion ports: a queue of packets that at most so many threads serve at a time.
 *
 * Invariant: every packet in a queue is charged to the pool, so a guest that posts and never removes runs out of pool
 * and not the host out of memory.
 */
import { type NtStatus, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from "../abi/status.ts";
import { ExAllocatePoolWithTag, ExFreePoolWithTag, type PoolBlock } from "../ex/pool.ts";
import { KQueue, KQueueItem } from "../ke/objects.ts";
import { KeInsertQueue, KeRundownQueue } from "../ke/queue.ts";
import type { Kernel } from "../kernel.ts";

const TAG_COMPLETION_PACKET = "Icp ";
const PACKET_POOL_BYTES = 0x18;

/** `IO_COMPLETION_*` access rights. */
export const IO_COMPLETION_QUERY_STATE = 1;
export const IO_COMPLETION_MODIFY_STATE = 2;
export const IO_COMPLETION_ALL_ACCESS = 0x1f0003;

/** The port is its queue: its signal state is the number of packets, and a wait for it ends when there is one. */
export class IoCompletionPort extends KQueue {}

/** What a completion says (`FILE_IO_COMPLETION_INFORMATION`). */
export interface CompletionPacket {
  readonly key: number;
  readonly apcContext: number;
  readonly status: NtStatus;
  readonly information: number;
}

/** A packet in a queue. */
class QueuedPacket extends KQueueItem {
  readonly packet: CompletionPacket;
  readonly block: PoolBlock;

  constructor(packet: CompletionPacket, block: PoolBlock) {
    super();
    this.packet = packet;
    this.block = block;
  }
}

/**
 * Posts a packet.
 * @irql <= DISPATCH_LEVEL
 * @returns INSUFFICIENT_RESOURCES without pool
 */
export function IoSetIoCompletion(
  k: Kernel,
  port: IoCompletionPort,
  key: number,
  apcContext: number,
  status: NtStatus,
  information: number,
): NtStatus {
  const block = ExAllocatePoolWithTag(k, PACKET_POOL_BYTES, TAG_COMPLETION_PACKET);
  if (block === null) return STATUS_INSUFFICIENT_RESOURCES;
  KeInsertQueue(k, port, new QueuedPacket({ key, apcContext, status, information }, block));
  return STATUS_SUCCESS;
}

/** Takes the packet out of its envelope, whose pool is given back. */
export function openPacket(k: Kernel, item: KQueueItem): CompletionPacket | null {
  if (!(item instanceof QueuedPacket)) return null;
  ExFreePoolWithTag(k, item.block, TAG_COMPLETION_PACKET);
  return item.packet;
}

/** The port goes away with its last reference: its threads leave it and unread packets are lost. */
export function deleteCompletionPort(k: Kernel, port: IoCompletionPort): void {
  for (const item of KeRundownQueue(port)) openPacket(k, item);
}
