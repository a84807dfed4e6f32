/** `IO_COUNTERS`, as processes and jobs answer it. */
import type { IoCounters } from "../../io/counters.ts";
import type { Encoder } from "../capture.ts";

/** Writes 48 bytes at an offset. */
export function encodeIoCounters(out: Encoder, at: number, io: IoCounters): void {
  out
    .u64(at, io.readOperations)
    .u64(at + 8, io.writeOperations)
    .u64(at + 16, io.otherOperations);
  out
    .u64(at + 24, io.readTransfer)
    .u64(at + 32, io.writeTransfer)
    .u64(at + 40, io.otherTransfer);
}
