/** System services on I/O completion ports. */
import {
  type NtResult,
  type NtStatus,
  ntStatus,
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
  success,
} from "../../abi/status.ts";
import type { CompletionPacket } from "../../io/completionport.ts";
import {
  NtCreateIoCompletion,
  NtOpenIoCompletion,
  NtQueryIoCompletion,
  NtRemoveIoCompletion,
  NtRemoveIoCompletionEx,
  NtSetIoCompletion,
} from "../../io/completionservice.ts";
import type { Kernel } from "../../kernel.ts";
import type { UserMemory } from "../../mm/usermemory.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { answerQuery, capture, Encoder, readTimeout } from "../capture.ts";
import { createByAttributes, openByAttributes } from "../create.ts";
import type { NtService, ServiceArguments } from "../table.ts";

const PACKET_BYTES = 16;
const MAXIMUM_PACKETS = 4096;

function* remove(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, keyPointer = 0, contextPointer = 0, statusBlock = 0, timeoutPointer = 0] = a;
  const user = capture(k);
  for (const pointer of [keyPointer, contextPointer, statusBlock, statusBlock + 4]) {
    user.writeU32(pointer, user.readU32(pointer));
  }
  const timeout = readTimeout(k, user, timeoutPointer);
  if (user.faulted) return user.status;
  const removed = yield* NtRemoveIoCompletion(k, handle, timeout);
  if (!removed.ok) return removed.status;
  const { key, apcContext, status, information } = removed.value;
  const out = capture(k);
  out.writeU32(keyPointer, key);
  out.writeU32(contextPointer, apcContext);
  out.writeU32(statusBlock, status);
  out.writeU32(statusBlock + 4, information);
  return out.faulted ? out.status : STATUS_SUCCESS;
}

function* removeMany(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, buffer = 0, count = 0, countPointer = 0, timeoutPointer = 0, alertable = 0] = a;
  if (count === 0 || count > MAXIMUM_PACKETS) return STATUS_INVALID_PARAMETER;
  const user = capture(k);
  user.probeWrite(buffer, PACKET_BYTES * count);
  user.writeU32(countPointer, user.readU32(countPointer));
  const timeout100ns = readTimeout(k, user, timeoutPointer);
  if (user.faulted) return user.status;
  const args = { count, timeout100ns, alertable: (alertable & 0xff) !== 0 };
  const removed: NtResult<CompletionPacket[]> = yield* NtRemoveIoCompletionEx(k, handle, args);
  if (!removed.ok) return removed.status;
  const out = capture(k);
  for (const [index, packet] of removed.value.entries()) writePacket(out, buffer + PACKET_BYTES * index, packet);
  out.writeU32(countPointer, removed.value.length);
  return out.faulted ? out.status : STATUS_SUCCESS;
}

/** `FILE_IO_COMPLETION_INFORMATION`. */
function writePacket(out: UserMemory, at: number, packet: CompletionPacket): void {
  out.writeU32(at, packet.key);
  out.writeU32(at + 4, packet.apcContext);
  out.writeU32(at + 8, packet.status);
  out.writeU32(at + 12, packet.information);
}

function set(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, key = 0, apcContext = 0, status = 0, information = 0] = a;
  return NtSetIoCompletion(k, handle, { key, apcContext, status: ntStatus(status), information });
}

function* query(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, informationClass = 0, address = 0, length = 0, returnLength = 0] = a;
  if (informationClass !== 0) return STATUS_INVALID_INFO_CLASS;
  if (length !== 4) return STATUS_INFO_LENGTH_MISMATCH;
  const depth = yield* NtQueryIoCompletion(k, handle);
  const encoded = depth.ok ? success(new Encoder(4).u32(0, depth.value).bytes) : depth;
  return answerQuery(k, { address, length, returnLength }, encoded, STATUS_INFO_LENGTH_MISMATCH);
}

export const completionServices: readonly NtService[] = [
  {
    name: "NtCreateIoCompletion",
    arguments: 4,
    handler: (k, a) =>
      createByAttributes(k, a, (attributes, [, access = 0, , concurrency = 0]) =>
        NtCreateIoCompletion(k, access, attributes, concurrency),
      ),
  },
  { name: "NtOpenIoCompletion", arguments: 3, handler: (k, a) => openByAttributes(k, a, NtOpenIoCompletion) },
  { name: "NtSetIoCompletion", arguments: 5, handler: set },
  { name: "NtRemoveIoCompletion", arguments: 5, handler: remove },
  { name: "NtRemoveIoCompletionEx", arguments: 6, handler: removeMany },
  { name: "NtQueryIoCompletion", arguments: 5, handler: query },
];
