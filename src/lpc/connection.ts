/**
 * A connection on its way: the request of a client that waits, and what the server answers.
 *
 * Invariant: it belongs to the thread that connects. A server may look at it only while `waiting` is true, because the
 * thread may give up, or die, at any time.
 */
import type { Kernel } from "../kernel.ts";
import type { LpcpMessage } from "./message.ts";
import type { LpcPort } from "./port.ts";
import { wakeFromCall } from "./reply.ts";
import type { LpcThread } from "./thread.ts";
import type { MappedPortView, SharedSection } from "./view.ts";

export class LpcConnection {
  readonly thread: LpcThread;
  readonly clientPort: LpcPort;
  readonly connectionPort: LpcPort;
  readonly messageId: number;
  /** What the client shares. */
  readonly section: SharedSection | null;
  /** The request in the connection port's queue. */
  message: LpcpMessage | null = null;
  /** Whether the thread still waits. */
  waiting = true;
  /** Whether the server let the connection come about. */
  accepted = false;
  /** What the server told the client; null if it said nothing. */
  information: Uint8Array | null = null;
  /** Where the client's section lies in the server. */
  remoteBase = 0;
  /** The server's section in the client. */
  serverView: MappedPortView | null = null;

  constructor(init: Pick<LpcConnection, "thread" | "clientPort" | "connectionPort" | "messageId" | "section">) {
    this.thread = init.thread;
    this.clientPort = init.clientPort;
    this.connectionPort = init.connectionPort;
    this.messageId = init.messageId;
    this.section = init.section;
  }
}

/** `LpcpPrepareToWakeClient`, and the wake-up: lets the client see what the server has decided. */
export function wakeClient(k: Kernel, connection: LpcConnection): void {
  if (!connection.waiting) return;
  connection.waiting = false;
  wakeFromCall(k, connection.thread);
}
