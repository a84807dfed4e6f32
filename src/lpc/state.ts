/** The state of local procedure calls: the port type and the ids of messages, which are never used twice. */
import type { ObjectType } from "../ob/type.ts";

export interface LpcState {
  /** Type of port objects (`LpcPortObjectType`). */
  readonly portType: ObjectType;
  /** Bytes of the largest message that a port carries. */
  readonly maximumMessageBytes: number;
  lastMessageId: number;
}

/** `PORT_MAXIMUM_MESSAGE_LENGTH` on i386. */
const PORT_MAXIMUM_MESSAGE_LENGTH = 256;

export function createLpcState(portType: ObjectType): LpcState {
  return { portType, maximumMessageBytes: PORT_MAXIMUM_MESSAGE_LENGTH, lastMessageId: 0 };
}
