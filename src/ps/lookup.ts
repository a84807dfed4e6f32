/** From a PID or TID to the object, referenced. The entry is found and the object referenced in one step. */
import { failure, type NtResult, STATUS_INVALID_CID, STATUS_INVALID_PARAMETER, success } from "../abi/status.ts";
import { ExMapHandleToPointer } from "../ex/handle.ts";
import type { Kernel } from "../kernel.ts";
import { ObReferenceObjectSafe } from "../ob/reference.ts";
import { EProcess, EThread } from "./objects.ts";

/** @returns the process, referenced, or INVALID_PARAMETER; a process that exited is found as long as its object lives */
export function PsLookupProcessByProcessId(k: Kernel, pid: number): NtResult<EProcess> {
  const object = ExMapHandleToPointer(k.ps.cidTable, pid)?.object;
  if (!(object instanceof EProcess) || !ObReferenceObjectSafe(object)) return failure(STATUS_INVALID_PARAMETER);
  return success(object);
}

/** @returns the thread, referenced, or INVALID_PARAMETER; one that is still being built is not found */
export function PsLookupThreadByThreadId(k: Kernel, tid: number): NtResult<EThread> {
  const object = ExMapHandleToPointer(k.ps.cidTable, tid)?.object;
  if (!(object instanceof EThread) || isHalfBuilt(k, object)) return failure(STATUS_INVALID_PARAMETER);
  if (!ObReferenceObjectSafe(object)) return failure(STATUS_INVALID_PARAMETER);
  return success(object);
}

/** The thread, without a reference: good until the caller suspends. Null if there is none in that process. */
export function peekThread(k: Kernel, pid: number, tid: number): EThread | null {
  const object = ExMapHandleToPointer(k.ps.cidTable, tid)?.object;
  if (!(object instanceof EThread) || object.ethreadListEntry.flink === null) return null;
  return object.threadsProcess.pid === pid ? object : null;
}

/** @returns the thread, referenced, or INVALID_CID, also if the thread is not one of the process */
export function PsLookupProcessThreadByCid(k: Kernel, pid: number, tid: number): NtResult<EThread> {
  const object = ExMapHandleToPointer(k.ps.cidTable, tid)?.object;
  if (!(object instanceof EThread) || isHalfBuilt(k, object)) return failure(STATUS_INVALID_CID);
  if (pid !== 0 && object.threadsProcess.pid !== pid) return failure(STATUS_INVALID_CID);
  if (!ObReferenceObjectSafe(object)) return failure(STATUS_INVALID_CID);
  return success(object);
}

/**
 * Whether the thread must not be found yet: it is not in its process's list.
 * @erratum D08, D09 a thread is found as soon as it has an id
 */
function isHalfBuilt({ sim: { errata } }: Kernel, thread: EThread): boolean {
  return thread.ethreadListEntry.flink === null && !errata.has("D08") && !errata.has("D09");
}
