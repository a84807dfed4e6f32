/** Connecting: the client's half. The request lies in the connection port's queue until the server has answered it. */
import { LpcMessageType, PORT_CONNECT, STATUS_INVALID_PORT_HANDLE, STATUS_SERVER_SID_MISMATCH } from "../abi/lpc.ts";
import { PORT_ALL_ACCESS } from "../abi/ps.ts";
import {
  failure,
  NT_SUCCESS,
  type NtResult,
  type NtStatus,
  STATUS_OBJECT_NAME_NOT_FOUND,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PORT_CONNECTION_REFUSED,
  STATUS_SUCCESS,
  STATUS_THREAD_IS_TERMINATING,
  success,
} from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { ObCreateObject } from "../ob/create.ts";
import { headerOf } from "../ob/header.ts";
import { ObInsertObject, ObReferenceObjectByName } from "../ob/insert.ts";
import type { ObjectAttributes } from "../ob/lookup.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import type { Sid } from "../se/sid.ts";
import type { Blocking } from "../sim/blocking.ts";
import { LpcConnection } from "./connection.ts";
import { LpcpAllocateFromPortZone, LpcpFreeToPortZone, LpcpMessage, newPortMessage } from "./message.ts";
import { LpcPort, newPort } from "./port.ts";
import { queueMessage, withdrawMessage } from "./queue.ts";
import { beginCall, endCall, waitForCall } from "./reply.ts";
import { captureSecurity, type SecurityQuality } from "./security.ts";
import { LpcpGenerateMessageId } from "./state.ts";
import { clientIdOf, currentLpcThread, homeProcess, type LpcThread } from "./thread.ts";
import { type MappedPortView, mapForPort, type PortViewRequest, referenceSharedSection } from "./view.ts";

/** How to connect. */
export interface ConnectRequest {
  readonly security: SecurityQuality;
  /** What the client shares with the server, or null. */
  readonly clientView: PortViewRequest | null;
  /** For the server to decide by; what is longer than it takes is cut off. */
  readonly information: Uint8Array;
  /** Who the server must run as, or null for anybody. */
  readonly requiredServerSid: Sid | null;
}

/** How it went. A server that refuses may say why, too. */
export interface ConnectAnswer {
  readonly status: NtStatus;
  readonly information: Uint8Array | null;
  readonly connected: ConnectedPort | null;
}

/** What a client has of its connection. */
export interface ConnectedPort {
  readonly handle: number;
  readonly maxMessageLength: number;
  /** The client's section: where it lies here and in the server. */
  readonly clientView: (MappedPortView & { readonly remoteBase: number }) | null;
  /** The server's section here. */
  readonly serverView: MappedPortView | null;
}

/**
 * Connects to a named port and waits until the server has accepted and completed, or refused.
 * @returns PORT_CONNECTION_REFUSED; OBJECT_NAME_NOT_FOUND, also if the server goes meanwhile; INVALID_PORT_HANDLE for a name
 *   that is no connection port's; SERVER_SID_MISMATCH; NO_MEMORY, QUOTA_EXCEEDED, INSUFFICIENT_RESOURCES; USER_APC; errors of
 *   the name, of the section and its mapping, and of making the handle
 */
export function* NtSecureConnectPort(
  k: Kernel,
  name: ObjectAttributes,
  request: ConnectRequest,
): Blocking<ConnectAnswer> {
  const found = yield* referenceConnectionPort(k, name, request);
  if (!found.ok) return refused(found.status);
  const made = yield* createClientPort(k, found.value, request);
  if (!made.ok) {
    yield* ObDereferenceObject(k, found.value);
    return refused(made.status);
  }
  const answer = yield* connectThrough(k, made.value, request);
  // On success the handle refers to the client's port.
  if (answer.connected === null) yield* ObDereferenceObject(k, made.value);
  yield* ObDereferenceObject(k, found.value);
  return answer;
}

function refused(status: NtStatus, information: Uint8Array | null = null): ConnectAnswer {
  return { status, information, connected: null };
}

/** The connection port, referenced. */
function* referenceConnectionPort(
  k: Kernel,
  attributes: ObjectAttributes,
  { requiredServerSid }: ConnectRequest,
): Blocking<NtResult<LpcPort>> {
  const options = { desiredAccess: PORT_CONNECT, mode: KeGetPreviousMode(k), type: null };
  const found = yield* ObReferenceObjectByName<LpcPort>(k, attributes, options);
  if (!found.ok) return found;
  const status = judgeServer(k, found.value, requiredServerSid);
  if (status === STATUS_SUCCESS) return found;
  yield* ObDereferenceObject(k, found.value);
  return failure(status);
}

function judgeServer(k: Kernel, port: LpcPort, required: Sid | null): NtStatus {
  const { type } = headerOf(port);
  if (type !== k.lpc.portType && type !== k.lpc.waitablePortType) return STATUS_OBJECT_TYPE_MISMATCH;
  if (port.kind !== "connection") return STATUS_INVALID_PORT_HANDLE;
  if (required === null) return STATUS_SUCCESS;
  const token = port.serverProcess === null ? null : k.se.upcalls.processToken(port.serverProcess);
  const same =
    token !== null && token.user.length === required.length && token.user.every((byte, at) => byte === required[at]);
  return same ? STATUS_SUCCESS : STATUS_SERVER_SID_MISMATCH;
}

/** The client's port, with the creation reference. */
function* createClientPort(k: Kernel, connectionPort: LpcPort, request: ConnectRequest): Blocking<NtResult<LpcPort>> {
  const thread = currentLpcThread(k);
  if (thread.lpc.exitCalled) return failure(STATUS_THREAD_IS_TERMINATING);
  const { maxMessageLength, maxConnectionInfoLength } = connectionPort;
  const port = newPort(k, "client", { maxMessageLength, maxConnectionInfoLength });
  const created = ObCreateObject(k, k.lpc.portType, port);
  if (!NT_SUCCESS(created)) return failure(created);
  ObReferenceObject(connectionPort);
  port.connectionPort = connectionPort;
  const security = captureSecurity(k, thread, request.security);
  if (!security.ok) {
    yield* ObDereferenceObject(k, port);
    return security;
  }
  port.security = security.value;
  return success(port);
}

/** Maps what the client shares, asks, waits, and takes what the server has answered. */
function* connectThrough(k: Kernel, port: LpcPort, request: ConnectRequest): Blocking<ConnectAnswer> {
  const thread = currentLpcThread(k);
  const { clientView } = request;
  const shared = clientView === null ? null : referenceSharedSection(k, clientView);
  if (shared !== null && !shared.ok) return refused(shared.status);
  const section = shared === null ? null : shared.value;
  const view = section === null ? null : mapForPort(k, port, thread, section);
  let answer: ConnectAnswer;
  if (view !== null && !view.ok) answer = refused(view.status);
  else answer = yield* ask(k, thread, port, { request, section, view: view === null ? null : view.value });
  if (section !== null) yield* ObDereferenceObject(k, section.section);
  return answer;
}

interface Asking {
  readonly request: ConnectRequest;
  readonly section: LpcConnection["section"];
  readonly view: MappedPortView | null;
}

function* ask(k: Kernel, thread: LpcThread, port: LpcPort, asking: Asking): Blocking<ConnectAnswer> {
  const { connectionPort } = port;
  if (connectionPort === null || connectionPort.nameDeleted) return refused(STATUS_OBJECT_NAME_NOT_FOUND);
  const charge = LpcpAllocateFromPortZone(k, homeProcess(thread).quotaBlock);
  if (!charge.ok) return refused(charge.status);
  const messageId = LpcpGenerateMessageId(k);
  const { section, view } = asking;
  const connection = new LpcConnection({ thread, clientPort: port, connectionPort, messageId, section });
  const information = asking.request.information.slice(0, port.maxConnectionInfoLength);
  const message = {
    ...newPortMessage(LpcMessageType.ConnectionRequest, information),
    clientId: clientIdOf(thread),
    messageId,
    clientViewSize: view?.size ?? 0,
  };
  const queued = new LpcpMessage(message, charge.value, { portContext: 0, connection });
  connection.message = queued;
  thread.lpc.connection = connection;
  beginCall(k, thread, { port, rundown: connectionPort, messageId: 0, dataRanges: [] });
  queueMessage(k, connectionPort, queued);
  const status = yield* waitForCall(k, thread);
  endConnecting(thread, connection);
  withdrawMessage(connectionPort, queued);
  LpcpFreeToPortZone(k, queued);
  if (status !== STATUS_SUCCESS) return refused(status);
  return yield* finish(k, port, connection, view);
}

/** From here on the server finds nobody to accept. */
function endConnecting(thread: LpcThread, connection: LpcConnection): void {
  endCall(thread);
  thread.lpc.connection = null;
  connection.waiting = false;
  connection.message = null;
}

function* finish(
  k: Kernel,
  port: LpcPort,
  connection: LpcConnection,
  view: MappedPortView | null,
): Blocking<ConnectAnswer> {
  const { information, connectionPort } = connection;
  if (!connection.accepted) {
    const gone = information === null && connectionPort.nameDeleted;
    return refused(gone ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_PORT_CONNECTION_REFUSED, information);
  }
  const options = { desiredAccess: PORT_ALL_ACCESS, attributes: 0, mode: KeGetPreviousMode(k) };
  // The creation reference goes to the handle or, on failure, away; the caller drops one only on failure.
  ObReferenceObject(port);
  const inserted = yield* ObInsertObject(k, port, options);
  if (!inserted.ok) return refused(inserted.status, information);
  yield* ObDereferenceObject(k, port);
  const { handle } = inserted.value;
  const clientView = view === null ? null : { ...view, remoteBase: connection.remoteBase };
  const { serverView } = connection;
  const connected = { handle, maxMessageLength: port.maxMessageLength, clientView, serverView };
  return { status: STATUS_SUCCESS, information, connected };
}
