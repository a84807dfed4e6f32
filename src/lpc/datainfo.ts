/**
 * Memory that a request offers to the server (`PORT_DATA_INFORMATION`). The server may read and write it until it has
 * replied, because so long the client waits.
 */
import { PORT_DATA_INFORMATION, PORT_MESSAGE, STATUS_REPLY_MESSAGE_MISMATCH } from "../abi/lpc.ts";
import {
  failure,
  type NtResult,
  STATUS_INVALID_CID,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { KeGetCurrentProcess } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { MmCopyVirtualMemory } from "../mm/copy.ts";
import { MmProcess } from "../mm/process.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import type { PortMessage } from "./message.ts";
import { type LpcPort, referencePort } from "./port.ts";
import { awaitsReplyThrough } from "./reply.ts";
import { homeProcess } from "./thread.ts";

/** A range of the client's memory. */
export interface DataRange {
  readonly base: number;
  readonly size: number;
}

/** The ranges that a message names; they are data of the sender's and mean nothing yet. @returns INVALID_PARAMETER */
export function readDataRanges(message: PortMessage): NtResult<readonly DataRange[]> {
  if (message.dataInfoOffset === 0) return success([]);
  const { count, entries, entryBytes } = PORT_DATA_INFORMATION;
  const at = message.dataInfoOffset - PORT_MESSAGE.bytes;
  const { data } = message;
  if (at < 0 || at % 4 !== 0 || at + entries > data.length) return failure(STATUS_INVALID_PARAMETER);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const number = view.getUint32(at + count, true);
  if (number > (data.length - at - entries) / entryBytes) return failure(STATUS_INVALID_PARAMETER);
  return success(
    Array.from({ length: number }, (_, index) => {
      const entry = at + entries + entryBytes * index;
      return { base: view.getUint32(entry, true), size: view.getUint32(entry + 4, true) };
    }),
  );
}

/** Which range of which request, and where its bytes go or come from in the current process. */
export interface DataRequest {
  /** The request as the server received it. */
  readonly message: PortMessage;
  readonly index: number;
  readonly buffer: number;
  readonly length: number;
}

/** Reads what a request offers. @returns bytes read; INVALID_PARAMETER, INVALID_CID, REPLY_MESSAGE_MISMATCH, those of the copy */
export function NtReadRequestData(k: Kernel, handle: number, request: DataRequest): Blocking<NtResult<number>> {
  return copyRequestData(k, handle, request, { write: false });
}

/** Writes into what a request offers. @returns bytes written; as {@link NtReadRequestData} */
export function NtWriteRequestData(k: Kernel, handle: number, request: DataRequest): Blocking<NtResult<number>> {
  return copyRequestData(k, handle, request, { write: true });
}

function* copyRequestData(
  k: Kernel,
  handle: number,
  request: DataRequest,
  direction: { readonly write: boolean },
): Blocking<NtResult<number>> {
  const port = referencePort(k, handle);
  if (!port.ok) return port;
  const copied = copyRange(k, port.value, request, direction);
  yield* ObDereferenceObject(k, port.value);
  return copied;
}

function copyRange(
  k: Kernel,
  port: LpcPort,
  { message, index, buffer, length }: DataRequest,
  direction: { readonly write: boolean },
): NtResult<number> {
  const client = k.lpc.upcalls.lookupThread(k, message.clientId);
  if (client === null) return failure(STATUS_INVALID_CID);
  if (!awaitsReplyThrough(client, port, message.messageId)) return failure(STATUS_REPLY_MESSAGE_MISMATCH);
  const range = client.lpc.dataRanges[index];
  if (range === undefined) return failure(STATUS_INVALID_PARAMETER);
  const theirs = { process: memoryOf(homeProcess(client)), address: range.base };
  const ours = { process: memoryOf(KeGetCurrentProcess(k)), address: buffer };
  const [from, to] = direction.write ? [ours, theirs] : [theirs, ours];
  const { status, bytes } = MmCopyVirtualMemory(k, from, to, Math.min(length, range.size));
  return status === STATUS_SUCCESS ? success(bytes) : failure(status);
}

function memoryOf(process: object): MmProcess {
  assert(process instanceof MmProcess, "every process is memory management's");
  return process;
}
