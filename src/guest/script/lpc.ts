/**
 * The services of ports as scripted programs call them: `yield* lpc.NtRequestPort(handle, lpcMessage(data))`. Messages are
 * values, and names are full paths. Views, and memory that requests offer, need a machine with memory.
 */
import { LpcMessageType, PORT_MAXIMUM_CONNECTION_INFORMATION, PORT_MAXIMUM_MESSAGE_LENGTH } from "../../abi/lpc.ts";
import { OBJ_CASE_INSENSITIVE } from "../../abi/ob.ts";
import { type NtResult, type NtStatus, success } from "../../abi/status.ts";
import type { Kernel } from "../../kernel.ts";
import { type AcceptedPort, NtAcceptConnectPort, NtCompleteConnectPort } from "../../lpc/accept.ts";
import { type ConnectAnswer, type ConnectRequest, NtSecureConnectPort } from "../../lpc/connect.ts";
import { NtCreatePort, NtCreateWaitablePort, type PortCreation } from "../../lpc/create.ts";
import { newPortMessage, type PortMessage } from "../../lpc/message.ts";
import { NtListenPort, NtReplyWaitReceivePortEx, type ReceivedMessage } from "../../lpc/receive.ts";
import { NtReplyPort } from "../../lpc/reply.ts";
import { NtReplyWaitReplyPort, NtRequestWaitReplyPort } from "../../lpc/request.ts";
import { NtImpersonateClientOfPort } from "../../lpc/security.ts";
import { NtRequestPort } from "../../lpc/send.ts";
import type { InsertedObject } from "../../ob/insert.ts";
import { NtRegisterThreadTerminatePort } from "../../ps/terminationport.ts";
import { ImpersonationLevel } from "../../se/token.ts";
import type { Blocking } from "../../sim/blocking.ts";
import type { Script } from "./context.ts";
import { service } from "./service.ts";

/** A message to send, with these data. */
export function lpcMessage(data: Uint8Array = new Uint8Array(0)): PortMessage {
  return newPortMessage(LpcMessageType.New, data);
}

/** A reply to a message, with these data. */
export function lpcReply(to: PortMessage, data: Uint8Array = new Uint8Array(0)): PortMessage {
  const { clientId, messageId } = to;
  return { ...lpcMessage(data), clientId, messageId };
}

/** Lengths of a port other than the largest. */
type PortLengths = Partial<Omit<PortCreation, "attributes">>;

/** The services by their names. A name is that of a connection port; null makes a port without one. */
export interface ScriptLpcServices {
  readonly NtCreatePort: (name: string | null, lengths?: PortLengths) => Script<NtResult<number>>;
  readonly NtCreateWaitablePort: (name: string | null, lengths?: PortLengths) => Script<NtResult<number>>;
  readonly NtConnectPort: (name: string, options?: Partial<ConnectRequest>) => Script<ConnectAnswer>;
  readonly NtListenPort: (handle: number) => Script<NtResult<PortMessage>>;
  readonly NtAcceptConnectPort: (
    reply: PortMessage,
    accept: boolean,
    portContext?: number,
  ) => Script<NtResult<AcceptedPort>>;
  readonly NtCompleteConnectPort: (handle: number) => Script<NtStatus>;
  readonly NtRequestPort: (handle: number, message: PortMessage) => Script<NtStatus>;
  readonly NtRequestWaitReplyPort: (handle: number, request: PortMessage) => Script<NtResult<PortMessage>>;
  readonly NtReplyPort: (handle: number, reply: PortMessage) => Script<NtStatus>;
  readonly NtReplyWaitReplyPort: (handle: number, reply: PortMessage) => Script<NtResult<PortMessage>>;
  readonly NtReplyWaitReceivePort: (
    handle: number,
    reply?: PortMessage | null,
    timeout100ns?: number | null,
  ) => Script<NtResult<ReceivedMessage>>;
  readonly NtImpersonateClientOfPort: (handle: number, message: PortMessage) => Script<NtStatus>;
  readonly NtRegisterThreadTerminatePort: (handle: number) => Script<NtStatus>;
}

const LARGEST = {
  maxConnectionInfoLength: PORT_MAXIMUM_CONNECTION_INFORMATION,
  maxMessageLength: PORT_MAXIMUM_MESSAGE_LENGTH,
};

const ANYBODY: ConnectRequest = {
  security: { level: ImpersonationLevel.Impersonation, dynamic: true, effectiveOnly: false },
  clientView: null,
  information: new Uint8Array(0),
  requiredServerSid: null,
};

function named(name: string | null): PortCreation["attributes"] {
  return { rootDirectory: 0, name, attributes: name === null ? 0 : OBJ_CASE_INSENSITIVE };
}

function creating(create: typeof NtCreatePort) {
  return function* (k: Kernel, name: string | null, lengths: PortLengths = {}): Blocking<NtResult<number>> {
    const created: NtResult<InsertedObject> = yield* create(k, { attributes: named(name), ...LARGEST, ...lengths });
    return created.ok ? success(created.value.handle) : created;
  };
}

export const lpc: ScriptLpcServices = {
  NtCreatePort: service("NtCreatePort", creating(NtCreatePort)),
  NtCreateWaitablePort: service("NtCreateWaitablePort", creating(NtCreateWaitablePort)),
  NtConnectPort: service("NtConnectPort", (k, name: string, options: Partial<ConnectRequest> = {}) =>
    NtSecureConnectPort(k, named(name), { ...ANYBODY, ...options }),
  ),
  NtListenPort: service("NtListenPort", NtListenPort),
  NtAcceptConnectPort: service(
    "NtAcceptConnectPort",
    (k, reply: PortMessage, accept: boolean, portContext: number = 0) =>
      NtAcceptConnectPort(k, { portContext, reply, accept, serverView: null }),
  ),
  NtCompleteConnectPort: service("NtCompleteConnectPort", NtCompleteConnectPort),
  NtRequestPort: service("NtRequestPort", NtRequestPort),
  NtRequestWaitReplyPort: service("NtRequestWaitReplyPort", NtRequestWaitReplyPort),
  NtReplyPort: service("NtReplyPort", NtReplyPort),
  NtReplyWaitReplyPort: service("NtReplyWaitReplyPort", NtReplyWaitReplyPort),
  NtReplyWaitReceivePort: service(
    "NtReplyWaitReceivePort",
    (k, handle: number, reply: PortMessage | null = null, timeout100ns: number | null = null) =>
      NtReplyWaitReceivePortEx(k, handle, { reply, timeout100ns }),
  ),
  NtImpersonateClientOfPort: service("NtImpersonateClientOfPort", NtImpersonateClientOfPort),
  NtRegisterThreadTerminatePort: service("NtRegisterThreadTerminatePort", NtRegisterThreadTerminatePort),
};
