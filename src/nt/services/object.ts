/**
 * System services on handles and waits. Handles and times are captured before the wait begins: what the program changes
 * meanwhile has no effect on it.
 */
import { MAXIMUM_WAIT_OBJECTS } from "../../abi/ke.ts";
import { PROCESS_DUP_HANDLE } from "../../abi/ps.ts";
import { type NtStatus, STATUS_INVALID_PARAMETER_1, STATUS_SUCCESS } from "../../abi/status.ts";
import { KeGetPreviousMode } from "../../ke/current.ts";
import type { Kernel } from "../../kernel.ts";
import { NtClose } from "../../ob/close.ts";
import { ObDuplicateObject } from "../../ob/duplicate.ts";
import { ObDereferenceObject, ObReferenceObject } from "../../ob/reference.ts";
import { NtSignalAndWaitForSingleObject, NtWaitForMultipleObjects, NtWaitForSingleObject } from "../../ob/wait.ts";
import type { EProcess } from "../../ps/objects.ts";
import type { NtResult } from "../../abi/status.ts";
import type { Blocking } from "../../sim/blocking.ts";
import { answer, capture, isOwnProcess, ownProcess, probeOut, readTimeout, referenceProcess } from "../capture.ts";
import type { NtService, ServiceArguments } from "../table.ts";

function wait(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [handle = 0, alertable = 0, timeoutPointer = 0] = a;
  const user = capture(k);
  const timeout = readTimeout(k, user, timeoutPointer);
  if (user.faulted) return user.status;
  return NtWaitForSingleObject(k, handle, (alertable & 0xff) !== 0, timeout);
}

function waitForMany(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [count = 0, handlesPointer = 0, waitType = 0, alertable = 0, timeoutPointer = 0] = a;
  if (count === 0 || count > MAXIMUM_WAIT_OBJECTS) return STATUS_INVALID_PARAMETER_1;
  const user = capture(k);
  const handles: number[] = [];
  for (let index = 0; index < count; index++) handles.push(user.readU32(handlesPointer + 4 * index));
  const timeout = readTimeout(k, user, timeoutPointer);
  if (user.faulted) return user.status;
  return NtWaitForMultipleObjects(k, handles, waitType, (alertable & 0xff) !== 0, timeout);
}

function signalAndWait(k: Kernel, a: ServiceArguments): NtStatus | Blocking<NtStatus> {
  const [signal = 0, handle = 0, alertable = 0, timeoutPointer = 0] = a;
  const user = capture(k);
  const timeout = readTimeout(k, user, timeoutPointer);
  if (user.faulted) return user.status;
  return NtSignalAndWaitForSingleObject(k, signal, handle, (alertable & 0xff) !== 0, timeout);
}

function* duplicate(k: Kernel, a: ServiceArguments): Blocking<NtStatus> {
  const [sourceProcess = 0, handle = 0, targetProcess = 0, out = 0] = a;
  const [, , , , desiredAccess = 0, attributes = 0, options = 0] = a;
  const user = capture(k);
  probeOut(user, out);
  if (user.faulted) return user.status;
  const source = takeProcess(k, sourceProcess);
  if (!source.ok) return source.status;
  const target = targetProcess === 0 ? null : takeProcess(k, targetProcess);
  const mode = KeGetPreviousMode(k);
  const result: NtResult<number> =
    target !== null && !target.ok
      ? target
      : yield* ObDuplicateObject(k, source.value, handle, target?.value ?? null, {
          desiredAccess,
          attributes,
          options,
          mode,
        });
  yield* ObDereferenceObject(k, source.value);
  if (target !== null && target.ok) yield* ObDereferenceObject(k, target.value);
  return result.ok && targetProcess === 0 ? STATUS_SUCCESS : answer(k, out, result);
}

function takeProcess(k: Kernel, handle: number): NtResult<EProcess> {
  if (!isOwnProcess(handle)) return referenceProcess(k, handle, PROCESS_DUP_HANDLE);
  const process = ownProcess(k);
  ObReferenceObject(process);
  return { ok: true, value: process };
}

export const objectServices: readonly NtService[] = [
  { name: "NtClose", arguments: 1, handler: (k, [handle = 0]) => NtClose(k, handle) },
  { name: "NtDuplicateObject", arguments: 7, handler: duplicate },
  { name: "NtWaitForSingleObject", arguments: 3, handler: wait },
  { name: "NtWaitForMultipleObjects", arguments: 5, handler: waitForMany },
  { name: "NtSignalAndWaitForSingleObject", arguments: 4, handler: signalAndWait },
];
