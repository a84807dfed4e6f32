/** LPC ports for tests: made in the kernel and known to a script by a handle. */
import { KernelMode } from "../../src/abi/ke.ts";
import { PORT_ALL_ACCESS } from "../../src/abi/ps.ts";
import { NT_SUCCESS, type NtStatus } from "../../src/abi/status.ts";
import type { Script } from "../../src/guest/script/context.ts";
import { nt } from "../../src/guest/script/services.ts";
import type { Kernel } from "../../src/kernel.ts";
import {
  type LpcMessage,
  type LpcPort,
  LpcRequestPort,
  newClientDiedMessage,
  newConnectionPort,
} from "../../src/lpc/port.ts";
import { ObCreateObject } from "../../src/ob/create.ts";
import { ObInsertObject } from "../../src/ob/insert.ts";
import { NtRegisterThreadTerminatePort } from "../../src/ps/threadservices.ts";
import { must } from "./scene.ts";

/** `LPC_DATAGRAM` and `LPC_CLIENT_DIED`. */
export const DATAGRAM = 3;
export const CLIENT_DIED = 6;

export interface TestPort {
  readonly port: LpcPort;
  readonly handle: number;
}

/** A connection port with one handle in the caller's process. */
export function createPort(desiredAccess: number = PORT_ALL_ACCESS): Script<TestPort> {
  return nt.call(function* (k) {
    const port = newPort(k);
    const inserted = yield* ObInsertObject(k, port, { desiredAccess, attributes: 0, mode: KernelMode });
    return { port, handle: must(inserted).handle };
  });
}

/** A connection port with a reference and no handle. */
export function newPort(k: Kernel): LpcPort {
  const port = newConnectionPort(k);
  if (!NT_SUCCESS(ObCreateObject(k, k.lpc.portType, port))) throw new Error("there is no pool for a port");
  return port;
}

/** `NtRegisterThreadTerminatePort` for the calling thread. */
export function registerPort(handle: number): Script<NtStatus> {
  return nt.call((k) => NtRegisterThreadTerminatePort(k, handle));
}

/** What waits in the port, oldest first. It stays there. */
export function messagesOf(port: LpcPort): LpcMessage[] {
  return port.messages.map(({ message }) => message);
}

/** Sends a datagram from the calling thread. */
export function sendDatagram(k: Kernel, port: LpcPort): NtStatus {
  return LpcRequestPort(k, port, { ...newClientDiedMessage({ pid: 0, tid: 0 }, 0), type: DATAGRAM });
}
