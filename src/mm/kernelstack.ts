/** Kernel stacks: the pool behind them, so that running out of it is a failure that thread creation has to survive. */
import { type NtStatus, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from "../abi/status.ts";
import { ExAllocatePoolWithTag, ExFreePoolWithTag, type PoolType } from "../ex/pool.ts";
import type { KThread } from "../ke/objects.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";

export const TAG_KERNEL_STACK = "KStk";
const STACK_BYTES = 0x3000;
const LARGE_STACK_BYTES = 0xf000;

/** Pays for the stack that KeInitThread gave the thread. After a failure the caller undoes KeInitThread.
 * @returns INSUFFICIENT_RESOURCES if there is no pool for it
 */
export function MmCreateKernelStack(k: Kernel, thread: KThread, poolType: PoolType = "nonpaged"): NtStatus {
  const stack = thread.initialStack;
  assert(stack !== null, "the thread was initialised before its stack is paid for");
  assert(!k.mm.kernelStacks.has(stack.id), "a kernel stack is paid for once");
  const bytes = stack.large ? LARGE_STACK_BYTES : STACK_BYTES;
  const block = ExAllocatePoolWithTag(k, bytes, TAG_KERNEL_STACK, poolType);
  if (block === null) return STATUS_INSUFFICIENT_RESOURCES;
  k.mm.kernelStacks.set(stack.id, block);
  return STATUS_SUCCESS;
}

/** Frees the thread's kernel stack, which nobody runs on any more; `InitialStack` becomes null. */
export function MmDeleteKernelStack(k: Kernel, thread: KThread): void {
  const stack = thread.initialStack;
  assert(stack !== null, "a kernel stack is freed once");
  assert(!thread.swapBusy, "nobody runs on a kernel stack that is freed");
  const block = k.mm.kernelStacks.get(stack.id);
  if (block !== undefined) {
    k.mm.kernelStacks.delete(stack.id);
    ExFreePoolWithTag(k, block, TAG_KERNEL_STACK);
  }
  thread.initialStack = null;
  thread.stackBase = null;
}
