/** `IO_COUNTERS`: what a process has read, written and otherwise asked of devices. */
import type { IrpMajor } from "./irp.ts";

export interface IoCounters {
  readOperations: number;
  writeOperations: number;
  otherOperations: number;
  /** Bytes. */
  readTransfer: number;
  writeTransfer: number;
  otherTransfer: number;
}

export function newCounters(): IoCounters {
  return {
    ...{ readOperations: 0, writeOperations: 0, otherOperations: 0 },
    ...{ readTransfer: 0, writeTransfer: 0, otherTransfer: 0 },
  };
}

/** Counts a request that is finished. @param bytes that it moved */
export function countRequest(counters: IoCounters, major: IrpMajor, bytes: number): void {
  switch (major) {
    case "read":
      counters.readOperations++;
      counters.readTransfer += bytes;
      return;
    case "write":
      counters.writeOperations++;
      counters.writeTransfer += bytes;
      return;
    default:
      counters.otherOperations++;
      counters.otherTransfer += bytes;
  }
}

export function addCounters(sum: IoCounters, more: Readonly<IoCounters>): void {
  sum.readOperations += more.readOperations;
  sum.writeOperations += more.writeOperations;
  sum.otherOperations += more.otherOperations;
  sum.readTransfer += more.readTransfer;
  sum.writeTransfer += more.writeTransfer;
  sum.otherTransfer += more.otherTransfer;
}
