/** Connecting: the server's half. Accepting makes the server's port, completing lets the client go on. */
import { STATUS_INVALID_PORT_HANDLE, STATUS_REPLY_MESSAGE_MISMATCH } from "../abi/lpc.ts";
import { PORT_ALL_ACCESS } from "../abi/ps.ts";
import {
  failure,
  NT_SUCCESS,
  type NtResult,
  type NtStatus,
  STATUS_INVALID_CID,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
  success,
} from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { ObCreateObject } from "../ob/create.ts";
import { ObInsertObject } from "../ob/insert.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import type { Blocking } from "../sim/blocking.ts";
import { type LpcConnection, wakeClient } from "./connection.ts";
import type { PortMessage } from "./message.ts";
import { type LpcPort, newPort, referencePort } from "./port.ts";
import { currentLpcThread, homeProcess } from "./thread.ts";
import { type MappedPortView, mapForPort, type PortViewRequest, referenceSharedSection } from "./view.ts";

/** What the server decides. */
export interface AcceptRequest {
  /** Comes with every message of the client; 0 for the handle of the server's port. */
  readonly portContext: number;
  /** The connection request, with what the client is to be told as its data. */
  readonly reply: PortMessage;
  readonly accept: boolean;
  /** What the server shares with the client, or null. */
  readonly serverView: PortViewRequest | null;
}

/** What the server has of the connection. */
export interface AcceptedPort {
  /** 0 for a connection that was refused. */
  readonly handle: number;
  /** The server's section: where it lies here and in the client. */
  readonly serverView: (MappedPortView & { readonly remoteBase: number }) | null;
  /** The client's section here. */
  readonly clientView: MappedPortView | null;
}

const NOTHING: AcceptedPort = { handle: 0, serverView: null, clientView: null };

/**
 * Accepts or refuses a connection. A server that fails to accept has refused.
 * @returns INVALID_CID for a client that is none; REPLY_MESSAGE_MISMATCH if it does not wait for this process to answer;
 *   INSUFFICIENT_RESOURCES; errors of the sections and their mappings, and of making the handle
 */
export function* NtAcceptConnectPort(k: Kernel, request: AcceptRequest): Blocking<NtResult<AcceptedPort>> {
  const taken = takeConnection(k, request.reply);
  if (!taken.ok) return taken;
  const connection = taken.value;
  connection.information = request.reply.data.slice(0, connection.clientPort.maxConnectionInfoLength);
  if (!request.accept) {
    wakeClient(k, connection);
    return success(NOTHING);
  }
  // The client may give up while the server works; its port stays.
  const { clientPort } = connection;
  ObReferenceObject(clientPort);
  const accepted = yield* acceptConnection(k, connection, request);
  if (!accepted.ok) wakeClient(k, connection);
  yield* ObDereferenceObject(k, clientPort);
  return accepted;
}

/** Finds the client, so that nobody else finds it. */
function takeConnection(k: Kernel, reply: PortMessage): NtResult<LpcConnection> {
  const client = k.lpc.upcalls.lookupThread(k, reply.clientId);
  if (client === null) return failure(STATUS_INVALID_CID);
  const { connection } = client.lpc;
  if (connection === null || connection.messageId !== reply.messageId) return failure(STATUS_REPLY_MESSAGE_MISMATCH);
  const own = connection.connectionPort.serverProcess === homeProcess(currentLpcThread(k));
  if (!own || !connection.waiting) return failure(STATUS_REPLY_MESSAGE_MISMATCH);
  client.lpc.connection = null;
  return success(connection);
}

function* acceptConnection(
  k: Kernel,
  connection: LpcConnection,
  request: AcceptRequest,
): Blocking<NtResult<AcceptedPort>> {
  const { connectionPort } = connection;
  const { maxMessageLength, maxConnectionInfoLength } = connectionPort;
  const port = newPort(k, "server", { maxMessageLength, maxConnectionInfoLength });
  const created = ObCreateObject(k, k.lpc.portType, port);
  if (!NT_SUCCESS(created)) return failure(created);
  ObReferenceObject(connectionPort);
  port.connectionPort = connectionPort;
  const views = yield* mapViews(k, connection, port, request.serverView);
  if (!views.ok) {
    yield* ObDereferenceObject(k, port);
    return views;
  }
  // The handle may be closed by another thread as soon as it is made.
  ObReferenceObject(port);
  const options = { desiredAccess: PORT_ALL_ACCESS, attributes: 0, mode: KeGetPreviousMode(k) };
  const inserted = yield* ObInsertObject(k, port, options);
  const accepted: NtResult<AcceptedPort> = inserted.ok
    ? success({ handle: inserted.value.handle, ...views.value })
    : inserted;
  if (inserted.ok) joinPorts(connection, port, request.portContext === 0 ? inserted.value.handle : request.portContext);
  yield* ObDereferenceObject(k, port);
  return accepted;
}

type Views = Omit<AcceptedPort, "handle">;

/** Maps the client's section into the server, and the server's into both. */
function* mapViews(
  k: Kernel,
  connection: LpcConnection,
  port: LpcPort,
  wanted: PortViewRequest | null,
): Blocking<NtResult<Views>> {
  const client = mapClientView(k, connection, port);
  if (!client.ok) return client;
  if (wanted === null) return success({ clientView: client.value, serverView: null });
  const shared = referenceSharedSection(k, wanted);
  if (!shared.ok) return shared;
  const here = mapForPort(k, port, currentLpcThread(k), shared.value);
  const there =
    !here.ok || !connection.waiting ? here : mapForPort(k, connection.clientPort, connection.thread, shared.value);
  yield* ObDereferenceObject(k, shared.value.section);
  if (!here.ok) return here;
  if (!there.ok) return there;
  connection.serverView = there.value;
  return success({ clientView: client.value, serverView: { ...here.value, remoteBase: there.value.base } });
}

/** The section stays while the client waits; once it has given up there is nothing to map. */
function mapClientView(k: Kernel, connection: LpcConnection, port: LpcPort): NtResult<MappedPortView | null> {
  const { section } = connection;
  if (section === null || !connection.waiting) return success(null);
  const mapped = mapForPort(k, port, currentLpcThread(k), section);
  if (mapped.ok) connection.remoteBase = mapped.value.base;
  return mapped;
}

/** Makes the two ports peers. The client still waits, for the completion. */
function joinPorts(connection: LpcConnection, port: LpcPort, portContext: number): void {
  const { clientPort } = connection;
  port.portContext = portContext;
  port.connectedPort = clientPort;
  clientPort.connectedPort = port;
  port.pendingConnection = connection;
  connection.accepted = true;
}

/**
 * Lets the client of an accepted connection go on.
 * @returns INVALID_PORT_HANDLE for a port that is not a server's; INVALID_PARAMETER if that was done before; errors of the handle
 */
export function* NtCompleteConnectPort(k: Kernel, handle: number): Blocking<NtStatus> {
  const port = referencePort(k, handle, PORT_ALL_ACCESS);
  if (!port.ok) return port.status;
  const status = completeConnection(k, port.value);
  yield* ObDereferenceObject(k, port.value);
  return status;
}

function completeConnection(k: Kernel, port: LpcPort): NtStatus {
  if (port.kind !== "server") return STATUS_INVALID_PORT_HANDLE;
  const connection = port.pendingConnection;
  if (connection === null) return STATUS_INVALID_PARAMETER;
  port.pendingConnection = null;
  wakeClient(k, connection);
  return STATUS_SUCCESS;
}
