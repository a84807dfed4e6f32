/** LPC for tests: ports without a name, made in the kernel or by a script, and what waits in them. */
import { expect } from "vitest";
import { KernelMode } from "../../src/abi/ke.ts";
import { LpcMessageType } from "../../src/abi/lpc.ts";
import { PORT_ALL_ACCESS } from "../../src/abi/ps.ts";
import { NT_SUCCESS, type NtStatus } from "../../src/abi/status.ts";
import type { Script } from "../../src/guest/script/context.ts";
import { lpc, lpcMessage, lpcReply } from "../../src/guest/script/lpc.ts";
import { nt } from "../../src/guest/script/services.ts";
import type { Kernel } from "../../src/kernel.ts";
import { newClientDiedMessage, type PortMessage } from "../../src/lpc/message.ts";
import { type LpcPort, newPort as newLpcPort, referencePort } from "../../src/lpc/port.ts";
import { LpcRequestPort } from "../../src/lpc/send.ts";
import { ObCreateObject } from "../../src/ob/create.ts";
import { ObInsertObject } from "../../src/ob/insert.ts";
import { dropReference } from "../../src/ob/reference.ts";
import { listOwners } from "../../src/rtl/list.ts";
import { must } from "./scene.ts";

export const { Request, Reply, Datagram, PortClosed, ClientDied } = LpcMessageType;

export interface TestPort {
  readonly port: LpcPort;
  readonly handle: number;
}

/** A port without a name, with one handle in the caller's process. */
export function createPort(desiredAccess: number = PORT_ALL_ACCESS): Script<TestPort> {
  return nt.call(function* (k) {
    const port = newPort(k);
    const inserted = yield* ObInsertObject(k, port, { desiredAccess, attributes: 0, mode: KernelMode });
    return { port, handle: must(inserted).handle };
  });
}

/** A port without a name, with a reference and no handle. */
export function newPort(k: Kernel): LpcPort {
  const port = newLpcPort(k, "unconnected");
  if (!NT_SUCCESS(ObCreateObject(k, k.lpc.portType, port))) throw new Error("there is no pool for a port");
  return port;
}

/** The port of a handle, without a reference. */
export function portOf(handle: number): Script<LpcPort> {
  return nt.call((k) => {
    const port = must(referencePort(k, handle));
    dropReference(port);
    return port;
  });
}

/** What waits in the port, oldest first. It stays there. */
export function messagesOf(port: LpcPort): PortMessage[] {
  return listOwners(port.receiveHead).map(({ message }) => message);
}

/** The time that a CLIENT_DIED or PORT_CLOSED message carries. */
export function createTimeIn({ data }: PortMessage): bigint {
  return new DataView(data.buffer, data.byteOffset).getBigUint64(0, true);
}

/** Sends a datagram of the kernel's from the calling thread. */
export function sendDatagram(k: Kernel, port: LpcPort): NtStatus {
  return LpcRequestPort(k, port, newClientDiedMessage(Datagram, 0n));
}

/** A message whose data is a text. */
export function textMessage(text: string): PortMessage {
  return lpcMessage(new TextEncoder().encode(text));
}

/** A reply whose data is a text. */
export function textReply(to: PortMessage, text: string): PortMessage {
  return lpcReply(to, new TextEncoder().encode(text));
}

export function textOf({ data }: Pick<PortMessage, "data">): string {
  return new TextDecoder().decode(data);
}

export const PORT_NAME = "\\BaseNamedObjects\\port";

/** Makes the connection port that {@link connect} looks for. */
export function* createServer(): Script<TestPort> {
  const handle = must(yield* lpc.NtCreatePort(PORT_NAME));
  return { handle, port: yield* portOf(handle) };
}

/** Accepts the next connection. @returns the server's end */
export function* acceptNext(server: number, portContext = 0): Script<number> {
  const request = must(yield* lpc.NtListenPort(server));
  const { handle } = must(yield* lpc.NtAcceptConnectPort(lpcReply(request), true, portContext));
  expect(yield* lpc.NtCompleteConnectPort(handle)).toBe(0);
  return handle;
}

/** Connects, to a server that accepts. @returns the client's end */
export function* connect(): Script<number> {
  const { status, connected } = yield* lpc.NtConnectPort(PORT_NAME);
  expect(status).toBe(0);
  return connected!.handle;
}

/** A client's program: connects, and has nothing to say. */
export function* connects(): Script<void> {
  yield* connect();
}
