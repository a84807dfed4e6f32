/** `SystemProcessInformation`: the processes that run and their threads, as the tool help functions list them. */
import { success } from "../../abi/status.ts";
import { BOOT_SYSTEM_TIME } from "../../ke/time.ts";
import type { Kernel } from "../../kernel.ts";
import type { EProcess, EThread } from "../../ps/objects.ts";
import { listOwners } from "../../rtl/list.ts";
import { Encoder, type QueryResult } from "../capture.ts";

const PROCESS_BYTES = 184;
const THREAD_BYTES = 64;

/** One entry after another; a process that has exited is gone from the list. Name pointers are relative: see below. */
export function encodeProcessList(k: Kernel): QueryResult {
  const processes = listOwners(k.ps.activeProcessHead).filter((process) => process.signalState === 0);
  const entries = processes.map(encodeProcess);
  const total = entries.reduce((sum, entry) => sum + entry.length, 0);
  const out = new Uint8Array(total);
  let position = 0;
  for (const [index, entry] of entries.entries()) {
    const last = index === entries.length - 1;
    new DataView(entry.buffer).setUint32(0, last ? 0 : entry.length, true);
    out.set(entry, position);
    position += entry.length;
  }
  return success(out);
}

/**
 * The image name lies behind the threads. Its pointer stays null, and its length 0, since the answer does not know at
 * which address it will be read.
 */
function encodeProcess(process: EProcess): Uint8Array {
  const threads = listOwners(process.ethreadListHead).filter((thread) => thread.signalState === 0);
  const out = new Encoder(PROCESS_BYTES + THREAD_BYTES * threads.length);
  out.u32(4, threads.length).u64(32, BOOT_SYSTEM_TIME + BigInt(Math.floor(process.createTime)));
  out.u64(40, BigInt(Math.floor(process.userTime))).u64(48, BigInt(Math.floor(process.kernelTime)));
  out.u32(64, process.basePriority).u32(68, process.pid).u32(72, process.parentPid);
  out.u32(76, process.objectTable?.count ?? 0).u32(80, process.sessionId);
  for (const [index, thread] of threads.entries()) encodeThread(out, PROCESS_BYTES + THREAD_BYTES * index, thread);
  return out.bytes;
}

function encodeThread(out: Encoder, at: number, thread: EThread): void {
  out.u64(at, BigInt(Math.floor(thread.kernelTime))).u64(at + 8, BigInt(Math.floor(thread.userTime)));
  out.u64(at + 16, BOOT_SYSTEM_TIME + BigInt(Math.floor(thread.createTime)));
  out
    .u32(at + 28, thread.startAddress)
    .u32(at + 32, thread.threadsProcess.pid)
    .u32(at + 36, thread.tid);
  out.u32(at + 40, thread.priority).u32(at + 44, thread.basePriority);
  out.u32(at + 52, thread.state).u32(at + 56, thread.waitReason);
}
