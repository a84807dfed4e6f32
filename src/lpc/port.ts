/**
 * Ports. A server makes a connection port with a name; a connection has a communication port on either side. What a
 * client sends queues at the connection port, what a server sends queues at the client's port.
 *
 * Invariants: a communication port refers to its connection port until its peer goes; peers know each other without a
 * reference, and the one that is deleted first clears the other's pointer.
 */
import { PORT_MAXIMUM_CONNECTION_INFORMATION, PORT_MAXIMUM_MESSAGE_LENGTH } from "../abi/lpc.ts";
import { type NtResult, STATUS_OBJECT_TYPE_MISMATCH } from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import { KeInitializeEvent } from "../ke/event.ts";
import type { KEvent, KSemaphore } from "../ke/objects.ts";
import { KeInitializeSemaphore } from "../ke/semaphore.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObjectByHandle } from "../ob/handle.ts";
import type { ObProcess } from "../ob/process.ts";
import { ObjectBody } from "../rtl/body.ts";
import { type ListEntry, listHead } from "../rtl/list.ts";
import { newObjectId } from "../sim/identity.ts";
import type { LpcConnection } from "./connection.ts";
import type { LpcpMessage } from "./message.ts";
import type { LpcSecurity } from "./security.ts";
import type { LpcThread } from "./thread.ts";
import type { PortMapping } from "./view.ts";

/** `LPCP_PORT_TYPE_MASK`. An unconnected port has no name: whoever has a handle talks to whoever else has one. */
export type PortKind = "connection" | "unconnected" | "client" | "server";

/** Most messages in a queue; a semaphore counts them. */
const MAXIMUM_MESSAGES = 0x7fffffff;

interface PortInit {
  readonly kind: PortKind;
  readonly maxMessageLength: number;
  readonly maxConnectionInfoLength: number;
  readonly semaphore: KSemaphore;
  readonly waitEvent: KEvent | null;
}

export class LpcPort extends ObjectBody {
  readonly kind: PortKind;
  /** Most bytes of a message with its header. */
  readonly maxMessageLength: number;
  /** Most bytes of information in a connection request; longer information is cut off. */
  readonly maxConnectionInfoLength: number;
  /** Referenced, unless it is this port; null once the peer has gone. */
  connectionPort: LpcPort | null = null;
  /** The other side, unreferenced; null before and after the connection. An unconnected port is its own. */
  connectedPort: LpcPort | null = null;
  /** Messages for this port, oldest first. */
  readonly receiveHead: ListEntry<LpcpMessage> = listHead();
  /** Counts the queued messages. */
  readonly semaphore: KSemaphore;
  /** What waiters for the port wait for; null for a port that cannot be waited for. */
  readonly waitEvent: KEvent | null;
  /** Threads that wait for a reply or a connection that only this port can bring. */
  readonly replyChainHead: ListEntry<LpcThread> = listHead();
  /** `LPCP_NAME_DELETED`: nobody can receive from this connection port any more. */
  nameDeleted = false;
  /** Of a server's port: what comes with each message of its client. */
  portContext = 0;
  /** Of a connection port: who may accept. Only compared. */
  serverProcess: ObProcess | null = null;
  /** Of a server's port: the client that waits for `NtCompleteConnectPort`. */
  pendingConnection: LpcConnection | null = null;
  /** Of a client's port: whom the server may impersonate. */
  security: LpcSecurity | null = null;
  /** Views that go with the port. */
  readonly mappings: PortMapping[] = [];

  constructor(id: number, init: PortInit) {
    super(id);
    this.kind = init.kind;
    this.maxMessageLength = init.maxMessageLength;
    this.maxConnectionInfoLength = init.maxConnectionInfoLength;
    this.semaphore = init.semaphore;
    this.waitEvent = init.waitEvent;
  }
}

/** A port that is no object yet and belongs to no connection. */
export function newPort(
  k: Kernel,
  kind: PortKind,
  options: {
    readonly maxMessageLength?: number;
    readonly maxConnectionInfoLength?: number;
    readonly waitable?: boolean;
  } = {},
): LpcPort {
  const port = new LpcPort(newObjectId(k), {
    kind,
    maxMessageLength: options.maxMessageLength ?? PORT_MAXIMUM_MESSAGE_LENGTH,
    maxConnectionInfoLength: options.maxConnectionInfoLength ?? PORT_MAXIMUM_CONNECTION_INFORMATION,
    semaphore: KeInitializeSemaphore(k, 0, MAXIMUM_MESSAGES),
    waitEvent: options.waitable === true ? KeInitializeEvent(k, "notification", false) : null,
  });
  if (kind === "connection" || kind === "unconnected") port.connectionPort = port;
  if (kind === "unconnected") port.connectedPort = port;
  return port;
}

/** The port of a handle, waitable or not, referenced. @returns INVALID_HANDLE, OBJECT_TYPE_MISMATCH, ACCESS_DENIED */
export function referencePort(k: Kernel, handle: number, access = 0): NtResult<LpcPort> {
  const mode = KeGetPreviousMode(k);
  const { portType, waitablePortType } = k.lpc;
  const port = ObReferenceObjectByHandle<LpcPort>(k, handle, access, portType, mode);
  if (port.ok || port.status !== STATUS_OBJECT_TYPE_MISMATCH) return port;
  return ObReferenceObjectByHandle<LpcPort>(k, handle, access, waitablePortType, mode);
}
