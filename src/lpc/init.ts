/** The port object types. A port owns the messages in its queue: they are freed with it. */
import { PORT_ALL_ACCESS } from "../abi/ps.ts";
import { PORT_CONNECT } from "../abi/lpc.ts";
import { READ_CONTROL } from "../abi/ob.ts";
import type { Kernel } from "../kernel.ts";
import { ObCreateObjectType } from "../ob/create.ts";
import type { ObjectTypeInit } from "../ob/type.ts";
import { assert } from "../rtl/assert.ts";
import { LpcpClosePort, LpcpDeletePort } from "./close.ts";
import type { LpcPort } from "./port.ts";
import { createLpcState, type LpcState } from "./state.ts";

/** Makes LPC's state; the object manager must be there. A wait for a port that is not waitable succeeds at once. */
export function LpcInitSystem(k: Kernel): LpcState {
  const common: ObjectTypeInit<LpcPort> = {
    name: "Port",
    validAccess: PORT_ALL_ACCESS,
    genericMapping: {
      read: READ_CONTROL | PORT_CONNECT,
      write: 0x10000 | PORT_CONNECT,
      execute: 0,
      all: PORT_ALL_ACCESS,
    },
    poolBytes: 0xa0,
    closeProcedure: LpcpClosePort,
    deleteProcedure: LpcpDeletePort,
  };
  const port = ObCreateObjectType<LpcPort>(k, common);
  const waitable = ObCreateObjectType<LpcPort>(k, {
    ...common,
    name: "WaitablePort",
    poolBytes: 0xb0,
    defaultObject: ({ waitEvent }) => {
      assert(waitEvent !== null, "a waitable port has an event");
      return waitEvent;
    },
  });
  return createLpcState({ port, waitable });
}
