/** Whom a server may act as (`SECURITY_QUALITY_OF_SERVICE`, `SECURITY_CLIENT_CONTEXT`), and acting so. */
import { STATUS_INVALID_PORT_HANDLE, STATUS_REPLY_MESSAGE_MISMATCH } from "../abi/lpc.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_INVALID_CID,
  STATUS_INVALID_PARAMETER,
  STATUS_PORT_DISCONNECTED,
  success,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import { ObDereferenceObject, ObReferenceObject } from "../ob/reference.ts";
import { ImpersonationLevel, SeDuplicateToken, type Token, TokenImpersonation } from "../se/token.ts";
import type { Blocking } from "../sim/blocking.ts";
import type { PortMessage } from "./message.ts";
import { type LpcPort, referencePort } from "./port.ts";
import { awaitsReplyThrough } from "./reply.ts";
import { homeProcess, type LpcThread } from "./thread.ts";

/** What the client allows. */
export interface SecurityQuality {
  readonly level: number;
  /** Whether the server sees who the client is at each request, not who it was when it connected. */
  readonly dynamic: boolean;
  /** Whether privileges and groups that the client has turned off are left out. */
  readonly effectiveOnly: boolean;
}

/** What a client's port remembers of it. */
export interface LpcSecurity {
  readonly quality: SecurityQuality;
  /** With static tracking: the client as it was, referenced. */
  readonly token: Token | null;
}

/** What the connecting thread allows. @returns INVALID_PARAMETER for a level that is none; INSUFFICIENT_RESOURCES */
export function captureSecurity(k: Kernel, client: LpcThread, quality: SecurityQuality): NtResult<LpcSecurity> {
  if (quality.level > ImpersonationLevel.Delegation) return failure(STATUS_INVALID_PARAMETER);
  if (quality.dynamic) return success({ quality, token: null });
  const token = clientToken(k, client, quality);
  return token.ok ? success({ quality, token: token.value }) : token;
}

/** The client as it acts now, as a token that a server may wear. */
function clientToken(k: Kernel, client: LpcThread, quality: SecurityQuality): NtResult<Token> {
  const { impersonation, processToken } = k.se.upcalls;
  const token = impersonation(client)?.token ?? processToken(homeProcess(client));
  if (token === null) return failure(STATUS_INVALID_CID);
  const level = quality.level as ImpersonationLevel;
  return SeDuplicateToken(k, token, { type: TokenImpersonation, level, effectiveOnly: quality.effectiveOnly });
}

/**
 * Makes the calling thread act as the client whose request it serves.
 * @returns INVALID_PORT_HANDLE for a port that is not a server's; PORT_DISCONNECTED; INVALID_CID and REPLY_MESSAGE_MISMATCH
 *   if the client no longer waits; INSUFFICIENT_RESOURCES; errors of the handle
 */
export function* NtImpersonateClientOfPort(k: Kernel, handle: number, message: PortMessage): Blocking<NtStatus> {
  const port = referencePort(k, handle);
  if (!port.ok) return port.status;
  const found = findClient(k, port.value, message);
  yield* ObDereferenceObject(k, port.value);
  return found.ok ? yield* k.lpc.upcalls.impersonate(k, found.value) : found.status;
}

function findClient(k: Kernel, port: LpcPort, message: PortMessage): NtResult<{ token: Token; level: number }> {
  if (port.kind !== "server") return failure(STATUS_INVALID_PORT_HANDLE);
  const security = port.connectedPort?.security ?? null;
  if (security === null) return failure(STATUS_PORT_DISCONNECTED);
  const { quality, token } = security;
  const { level } = quality;
  if (token !== null) {
    ObReferenceObject(token);
    return success({ token, level });
  }
  const client = k.lpc.upcalls.lookupThread(k, message.clientId);
  if (client === null) return failure(STATUS_INVALID_CID);
  if (!awaitsReplyThrough(client, port, message.messageId)) return failure(STATUS_REPLY_MESSAGE_MISMATCH);
  const made = clientToken(k, client, quality);
  return made.ok ? success({ token: made.value, level }) : made;
}
