/** The state of debugging in one machine: the object type, the lock of all debug ports, and where the first library is. */
import { KGuardedMutex } from "../ke/gmutex.ts";
import type { ObjectType } from "../ob/type.ts";

export interface DbgkState {
  /** `DbgkDebugObjectType`. */
  readonly debugObjectType: ObjectType;
  /** `DbgkpProcessDebugPortMutex`: who writes any process's debug port holds it. Taken before a debug object's mutex. */
  readonly processDebugPortMutex: KGuardedMutex;
  /** Where ntdll is mapped in every process that runs x86 code; 0 in a machine of scripts. */
  systemDllBase: number;
}

export function createDbgkState(debugObjectType: ObjectType): DbgkState {
  return { debugObjectType, processDebugPortMutex: new KGuardedMutex("DbgkpProcessDebugPortMutex"), systemDllBase: 0 };
}
