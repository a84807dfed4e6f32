/**
 * System services on ports: capture messages, views and names, call LPC, write back. Every place for a result is probed
 * before anything is sent or waited for.
 */
import { PORT_MAXIMUM_CONNECTION_INFORMATION } from "../../abi/lpc.ts";
import { OBJ_CASE_INSENSITIVE } from "../../abi/ob.ts";
import { type NtResult, type NtStatus, STATUS_SUCCESS } from "../../abi/status.ts";
import type { Kernel } from "../../kernel.ts";
import { NtAcceptConnectPort, NtCompleteConnectPort } from "../../lpc/accept.ts";
import { type ConnectAnswer, NtSecureConnectPort } from "../../lpc/connect.ts";
import { NtCreatePort, NtCreateWaitablePort, NtQueryInformationPort, type PortCreation } from "../../lpc/create.ts";
import { type DataRequest, NtReadRequestData, NtWriteRequestData } from "../../lpc/datainfo.ts";
import type { PortMessage } from "../../lpc/message.ts";
import { NtListenPort, NtReplyWaitReceivePortEx } from "../../lpc/receive.ts";
import { NtReplyPort } from "../../lpc/reply.ts";
import { NtReplyWaitReplyPort, NtRequestWaitReplyPort } from "../../lpc/request.ts";
import { NtImpersonateClientOfPort } from "../../lpc/security.ts";
import { NtRequestPort } from "../../lpc/send.ts";
import type { InsertedObject } from "../../ob/insert.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { answer, capture, probeOut, readObjectAttributes, readTimeout, writeOut } from "../capture.ts";
import {
  probeMessage,
  probeRemoteView,
  readMessage,
  readPortView,
  readSecurityQuality,
  readSid,
  writeMessage,
  writePortView,
  writeRemoteView,
} from "../portmessage.ts";
import type { NtService, ServiceArguments } from "../table.ts";

type CreatePort = (k: Kernel, creation: PortCreation) => Blocking<NtResult<InsertedObject>>;

/** `(handle*, attributes*, connection information bytes, message bytes, pool bytes)`; the last is not used. */
function* createPort(k: Kernel, a: ServiceArguments, create: CreatePort): Blocking<NtStatus> {
  const [out = 0, attributesPointer = 0, maxConnectionInfoLength = 0, maxMessageLength = 0] = a;
  const user = capture(k);
  user.writeU32(out, user.readU32(out));
  const attributes = readObjectAttributes(user, attributesPointer);
  if (user.faulted) return user.status;
  if (!attributes.ok) return attributes.status;
  const created = yield* create(k, { attributes: attributes.value, maxConnectionInfoLength, maxMessageLength });
  return answer(k, out, created.ok ? { ok: true, value: created.value.handle } : created);
}

/** Where a connecting client wants to see what. */
interface ConnectPointers {
  readonly out: number;
  readonly name: number;
  readonly quality: number;
  readonly clientView: number;
  readonly sid: number;
  readonly serverView: number;
  readonly maxMessageLength: number;
  readonly information: number;
  readonly informationLength: number;
}

function connect(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [out = 0, name = 0, quality = 0, clientView = 0, serverView = 0] = a;
  const [, , , , , maxMessageLength = 0, information = 0, informationLength = 0] = a;
  const rest = { maxMessageLength, information, informationLength };
  return connectPort(k, { out, name, quality, clientView, sid: 0, serverView, ...rest });
}

function secureConnect(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [out = 0, name = 0, quality = 0, clientView = 0, sid = 0, serverView = 0] = a;
  const [, , , , , , maxMessageLength = 0, information = 0, informationLength = 0] = a;
  const rest = { maxMessageLength, information, informationLength };
  return connectPort(k, { out, name, quality, clientView, sid, serverView, ...rest });
}

const LONGEST_NAME_BYTES = 0xfffe;

function* connectPort(k: Kernel, at: ConnectPointers): Blocking<NtStatus> {
  const user = capture(k);
  user.writeU32(at.out, user.readU32(at.out));
  const security = readSecurityQuality(user, at.quality);
  const clientView = readPortView(user, at.clientView);
  probeRemoteView(user, at.serverView);
  probeOut(user, at.maxMessageLength);
  probeOut(user, at.informationLength);
  const length = at.informationLength === 0 ? 0 : user.readU32(at.informationLength);
  const kept = at.information === 0 ? 0 : Math.min(length, PORT_MAXIMUM_CONNECTION_INFORMATION);
  user.probeWrite(at.information, kept);
  const information = user.readBytes(at.information, kept);
  const requiredServerSid = readSid(user, at.sid);
  const name = user.readUnicodeString(at.name, LONGEST_NAME_BYTES);
  if (user.faulted) return user.status;
  const attributes = { rootDirectory: 0, name, attributes: OBJ_CASE_INSENSITIVE };
  const request = { security, clientView, information, requiredServerSid };
  return writeConnection(k, at, length, yield* NtSecureConnectPort(k, attributes, request));
}

/** A client that is refused gets the server's information, and nothing else. */
function writeConnection(k: Kernel, at: ConnectPointers, room: number, answered: ConnectAnswer): NtStatus {
  const { status, information, connected } = answered;
  const user = capture(k);
  if (information !== null && at.informationLength !== 0) {
    const told = information.subarray(0, at.information === 0 ? 0 : room);
    user.writeBytes(at.information, told);
    user.writeU32(at.informationLength, told.length);
  }
  if (connected !== null) {
    user.writeU32(at.out, connected.handle);
    if (at.maxMessageLength !== 0) user.writeU32(at.maxMessageLength, connected.maxMessageLength);
    writePortView(user, at.clientView, connected.clientView);
    writeRemoteView(user, at.serverView, connected.serverView);
  }
  return status === STATUS_SUCCESS && user.faulted ? user.status : status;
}

function* acceptConnect(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [out = 0, portContext = 0, replyPointer = 0, accept = 0, serverAt = 0, clientAt = 0] = a;
  const user = capture(k);
  user.writeU32(out, user.readU32(out));
  const reply = readMessage(user, replyPointer);
  const serverView = readPortView(user, serverAt);
  probeRemoteView(user, clientAt);
  if (user.faulted) return user.status;
  const request = { portContext, reply, accept: (accept & 0xff) !== 0, serverView };
  const accepted = yield* NtAcceptConnectPort(k, request);
  if (!accepted.ok) return accepted.status;
  const result = capture(k);
  result.writeU32(out, accepted.value.handle);
  writePortView(result, serverAt, accepted.value.serverView);
  writeRemoteView(result, clientAt, accepted.value.clientView);
  return result.faulted ? result.status : STATUS_SUCCESS;
}

/** A service `(handle, message*)` that waits for nothing. */
function withMessage(
  k: Kernel,
  [handle = 0, pointer = 0]: ServiceArguments,
  act: (k: Kernel, handle: number, message: PortMessage) => Blocking<NtStatus>,
): NtStatus | Blocking<NtStatus> {
  const user = capture(k);
  const message = readMessage(user, pointer);
  return user.faulted ? user.status : act(k, handle, message);
}

function* requestWaitReply(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, requestPointer = 0, replyPointer = 0] = a;
  const user = capture(k);
  const request = readMessage(user, requestPointer);
  probeMessage(user, replyPointer);
  if (user.faulted) return user.status;
  return answerMessage(k, replyPointer, yield* NtRequestWaitReplyPort(k, handle, request));
}

/** The reply is overwritten by the answer to it. */
function* replyWaitReply(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, pointer = 0] = a;
  const user = capture(k);
  const reply = readMessage(user, pointer);
  probeMessage(user, pointer);
  if (user.faulted) return user.status;
  return answerMessage(k, pointer, yield* NtReplyWaitReplyPort(k, handle, reply));
}

function* listen(k: Kernel, [handle = 0, pointer = 0]: ServiceArguments): Blocking<NtStatus> {
  const user = capture(k);
  probeMessage(user, pointer);
  if (user.faulted) return user.status;
  return answerMessage(k, pointer, yield* NtListenPort(k, handle));
}

function answerMessage(k: Kernel, pointer: number, result: NtResult<PortMessage>): NtStatus {
  if (!result.ok) return result.status;
  const user = capture(k);
  writeMessage(user, pointer, result.value);
  return user.faulted ? user.status : STATUS_SUCCESS;
}

/** `(handle, context*, reply*, message*)`, and in the extended form a timeout. */
function* replyWaitReceive(k: Kernel, a: ServiceArguments, timeoutPointer: number): Blocking<NtStatus> {
  const [handle = 0, contextPointer = 0, replyPointer = 0, pointer = 0] = a;
  const user = capture(k);
  probeOut(user, contextPointer);
  const reply = replyPointer === 0 ? null : readMessage(user, replyPointer);
  probeMessage(user, pointer);
  const timeout100ns = readTimeout(k, user, timeoutPointer);
  if (user.faulted) return user.status;
  const received = yield* NtReplyWaitReceivePortEx(k, handle, { reply, timeout100ns });
  if (!received.ok) return received.status;
  const { message, portContext } = received.value;
  const written = answerMessage(k, pointer, { ok: true, value: message });
  return written === STATUS_SUCCESS ? writeOut(k, contextPointer, portContext) : written;
}

/** `(handle, message*, index, buffer, length, copied*)`. */
function* requestData(
  k: Kernel,
  a: ServiceArguments,
  copy: (k: Kernel, handle: number, request: DataRequest) => Blocking<NtResult<number>>,
): Blocking<NtStatus> {
  const [handle = 0, messagePointer = 0, index = 0, buffer = 0, length = 0, out = 0] = a;
  const user = capture(k);
  const message = readMessage(user, messagePointer);
  probeOut(user, out);
  if (user.faulted) return user.status;
  return answer(k, out, yield* copy(k, handle, { message, index, buffer, length }));
}

/** `(handle, class, buffer, length, returned*)`: the one class has no data. */
function* queryPort(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, informationClass = 0, , , returned = 0] = a;
  const user = capture(k);
  probeOut(user, returned);
  if (user.faulted) return user.status;
  const status = yield* NtQueryInformationPort(k, handle, informationClass);
  return status === STATUS_SUCCESS ? writeOut(k, returned, 0) : status;
}

export const lpcServices: readonly NtService[] = [
  { name: "NtCreatePort", arguments: 5, handler: (k, a) => createPort(k, a, NtCreatePort) },
  { name: "NtCreateWaitablePort", arguments: 5, handler: (k, a) => createPort(k, a, NtCreateWaitablePort) },
  { name: "NtConnectPort", arguments: 8, handler: connect },
  { name: "NtSecureConnectPort", arguments: 9, handler: secureConnect },
  { name: "NtAcceptConnectPort", arguments: 6, handler: acceptConnect },
  { name: "NtCompleteConnectPort", arguments: 1, handler: (k, [h = 0]) => NtCompleteConnectPort(k, h) },
  { name: "NtListenPort", arguments: 2, handler: listen },
  { name: "NtRequestPort", arguments: 2, handler: (k, a) => withMessage(k, a, NtRequestPort) },
  { name: "NtRequestWaitReplyPort", arguments: 3, handler: requestWaitReply },
  { name: "NtReplyPort", arguments: 2, handler: (k, a) => withMessage(k, a, NtReplyPort) },
  { name: "NtReplyWaitReplyPort", arguments: 2, handler: replyWaitReply },
  { name: "NtReplyWaitReceivePort", arguments: 4, handler: (k, a) => replyWaitReceive(k, a, 0) },
  { name: "NtReplyWaitReceivePortEx", arguments: 5, handler: (k, a) => replyWaitReceive(k, a, a[4] ?? 0) },
  { name: "NtImpersonateClientOfPort", arguments: 2, handler: (k, a) => withMessage(k, a, NtImpersonateClientOfPort) },
  { name: "NtReadRequestData", arguments: 6, handler: (k, a) => requestData(k, a, NtReadRequestData) },
  { name: "NtWriteRequestData", arguments: 6, handler: (k, a) => requestData(k, a, NtWriteRequestData) },
  { name: "NtQueryInformationPort", arguments: 5, handler: queryPort },
];
