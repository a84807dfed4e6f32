/** Names of threads: a description of each that its process may set. The memory is the thread's, and goes with it. */
import { TAG_THREAD_NAME } from "../abi/ps.ts";
import { type NtStatus, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from "../abi/status.ts";
import { ExAllocatePoolWithTag, ExFreePoolWithTag } from "../ex/pool.ts";
import type { Kernel } from "../kernel.ts";
import { emit } from "../sim/record.ts";
import type { EThread } from "./objects.ts";

/** `UNICODE_STRING`, in front of the characters. */
const STRING_HEADER_BYTES = 8;

/** Gives the thread a name in place of the one that it has. @returns INSUFFICIENT_RESOURCES without pool */
export function PspSetThreadName(k: Kernel, thread: EThread, name: string): NtStatus {
  const block = ExAllocatePoolWithTag(k, STRING_HEADER_BYTES + 2 * name.length, TAG_THREAD_NAME);
  if (block === null) return STATUS_INSUFFICIENT_RESOURCES;
  PspDeleteThreadName(k, thread);
  thread.nameBlock = block;
  thread.name = name;
  emit(k, { kind: "thread-named", pid: thread.threadsProcess.pid, tid: thread.tid, name });
  return STATUS_SUCCESS;
}

/** Gives the memory of the name back. */
export function PspDeleteThreadName(k: Kernel, thread: EThread): void {
  if (thread.nameBlock !== null) ExFreePoolWithTag(k, thread.nameBlock, TAG_THREAD_NAME);
  thread.nameBlock = null;
}
