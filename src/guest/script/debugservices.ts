/** The system services on debug objects as scripted programs call them. */
import { DEBUG_ALL_ACCESS, DEBUG_PROCESS_ASSIGN } from "../../abi/dbgk.ts";
import { DBG_CONTINUE, type NtResult, type NtStatus, success } from "../../abi/status.ts";
import { NtDebugActiveProcess, NtRemoveProcessDebug, referenceDebugObject } from "../../dbgk/attach.ts";
import {
  NtCreateDebugObject,
  NtDebugContinue,
  NtSetInformationDebugObject,
  NtWaitForDebugEvent,
  type StateChange,
} from "../../dbgk/services.ts";
import type { Kernel } from "../../kernel.ts";
import { ObDereferenceObject } from "../../ob/reference.ts";
import type { ClientId } from "../../ps/objects.ts";
import type { Blocking } from "../../sim/blocking.ts";
import type { Script, ScriptProgram } from "./context.ts";
import { service } from "./service.ts";
import { createProcess, type ScriptChild } from "./services.ts";

/** How a process that is debugged from its first instruction is made. */
export interface DebuggedProcessOptions {
  /** Handle of the debug object. */
  readonly debug: number;
  /** DEBUG_ONLY_THIS_PROCESS: its children are not debugged. */
  readonly noInherit?: boolean;
  readonly inheritHandles?: boolean;
}

/** The services on debug objects. Handles are numbers, times are 100 ns from now, null means for ever. */
export interface ScriptDebugServices {
  readonly NtCreateDebugObject: (flags?: number, desiredAccess?: number) => Script<NtResult<number>>;
  readonly NtDebugActiveProcess: (process: number, debug: number) => Script<NtStatus>;
  readonly NtRemoveProcessDebug: (process: number, debug: number) => Script<NtStatus>;
  readonly NtWaitForDebugEvent: (debug: number, timeout100ns?: number | null) => Script<NtResult<StateChange>>;
  readonly NtDebugContinue: (debug: number, clientId: ClientId, status?: NtStatus) => Script<NtStatus>;
  readonly NtSetInformationDebugObject: (debug: number, flags: number) => Script<NtResult<null>>;
  readonly createDebuggedProcess: (
    program: ScriptProgram | null,
    options: DebuggedProcessOptions,
  ) => Script<NtResult<ScriptChild & { readonly thread: number }>>;
}

function* createObject(
  k: Kernel,
  flags: number = 0,
  desiredAccess: number = DEBUG_ALL_ACCESS,
): Blocking<NtResult<number>> {
  const created = yield* NtCreateDebugObject(k, desiredAccess, null, flags);
  return created.ok ? success(created.value.handle) : created;
}

function* createDebuggedProcess(
  k: Kernel,
  program: ScriptProgram | null,
  options: DebuggedProcessOptions,
): Blocking<NtResult<ScriptChild & { readonly thread: number }>> {
  const object = referenceDebugObject(k, options.debug, DEBUG_PROCESS_ASSIGN);
  if (!object.ok) return object;
  const created = yield* createProcess(k, "debuggee.exe", program, {
    inheritHandles: options.inheritHandles ?? false,
    debug: { object: object.value, noInherit: options.noInherit ?? false },
  });
  yield* ObDereferenceObject(k, object.value);
  return created;
}

/** @public for scripts */
export const debugServices: ScriptDebugServices = {
  NtCreateDebugObject: service("NtCreateDebugObject", createObject),
  NtDebugActiveProcess: service("NtDebugActiveProcess", NtDebugActiveProcess),
  NtRemoveProcessDebug: service("NtRemoveProcessDebug", NtRemoveProcessDebug),
  NtWaitForDebugEvent: service("NtWaitForDebugEvent", (k, debug: number, timeout100ns: number | null = null) =>
    NtWaitForDebugEvent(k, debug, false, timeout100ns),
  ),
  NtDebugContinue: service("NtDebugContinue", (k, debug: number, clientId: ClientId, status: NtStatus = DBG_CONTINUE) =>
    NtDebugContinue(k, debug, clientId, status),
  ),
  NtSetInformationDebugObject: service("NtSetInformationDebugObject", NtSetInformationDebugObject),
  createDebuggedProcess: service("NtCreateUserProcess", createDebuggedProcess),
};
