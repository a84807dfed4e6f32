/** The port object type. A port owns the messages in its queue: they are freed with it. */
import { PORT_ALL_ACCESS } from "../abi/ps.ts";
import type { Kernel } from "../kernel.ts";
import { ObCreateObjectType } from "../ob/create.ts";
import type { ObjectType } from "../ob/type.ts";
import type { Blocking } from "../sim/blocking.ts";
import { freeLpcMessage, type LpcPort } from "./port.ts";

const PORT_GENERIC = { read: 0x20001, write: 0x10001, execute: 0, all: PORT_ALL_ACCESS };

export function createPortType(k: Kernel): ObjectType {
  return ObCreateObjectType<LpcPort>(k, {
    name: "Port",
    validAccess: PORT_ALL_ACCESS,
    genericMapping: PORT_GENERIC,
    poolBytes: 0xa0,
    deleteProcedure: LpcpDeletePort,
    defaultObject: (port) => port.semaphore,
  });
}

/** Frees the messages that nobody received. */
// eslint-disable-next-line require-yield
function* LpcpDeletePort(k: Kernel, port: LpcPort): Blocking<void> {
  for (const message of port.messages.splice(0)) freeLpcMessage(k, message);
}
