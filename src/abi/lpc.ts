/** Local procedure calls as user mode sees them: types of messages, layouts on i386, limits. */
import { type NtStatus, ntStatus } from "./status.ts";

/** `LPC_*` message types. */
export const LpcMessageType = {
  /** What a sender leaves in the field: the service decides. */
  New: 0,
  Request: 1,
  Reply: 2,
  Datagram: 3,
  LostReply: 4,
  PortClosed: 5,
  ClientDied: 6,
  Exception: 7,
  DebugEvent: 8,
  ErrorEvent: 9,
  ConnectionRequest: 10,
} as const;

/** Set in the type of messages that kernel mode sends; user mode may not use it. */
export const LPC_KERNELMODE_MESSAGE = 0x8000;

/** What a handle to a connection port must grant for connecting, and to any port for using it. */
export const PORT_CONNECT = 0x0001;

/** `PORT_MESSAGE` on i386; the data follow. */
export const PORT_MESSAGE = {
  dataLength: 0,
  totalLength: 2,
  type: 4,
  dataInfoOffset: 6,
  uniqueProcess: 8,
  uniqueThread: 12,
  messageId: 16,
  clientViewSize: 20,
  bytes: 24,
} as const;

/** `PORT_VIEW`: a section that its owner shares with the other side. */
export const PORT_VIEW = {
  length: 0,
  sectionHandle: 4,
  sectionOffset: 8,
  viewSize: 12,
  viewBase: 16,
  viewRemoteBase: 20,
  bytes: 24,
} as const;

/** `REMOTE_PORT_VIEW`: the other side's section. */
export const REMOTE_PORT_VIEW = { length: 0, viewSize: 4, viewBase: 8, bytes: 12 } as const;

/** `PORT_DATA_INFORMATION`: a count, then that many ranges of the sender's memory, each an address and a size. */
export const PORT_DATA_INFORMATION = { count: 0, entries: 4, entryBytes: 8 } as const;

/** `SECURITY_QUALITY_OF_SERVICE`. */
export const SECURITY_QUALITY_OF_SERVICE = {
  length: 0,
  impersonationLevel: 4,
  contextTrackingMode: 8,
  effectiveOnly: 9,
  bytes: 12,
} as const;

/** Largest `TotalLength` of a message. */
export const PORT_MAXIMUM_MESSAGE_LENGTH = 0x148;
/** Most bytes of information that a connection request carries. */
export const PORT_MAXIMUM_CONNECTION_INFORMATION = 260;

export const STATUS_INVALID_PORT_HANDLE: NtStatus = ntStatus(0xc0000042);
export const STATUS_REPLY_MESSAGE_MISMATCH: NtStatus = ntStatus(0xc000021f);
export const STATUS_LPC_REPLY_LOST: NtStatus = ntStatus(0xc0000253);
export const STATUS_SERVER_SID_MISMATCH: NtStatus = ntStatus(0xc00002a0);
