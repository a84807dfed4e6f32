/**
 * The services of I/O completion ports: they look up handles and check access; the queue itself is `completionport.ts`.
 * A port is referenced for as long as a service works on it.
 */
import { failure, type NtResult, type NtStatus, STATUS_INVALID_PARAMETER, success } from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import { KeRemoveQueue } from "../ke/queue.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import type { InsertedObject } from "../ob/insert.ts";
import type { ObjectAttributes } from "../ob/lookup.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { actOnObject, createObject, openObject } from "../ob/service.ts";
import type { ObjectType } from "../ob/type.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import { newObjectId } from "../sim/identity.ts";
import {
  type CompletionPacket,
  IO_COMPLETION_MODIFY_STATE,
  IO_COMPLETION_QUERY_STATE,
  IoCompletionPort,
  IoSetIoCompletion,
  openPacket,
} from "./completionport.ts";

/** The IoCompletion object type. */
function IoCompletionObjectType(k: Kernel): ObjectType {
  assert(k.io.completionType !== null, "IoInitSystem runs before the first completion port is made");
  return k.io.completionType;
}

/**
 * Makes a port.
 * @param concurrency threads that may run at a time; 0 means one for each processor
 */
export function NtCreateIoCompletion(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes | null,
  concurrency: number,
): Blocking<NtResult<InsertedObject>> {
  const port = new IoCompletionPort(newObjectId(k), concurrency === 0 ? k.ke.prcbs.length : concurrency);
  return createObject(k, IoCompletionObjectType(k), port, desiredAccess, attributes);
}

export function NtOpenIoCompletion(
  k: Kernel,
  desiredAccess: number,
  attributes: ObjectAttributes,
): Blocking<NtResult<number>> {
  return openObject(k, IoCompletionObjectType(k), desiredAccess, attributes);
}

/** Posts a packet. */
export function* NtSetIoCompletion(k: Kernel, handle: number, packet: CompletionPacket): Blocking<NtStatus> {
  const { key, apcContext, status, information } = packet;
  const posted = yield* onPort(k, handle, IO_COMPLETION_MODIFY_STATE, (port) =>
    success(IoSetIoCompletion(k, port, key, apcContext, status, information)),
  );
  return posted.ok ? posted.value : posted.status;
}

/** The number of packets that nobody took yet. */
export function NtQueryIoCompletion(k: Kernel, handle: number): Blocking<NtResult<number>> {
  return onPort(k, handle, IO_COMPLETION_QUERY_STATE, (port) => success(port.signalState));
}

function onPort<R>(
  k: Kernel,
  handle: number,
  access: number,
  act: (port: IoCompletionPort) => NtResult<R>,
): Blocking<NtResult<R>> {
  return actOnObject<IoCompletionPort, R>(k, IoCompletionObjectType(k), handle, access, act);
}

/** Takes one packet.
 * @param timeout100ns null waits for ever
 * @returns TIMEOUT, or USER_APC if the thread is to die
 */
export function* NtRemoveIoCompletion(
  k: Kernel,
  handle: number,
  timeout100ns: number | null,
): Blocking<NtResult<CompletionPacket>> {
  const removed = yield* NtRemoveIoCompletionEx(k, handle, { count: 1, timeout100ns, alertable: false });
  if (!removed.ok) return removed;
  const [packet] = removed.value;
  assert(packet !== undefined, "a removal that succeeds has a packet");
  return success(packet);
}

/** Arguments of {@link NtRemoveIoCompletionEx}. */
export interface RemoveArguments {
  /** Packets at most. */
  readonly count: number;
  readonly timeout100ns: number | null;
  readonly alertable: boolean;
}

/** Takes up to `count` packets; waits only for the first. */
export function* NtRemoveIoCompletionEx(
  k: Kernel,
  handle: number,
  args: RemoveArguments,
): Blocking<NtResult<CompletionPacket[]>> {
  if (args.count === 0) return failure(STATUS_INVALID_PARAMETER);
  const type = IoCompletionObjectType(k);
  const mode = KeGetPreviousMode(k);
  const port = ObReferenceObjectByHandle<IoCompletionPort>(k, handle, IO_COMPLETION_MODIFY_STATE, type, mode);
  if (!port.ok) return port;
  const result = yield* removePackets(k, port.value, args);
  yield* ObDereferenceObject(k, port.value);
  return result;
}

function* removePackets(
  k: Kernel,
  port: IoCompletionPort,
  args: RemoveArguments,
): Blocking<NtResult<CompletionPacket[]>> {
  const mode = KeGetPreviousMode(k);
  const packets: CompletionPacket[] = [];
  while (packets.length < args.count) {
    const timeout100ns = packets.length === 0 ? args.timeout100ns : 0;
    const taken = yield* KeRemoveQueue(k, port, { mode, alertable: args.alertable, timeout100ns });
    if (taken.item === null) return packets.length > 0 ? success(packets) : failure(taken.status);
    const packet = openPacket(k, taken.item);
    assert(packet !== null, "a completion port holds packets only");
    packets.push(packet);
  }
  return success(packets);
}
