/**
 * The end of a port. A connection port stops with its last handle, a communication port with its last reference; either
 * wakes everybody who would wait for it in vain, and frees what nobody will receive.
 */
import { KernelMode } from "../abi/ke.ts";
import { LpcMessageType } from "../abi/lpc.ts";
import { STATUS_NO_MEMORY } from "../abi/status.ts";
import { KeDelayExecutionThread } from "../ke/wait.ts";
import type { Kernel } from "../kernel.ts";
import { currentObProcess, type ObProcess } from "../ob/process.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { firstOf } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { wakeClient } from "./connection.ts";
import { LpcpFreeToPortZone, type LpcpMessage, newClientDiedMessage } from "./message.ts";
import type { LpcPort } from "./port.ts";
import { drainQueue } from "./queue.ts";
import { wakeFromCall } from "./reply.ts";
import { LpcRequestPort } from "./send.ts";
import { unmapViews } from "./view.ts";

/** Close procedure: with its last handle a connection port takes no more connections. */
// eslint-disable-next-line require-yield
export function* LpcpClosePort(
  k: Kernel,
  _process: ObProcess,
  port: LpcPort,
  _grantedAccess: number,
  _processHandleCount: number,
  systemHandleCount: number,
): Blocking<void> {
  if (port.kind === "connection" && systemHandleCount === 1) LpcpDestroyPortQueue(k, port);
}

/** Delete procedure: a client's port tells the server, then the port lets go of everything. */
export function* LpcpDeletePort(k: Kernel, port: LpcPort): Blocking<void> {
  if (port.kind === "client") yield* sendPortClosed(k, port);
  const { pendingConnection: pending, connectedPort: peer } = port;
  if (pending !== null) {
    // A server that goes before it has completed the connection has refused it.
    port.pendingConnection = null;
    pending.accepted = false;
    wakeClient(k, pending);
  }
  LpcpDestroyPortQueue(k, port);
  if (peer !== null && peer !== port) yield* dropConnectionPort(k, peer);
  yield* unmapViews(k, port);
  const token = port.security?.token ?? null;
  port.security = null;
  if (token !== null) yield* ObDereferenceObject(k, token);
  yield* dropConnectionPort(k, port);
}

/** Tries again while there is no memory, as long as a dying thread does (D18). */
const MAXIMUM_NOTICE_TRIES = 100;
const SHORT_TIME_100NS = 1_000_000;

function* sendPortClosed(k: Kernel, port: LpcPort): Blocking<void> {
  for (let tries = 0; tries < MAXIMUM_NOTICE_TRIES && port.connectedPort !== null; tries++) {
    const createTime = k.lpc.upcalls.processCreateTime(currentObProcess(k));
    const message = newClientDiedMessage(LpcMessageType.PortClosed, createTime);
    if (LpcRequestPort(k, port, message) !== STATUS_NO_MEMORY) return;
    yield* KeDelayExecutionThread(k, { mode: KernelMode, alertable: false, timeout100ns: SHORT_TIME_100NS });
  }
}

/** Parts the port from its peer, wakes who waits for it, and frees what lies in its queue. */
function LpcpDestroyPortQueue(k: Kernel, port: LpcPort): void {
  const peer = port.connectedPort;
  port.connectedPort = null;
  if (peer !== null && peer !== port) peer.connectedPort = null;
  if (port.kind === "connection") port.nameDeleted = true;
  for (let thread = firstOf(port.replyChainHead); thread !== null; thread = firstOf(port.replyChainHead)) {
    wakeFromCall(k, thread);
  }
  for (const message of drainQueue(port)) dropMessage(k, message);
}

/** Frees a message that nobody will receive. Who waits for the reply may have asked through a port that stays. */
function dropMessage(k: Kernel, message: LpcpMessage): void {
  // A connection request is its client's, who has been woken.
  if (message.connection !== null) return;
  const { clientId, messageId } = message.message;
  const sender = k.lpc.upcalls.lookupThread(k, clientId);
  if (sender !== null && sender.lpc.replyMessageId === messageId) wakeFromCall(k, sender);
  LpcpFreeToPortZone(k, message);
}

/** A port without a peer has nothing to do with its connection port. */
function* dropConnectionPort(k: Kernel, port: LpcPort): Blocking<void> {
  const { connectionPort } = port;
  port.connectionPort = null;
  if (connectionPort !== null && connectionPort !== port) yield* ObDereferenceObject(k, connectionPort);
}
