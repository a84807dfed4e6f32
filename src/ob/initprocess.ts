/**
 * The handle table of a new process: empty, or a copy of what its parent lets it inherit. A copied handle counts like
 * any other, on the object and in its type.
 */
import {
  NT_SUCCESS,
  type NtStatus,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import {
  ExCreateHandleTable,
  ExDestroyHandle,
  ExDestroyHandleTable,
  ExDupHandleTable,
  ExEnumHandleTable,
  HANDLE_INHERIT,
  type HandleTable,
} from "../ex/handle.ts";
import { ExAcquireRundownProtection, ExReleaseRundownProtection } from "../ex/rundown.ts";
import type { Kernel } from "../kernel.ts";
import { countHandle } from "./handle.ts";
import { handlesOf, headerOf } from "./header.ts";
import type { ObProcess } from "./process.ts";

/**
 * Gives the process a table, with the parent's inheritable handles under the same values.
 * @returns PROCESS_IS_TERMINATING if the parent's handles are being closed; INSUFFICIENT_RESOURCES; QUOTA_EXCEEDED
 */
export function ObInitProcess(k: Kernel, parent: ObProcess | null, process: ObProcess): NtStatus {
  const table = ExCreateHandleTable(k, process.quotaBlock);
  if (table === null) return STATUS_INSUFFICIENT_RESOURCES;
  const status = parent === null ? STATUS_SUCCESS : inheritHandles(k, parent, process, table);
  if (NT_SUCCESS(status)) process.objectTable = table;
  else ExDestroyHandleTable(k, table);
  return status;
}

function inheritHandles(k: Kernel, parent: ObProcess, process: ObProcess, table: HandleTable): NtStatus {
  if (!ExAcquireRundownProtection(parent.rundownProtect)) return STATUS_PROCESS_IS_TERMINATING;
  const source = parent.objectTable;
  let status: NtStatus = STATUS_PROCESS_IS_TERMINATING;
  if (source !== null) {
    status = ExDupHandleTable(k, source, table, (entry) => (entry.attributes & HANDLE_INHERIT) !== 0);
    if (NT_SUCCESS(status)) countInherited(k, process, table);
  }
  ExReleaseRundownProtection(k, parent.rundownProtect);
  return status;
}

/** Counts the copied handles; one that its type refuses is not inherited. */
function countInherited(k: Kernel, process: ObProcess, table: HandleTable): void {
  ExEnumHandleTable(table, (handle, entry) => {
    const body = entry.object;
    if (body === null) return false;
    const header = headerOf(body);
    const { openProcedure } = header.type;
    const count = handlesOf(header, process) + 1;
    const allowed =
      openProcedure === null || NT_SUCCESS(openProcedure(k, "inherit", process, body, entry.grantedAccess, count));
    if (!allowed) {
      ExDestroyHandle(table, handle);
      return false;
    }
    header.pointerCount++;
    countHandle(k, body, process, handle);
    return false;
  });
}
