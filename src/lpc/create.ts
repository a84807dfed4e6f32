/** Making ports: the sizes of their messages are decided once and bind both ends of every connection. */
import { PORT_MAXIMUM_CONNECTION_INFORMATION, PORT_MAXIMUM_MESSAGE_LENGTH } from "../abi/lpc.ts";
import { PORT_ALL_ACCESS } from "../abi/ps.ts";
import {
  failure,
  type NtResult,
  type NtStatus,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER_3,
  STATUS_INVALID_PARAMETER_4,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import type { InsertedObject } from "../ob/insert.ts";
import type { ObjectAttributes } from "../ob/lookup.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { createObject } from "../ob/service.ts";
import type { Blocking } from "../sim/blocking.ts";
import { newPort, referencePort } from "./port.ts";
import { currentLpcThread, homeProcess } from "./thread.ts";

/** What a new port is to be like. */
export interface PortCreation {
  readonly attributes: ObjectAttributes;
  readonly maxConnectionInfoLength: number;
  readonly maxMessageLength: number;
}

/**
 * Makes a port: a connection port if it has a name, else one that is its own peer.
 * @returns INVALID_PARAMETER_3 and INVALID_PARAMETER_4 for lengths that no port has; as ObInsertObject
 */
export function NtCreatePort(k: Kernel, creation: PortCreation): Blocking<NtResult<InsertedObject>> {
  return LpcpCreatePort(k, creation, { waitable: false });
}

/** As {@link NtCreatePort}, a port that is signaled while a message waits in it. */
export function NtCreateWaitablePort(k: Kernel, creation: PortCreation): Blocking<NtResult<InsertedObject>> {
  return LpcpCreatePort(k, creation, { waitable: true });
}

function* LpcpCreatePort(
  k: Kernel,
  creation: PortCreation,
  options: { readonly waitable: boolean },
): Blocking<NtResult<InsertedObject>> {
  const { attributes, maxConnectionInfoLength, maxMessageLength } = creation;
  if (maxConnectionInfoLength > PORT_MAXIMUM_CONNECTION_INFORMATION) return failure(STATUS_INVALID_PARAMETER_3);
  if (maxMessageLength > PORT_MAXIMUM_MESSAGE_LENGTH) return failure(STATUS_INVALID_PARAMETER_4);
  const kind = attributes.name === null ? "unconnected" : "connection";
  const port = newPort(k, kind, { maxMessageLength, maxConnectionInfoLength, waitable: options.waitable });
  if (kind === "connection") port.serverProcess = homeProcess(currentLpcThread(k));
  const type = options.waitable ? k.lpc.waitablePortType : k.lpc.portType;
  return yield* createObject(k, type, port, PORT_ALL_ACCESS, attributes);
}

/** `PORT_INFORMATION_CLASS`: the only class has nothing to say. */
const PortBasicInformation = 0;

/** @returns INVALID_INFO_CLASS, errors of the handle; a success means that the handle is a port's */
export function* NtQueryInformationPort(k: Kernel, handle: number, informationClass: number): Blocking<NtStatus> {
  if (informationClass !== PortBasicInformation) return STATUS_INVALID_INFO_CLASS;
  const port = referencePort(k, handle);
  if (!port.ok) return port.status;
  yield* ObDereferenceObject(k, port.value);
  return STATUS_SUCCESS;
}
