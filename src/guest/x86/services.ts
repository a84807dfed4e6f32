/** System services that need to know the processor: contexts, exceptions, and threads that run x86 code. */
import { UserMode } from "../../abi/ke.ts";
import { CURRENT_THREAD_HANDLE, PROCESS_CREATE_THREAD, THREAD_GET_CONTEXT, THREAD_SET_CONTEXT } from "../../abi/ps.ts";
import { EXCEPTION_MAXIMUM_PARAMETERS, EXCEPTION_RECORD } from "../../abi/exception.ts";
import {
  type NtResult,
  type NtStatus,
  ntStatus,
  STATUS_INVALID_HANDLE,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
  STATUS_THREAD_IS_TERMINATING,
} from "../../abi/status.ts";
import { KeTestAlertThread } from "../../ke/apc.ts";
import { KeGetCurrentThread, KeGetPreviousMode } from "../../ke/current.ts";
import type { ExceptionRecord } from "../../ke/usermode.ts";
import type { Kernel } from "../../kernel.ts";
import type { UserMemory } from "../../mm/usermemory.ts";
import { capture, isOwnProcess, ownProcess, readObjectAttributes, referenceProcess } from "../../nt/capture.ts";
import { CONTEXT_RESULT, type NtService, type ServiceArguments } from "../../nt/table.ts";
import { ObReferenceObjectByHandle } from "../../ob/handle.ts";
import { ObDereferenceObject, ObReferenceObject } from "../../ob/reference.ts";
import { KiDispatchException } from "../../ps/exception.ts";
import type { EProcess, EThread } from "../../ps/objects.ts";
import { type CreatedThread, PspCreateThread } from "../../ps/thread.ts";
import type { Blocking } from "../../sim/blocking.ts";
import type { X86Context } from "../../cpu/context.ts";
import { readAttributeList, writeAttributeResults } from "./attributes.ts";
import { readContextRecord, writeContextRecord } from "./contextrecord.ts";
import { furnishUserThread, type UserThreadPlan, type X86Guest } from "./threads.ts";
import { X86UserContext } from "./user.ts";

/** The current thread's x86 context, out of the processor. */
function currentContext(k: Kernel): X86UserContext | null {
  const { user } = KeGetCurrentThread(k);
  return user instanceof X86UserContext ? user : null;
}

function NtContinue(k: Kernel, a: ServiceArguments): NtStatus {
  const [recordPointer = 0, testAlert = 0] = a;
  const own = currentContext(k);
  if (own === null) return STATUS_INVALID_PARAMETER;
  const user = capture(k);
  readContextRecord(user, recordPointer, own.capture());
  if (user.faulted) return user.status;
  if ((testAlert & 0xff) !== 0) KeTestAlertThread(KeGetCurrentThread(k), UserMode);
  return CONTEXT_RESULT;
}

function* NtRaiseException(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [recordPointer = 0, contextPointer = 0, firstChance = 0] = a;
  const own = currentContext(k);
  if (own === null) return STATUS_INVALID_PARAMETER;
  const user = capture(k);
  const record = readExceptionRecord(user, recordPointer);
  readContextRecord(user, contextPointer, own.capture());
  if (user.faulted) return user.status;
  yield* KiDispatchException(k, record, { firstChance: (firstChance & 0xff) !== 0 });
  return CONTEXT_RESULT;
}

function readExceptionRecord(user: UserMemory, address: number): ExceptionRecord {
  const count = Math.min(user.readU32(address + EXCEPTION_RECORD.parameterCount), EXCEPTION_MAXIMUM_PARAMETERS);
  const parameters: number[] = [];
  for (let index = 0; index < count; index++) {
    parameters.push(user.readU32(address + EXCEPTION_RECORD.parameters + 4 * index));
  }
  return {
    code: ntStatus(user.readU32(address + EXCEPTION_RECORD.code)),
    flags: user.readU32(address + EXCEPTION_RECORD.flags),
    address: user.readU32(address + EXCEPTION_RECORD.address),
    parameters,
  };
}

type ContextAccess = (user: UserMemory, context: X86Context) => void;

/** Runs `act` on the context of the thread that the handle names. A dead thread has none. */
function* onContext(k: Kernel, handle: number, access: number, act: ContextAccess): Blocking<NtStatus> {
  const { threadType } = k.ps;
  const thread = ObReferenceObjectByHandle<EThread>(k, handle, access, threadType, KeGetPreviousMode(k));
  if (!thread.ok) return thread.status;
  const { user: userContext, signalState } = thread.value;
  let status: NtStatus = STATUS_INVALID_HANDLE;
  if (signalState !== 0) status = STATUS_THREAD_IS_TERMINATING;
  else if (userContext instanceof X86UserContext) {
    const user = capture(k);
    act(user, userContext.capture());
    status = user.faulted ? user.status : STATUS_SUCCESS;
  }
  yield* ObDereferenceObject(k, thread.value);
  return status;
}

function NtGetContextThread(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, recordPointer = 0] = a;
  return onContext(k, handle, THREAD_GET_CONTEXT, (user, context) => {
    const flags = user.readU32(recordPointer);
    writeContextRecord(user, recordPointer, context, flags);
  });
}

function* NtSetContextThread(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [handle = 0, recordPointer = 0] = a;
  const status = yield* onContext(k, handle, THREAD_SET_CONTEXT, (user, context) => {
    readContextRecord(user, recordPointer, context);
  });
  return handle === CURRENT_THREAD_HANDLE && status === STATUS_SUCCESS ? CONTEXT_RESULT : status;
}

const CREATE_SUSPENDED = 1;
const SKIP_THREAD_ATTACH = 2;
const HIDE_FROM_DEBUGGER = 4;

interface ThreadRequest extends UserThreadPlan {
  readonly out: number;
  readonly desiredAccess: number;
  readonly attributes: number;
  readonly flags: number;
}

function NtCreateThreadEx(k: Kernel, guest: X86Guest, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [out = 0, desiredAccess = 0, attributesPointer = 0, processHandle = 0, routine = 0, argument = 0, flags = 0] =
    a;
  const [, , , , , , , , stackCommit = 0, stackReserve = 0, listPointer = 0] = a;
  const user = capture(k);
  user.writeU32(out, user.readU32(out));
  const named = readObjectAttributes(user, attributesPointer);
  const list = readAttributeList(user, listPointer);
  if (user.faulted) return user.status;
  if (!named.ok) return named.status;
  if (!list.ok) return list.status;
  if ((flags & ~(CREATE_SUSPENDED | SKIP_THREAD_ATTACH | HIDE_FROM_DEBUGGER)) !== 0) return STATUS_INVALID_PARAMETER;
  const { attributes } = named.value;
  const request = { out, desiredAccess, attributes, flags, routine, argument, stackCommit, stackReserve };
  return createThread(k, guest, processHandle, request, (created) => {
    const { thread } = created;
    const { tid, teb } = thread;
    return writeAttributeResults(capture(k), list.value, { pid: thread.threadsProcess.pid, tid, teb, image: null });
  });
}

function* createThread(
  k: Kernel,
  guest: X86Guest,
  processHandle: number,
  request: ThreadRequest,
  finish: (created: CreatedThread) => NtStatus,
): Blocking<NtStatus> {
  const process = takeProcess(k, processHandle);
  if (!process.ok) return process.status;
  const created = yield* PspCreateThread(k, process.value, {
    setUp: (kernel, thread) => furnishUserThread(kernel, guest, thread, request),
    createSuspended: (request.flags & CREATE_SUSPENDED) !== 0,
    hideFromDebugger: (request.flags & HIDE_FROM_DEBUGGER) !== 0,
    startAddress: request.routine,
    handle: { desiredAccess: request.desiredAccess, attributes: request.attributes, mode: KeGetPreviousMode(k) },
  });
  yield* ObDereferenceObject(k, process.value);
  if (!created.ok) return created.status;
  const user = capture(k);
  user.writeU32(request.out, created.value.handle);
  const written = user.faulted ? user.status : finish(created.value);
  yield* ObDereferenceObject(k, created.value.thread);
  return written;
}

/** The process to create a thread in, referenced; user mode may not name the System process. */
function takeProcess(k: Kernel, handle: number): NtResult<EProcess> {
  if (isOwnProcess(handle)) {
    const own = ownProcess(k);
    ObReferenceObject(own);
    return { ok: true, value: own };
  }
  return referenceProcess(k, handle, PROCESS_CREATE_THREAD);
}

/** The services of a machine whose threads run x86 code. */
export function x86Services(guest: () => X86Guest): readonly NtService[] {
  return [
    { name: "NtContinue", arguments: 2, handler: NtContinue },
    { name: "NtRaiseException", arguments: 3, handler: NtRaiseException },
    { name: "NtGetContextThread", arguments: 2, handler: NtGetContextThread },
    { name: "NtSetContextThread", arguments: 2, handler: NtSetContextThread },
    { name: "NtCreateThreadEx", arguments: 11, handler: (k, a) => NtCreateThreadEx(k, guest(), a) },
  ];
}
