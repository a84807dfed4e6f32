/** Messages, views and the rest of what port services pass, to and from user memory. Structures are those of i386. */
import {
  PORT_MAXIMUM_MESSAGE_LENGTH,
  PORT_MESSAGE,
  PORT_VIEW,
  REMOTE_PORT_VIEW,
  SECURITY_QUALITY_OF_SERVICE,
} from "../abi/lpc.ts";
import { STATUS_INVALID_PARAMETER } from "../abi/status.ts";
import type { PortMessage } from "../lpc/message.ts";
import type { SecurityQuality } from "../lpc/security.ts";
import type { MappedPortView, PortViewRequest } from "../lpc/view.ts";
import type { UserMemory } from "../mm/usermemory.ts";
import type { Sid } from "../se/sid.ts";

/** Reads a message. Data that are longer than any port takes stay where they are: the lengths are refused later. */
export function readMessage(user: UserMemory, address: number): PortMessage {
  const at = PORT_MESSAGE;
  const dataLength = user.readU16(address + at.dataLength);
  const data = dataLength < PORT_MAXIMUM_MESSAGE_LENGTH ? user.readBytes(address + at.bytes, dataLength) : NO_DATA;
  return {
    dataLength,
    totalLength: user.readU16(address + at.totalLength),
    type: user.readU16(address + at.type),
    dataInfoOffset: user.readU16(address + at.dataInfoOffset),
    clientId: { pid: user.readU32(address + at.uniqueProcess), tid: user.readU32(address + at.uniqueThread) },
    messageId: user.readU32(address + at.messageId),
    clientViewSize: user.readU32(address + at.clientViewSize),
    data,
  };
}

const NO_DATA = new Uint8Array(0);

/** Probes a place for a message: its header. How long the data are is known only when it comes. */
export function probeMessage(user: UserMemory, address: number): void {
  user.probeWrite(address, PORT_MESSAGE.bytes);
}

export function writeMessage(user: UserMemory, address: number, message: PortMessage): void {
  const at = PORT_MESSAGE;
  user.writeU16(address + at.dataLength, message.dataLength);
  user.writeU16(address + at.totalLength, message.totalLength);
  user.writeU16(address + at.type, message.type);
  user.writeU16(address + at.dataInfoOffset, message.dataInfoOffset);
  user.writeU32(address + at.uniqueProcess, message.clientId.pid);
  user.writeU32(address + at.uniqueThread, message.clientId.tid);
  user.writeU32(address + at.messageId, message.messageId);
  user.writeU32(address + at.clientViewSize, message.clientViewSize);
  user.writeBytes(address + at.bytes, message.data);
}

/** Reads and probes a PORT_VIEW; null for a null pointer. A wrong length is INVALID_PARAMETER. */
export function readPortView(user: UserMemory, address: number): PortViewRequest | null {
  if (address === 0) return null;
  probeView(user, address, PORT_VIEW.bytes);
  return {
    sectionHandle: user.readU32(address + PORT_VIEW.sectionHandle),
    sectionOffset: user.readU32(address + PORT_VIEW.sectionOffset),
    viewSize: user.readU32(address + PORT_VIEW.viewSize),
  };
}

/** Probes a REMOTE_PORT_VIEW unless the pointer is null. */
export function probeRemoteView(user: UserMemory, address: number): void {
  if (address !== 0) probeView(user, address, REMOTE_PORT_VIEW.bytes);
}

/** Both structures begin with their length. */
function probeView(user: UserMemory, address: number, bytes: number): void {
  user.probeWrite(address, bytes);
  if (user.readU32(address) !== bytes) user.fail(STATUS_INVALID_PARAMETER, address);
}

export function writePortView(
  user: UserMemory,
  address: number,
  view: (MappedPortView & { readonly remoteBase: number }) | null,
): void {
  if (address === 0 || view === null) return;
  user.writeU32(address + PORT_VIEW.viewSize, view.size);
  user.writeU32(address + PORT_VIEW.viewBase, view.base);
  user.writeU32(address + PORT_VIEW.viewRemoteBase, view.remoteBase);
}

/** Without a view on the other side the structure says so with zeros. */
export function writeRemoteView(user: UserMemory, address: number, view: MappedPortView | null): void {
  if (address === 0) return;
  user.writeU32(address + REMOTE_PORT_VIEW.viewSize, view?.size ?? 0);
  user.writeU32(address + REMOTE_PORT_VIEW.viewBase, view?.base ?? 0);
}

export function readSecurityQuality(user: UserMemory, address: number): SecurityQuality {
  const at = SECURITY_QUALITY_OF_SERVICE;
  return {
    level: user.readU32(address + at.impersonationLevel),
    dynamic: user.readU8(address + at.contextTrackingMode) !== 0,
    effectiveOnly: user.readU8(address + at.effectiveOnly) !== 0,
  };
}

const SID_HEADER_BYTES = 8;
const MAXIMUM_SUB_AUTHORITIES = 15;

/** Reads a SID; null for a null pointer. */
export function readSid(user: UserMemory, address: number): Sid | null {
  if (address === 0) return null;
  const subAuthorities = user.readU8(address + 1);
  if (subAuthorities > MAXIMUM_SUB_AUTHORITIES) user.fail(STATUS_INVALID_PARAMETER, address);
  return user.readBytes(address, SID_HEADER_BYTES + 4 * subAuthorities);
}
