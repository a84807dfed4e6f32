/** Makes the debug object type, and connects what earlier layers call of debugging. */
import { DEBUG_ALL_ACCESS, DEBUG_PROCESS_ASSIGN, DEBUG_READ_EVENT } from "../abi/dbgk.ts";
import { READ_CONTROL } from "../abi/ob.ts";
import { SYNCHRONIZE } from "../abi/ps.ts";
import type { Kernel } from "../kernel.ts";
import { ObCreateObjectType } from "../ob/create.ts";
import type { ObjectType } from "../ob/type.ts";
import { DbgkpCloseObject } from "./close.ts";
import { DbgkClearProcessDebugObject, DbgkCopyProcessDebugPort } from "./detach.ts";
import { DbgkForwardException } from "./exception.ts";
import type { DebugObject } from "./objects.ts";
import { DbgkCreateThread, DbgkExitProcess, DbgkExitThread } from "./report.ts";

/** Makes the type; the object manager must be there. */
export function createDebugObjectType(k: Kernel): ObjectType {
  return ObCreateObjectType<DebugObject>(k, {
    name: "DebugObject",
    validAccess: DEBUG_ALL_ACCESS,
    genericMapping: {
      read: READ_CONTROL | DEBUG_READ_EVENT,
      write: READ_CONTROL | DEBUG_PROCESS_ASSIGN,
      execute: READ_CONTROL | SYNCHRONIZE,
      all: DEBUG_ALL_ACCESS,
    },
    poolBytes: 0x58,
    poolTag: "DbgO",
    closeProcedure: DbgkpCloseObject,
  });
}

/** Fills the table through which the process manager calls the debugger support. */
export function connectDbgk(k: Kernel): void {
  const { dbgk } = k.ps;
  dbgk.createThread = DbgkCreateThread;
  dbgk.exitThread = DbgkExitThread;
  dbgk.exitProcess = DbgkExitProcess;
  dbgk.clearDebugObject = (kernel, process) => DbgkClearProcessDebugObject(kernel, process, null);
  dbgk.copyDebugPort = DbgkCopyProcessDebugPort;
  dbgk.forwardException = DbgkForwardException;
}
