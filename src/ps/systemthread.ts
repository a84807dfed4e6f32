/**
 * System threads: threads of the System process that never leave the kernel. Workers are started from plain code, also
 * at DISPATCH_LEVEL, so this creation takes no lock: nothing can come between its steps.
 */
import { CT_SYSTEM_THREAD, THREAD_ALL_ACCESS } from "../abi/ps.ts";
import { NT_SUCCESS } from "../abi/status.ts";
import { ExCreateHandle } from "../ex/handle.ts";
import { takeQuota } from "../ex/quota.ts";
import { KeInitThread, KeReadyThread, KeStartThread } from "../ke/thread.ts";
import { KeQueryInterruptTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { MmCreateKernelStack } from "../mm/kernelstack.ts";
import { ObCreateObject } from "../ob/create.ts";
import { ObReferenceObject } from "../ob/reference.ts";
import { assert } from "../rtl/assert.ts";
import { insertTail } from "../rtl/list.ts";
import type { Blocking } from "../sim/blocking.ts";
import { newObjectId } from "../sim/identity.ts";
import { EThread } from "./objects.ts";
import { PspSystemThreadStartup } from "./startup.ts";

/** Priority of worker threads: above every ordinary user thread. */
const WORKER_PRIORITY = 13;

/** Creates and starts a system thread. It has no creator, so its creation reference is its keep-alive. */
export function startSystemThread(k: Kernel, routine: (k: Kernel) => Blocking<void>, name: string): EThread {
  const process = k.ps.initialSystemProcess;
  assert(process !== null, "the System process exists before any system thread");
  const ids = { semaphore: newObjectId(k), timeout: newObjectId(k) };
  const thread = new EThread(newObjectId(k), process, ids);
  // The reaper may need its worker just when the pool is exhausted, and nothing would ever be freed without it.
  const poolType = "must-succeed";
  const created = ObCreateObject(k, k.ps.threadType, thread, { poolType });
  assert(NT_SUCCESS(created), "the machine has room for its own threads");
  ObReferenceObject(process);
  if (process.quotaBlock !== null) takeQuota(process.quotaBlock, "threads", 1);
  const id = ExCreateHandle(k, k.ps.cidTable, thread, 0, 0, poolType);
  assert(id.ok, "the machine has ids for its own threads");
  thread.tid = id.value;
  thread.name = name;
  thread.crossThreadFlags |= CT_SYSTEM_THREAD;
  thread.grantedAccess = THREAD_ALL_ACCESS;
  thread.createTime = KeQueryInterruptTime(k);
  thread.basePriority = WORKER_PRIORITY;
  thread.priority = WORKER_PRIORITY;
  KeInitThread(k, thread, (kernel) => PspSystemThreadStartup(kernel, routine));
  assert(NT_SUCCESS(MmCreateKernelStack(k, thread, poolType)), "the machine has room for its own stacks");
  insertTail(process.ethreadListHead, thread.ethreadListEntry);
  process.activeThreads++;
  KeStartThread(k, thread);
  KeReadyThread(k, thread);
  return thread;
}
