/**
 * Copying between address spaces (`NtReadVirtualMemory`, `NtWriteVirtualMemory`). Both ends go through the faults of
 * their own process, and a copy that breaks off says how much has arrived.
 */
import { MM_USER_PROBE_ADDRESS, STATUS_PARTIAL_COPY } from "../abi/mm.ts";
import {
  type NtStatus,
  STATUS_ACCESS_VIOLATION,
  STATUS_PROCESS_IS_TERMINATING,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import type { Kernel } from "../kernel.ts";
import type { MmProcess } from "./process.ts";
import { UserMemory } from "./usermemory.ts";

export interface CopyEnd {
  readonly process: MmProcess;
  readonly address: number;
}

export interface CopyResult {
  readonly status: NtStatus;
  /** Bytes that have arrived, also if the copy broke off. */
  readonly bytes: number;
}

/** A page at a time, so that a copy that breaks off has delivered everything in front of the page that failed. */
const CHUNK = 0x1000;

/** @returns ACCESS_VIOLATION: a range is not user memory; PROCESS_IS_TERMINATING; PARTIAL_COPY: a page was not there */
export function MmCopyVirtualMemory(k: Kernel, source: CopyEnd, target: CopyEnd, length: number): CopyResult {
  if (length === 0) return { status: STATUS_SUCCESS, bytes: 0 };
  if (!isUserRange(source.address, length)) return { status: STATUS_ACCESS_VIOLATION, bytes: 0 };
  if (!isUserRange(target.address, length)) return { status: STATUS_ACCESS_VIOLATION, bytes: 0 };
  if (source.process.vmDeleted || target.process.vmDeleted) return { status: STATUS_PROCESS_IS_TERMINATING, bytes: 0 };
  const from = new UserMemory(k, source.process);
  const to = new UserMemory(k, target.process);
  let copied = 0;
  while (copied < length) {
    // Pieces end where pages of either side end.
    const sourceRest = CHUNK - ((source.address + copied) & (CHUNK - 1));
    const targetRest = CHUNK - ((target.address + copied) & (CHUNK - 1));
    const count = Math.min(length - copied, sourceRest, targetRest);
    const piece = from.readBytes(source.address + copied, count);
    if (from.faulted) break;
    to.writeBytes(target.address + copied, piece);
    if (to.faulted) break;
    copied += count;
  }
  return { status: copied === length ? STATUS_SUCCESS : STATUS_PARTIAL_COPY, bytes: copied };
}

function isUserRange(address: number, bytes: number): boolean {
  return address >= 0 && address + bytes <= MM_USER_PROBE_ADDRESS;
}
