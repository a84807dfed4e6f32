/** The state of local procedure calls: the port types, the ids of messages, and the calls into the process layer. */
import type { NtStatus } from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import type { ObProcess } from "../ob/process.ts";
import type { ObjectType } from "../ob/type.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import type { ImpersonationInfo } from "../se/token.ts";
import type { LpcThread } from "./thread.ts";

/** What LPC needs from the process layer; filled at boot. */
export interface LpcUpcalls {
  /** The thread of a client id, without a reference: good until the caller suspends. Null if there is none. */
  lookupThread: (k: Kernel, clientId: { readonly pid: number; readonly tid: number }) => LpcThread | null;
  /** When the process was created, as system time. */
  processCreateTime: (process: ObProcess) => bigint;
  /** Makes the current thread act as somebody else; the token's reference passes to it. */
  impersonate: (k: Kernel, info: ImpersonationInfo) => Blocking<NtStatus>;
}

export interface LpcState {
  /** Types of port objects (`LpcPortObjectType`, `LpcWaitablePortObjectType`). */
  readonly portType: ObjectType;
  readonly waitablePortType: ObjectType;
  /** Ids are not used again before 2^32 messages, and never 0. */
  lastMessageId: number;
  readonly upcalls: LpcUpcalls;
}

export function createLpcState(types: { readonly port: ObjectType; readonly waitable: ObjectType }): LpcState {
  return {
    portType: types.port,
    waitablePortType: types.waitable,
    lastMessageId: 0,
    upcalls: {
      lookupThread: () => null,
      processCreateTime: () => 0n,
      impersonate: () => assert(false, "the machine was booted with processes") as never,
    },
  };
}

/** `LpcpGenerateMessageId`. */
export function LpcpGenerateMessageId(k: Kernel): number {
  k.lpc.lastMessageId = (k.lpc.lastMessageId + 1) >>> 0 || 1;
  return k.lpc.lastMessageId;
}
