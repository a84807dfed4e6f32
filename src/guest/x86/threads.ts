/**
 * A user thread's stack, TEB and first frame. Whatever was made before a failure goes with the thread, and a thread has
 * a user context only when everything else is there.
 */
import { type NtStatus, NT_SUCCESS, STATUS_SUCCESS } from "../../abi/status.ts";
import type { Kernel } from "../../kernel.ts";
import { MmCreateUserStack, MmFreeUserStack } from "../../mm/stack.ts";
import { MmCreateTeb } from "../../mm/teb.ts";
import { UserMemory } from "../../mm/usermemory.ts";
import type { EThread } from "../../ps/objects.ts";
import type { Environment } from "../environment.ts";
import { pushStartFrame } from "./frames.ts";
import { X86UserContext, type X86Machine } from "./user.ts";

/** What a new thread runs, and how large its stack is. */
export interface UserThreadPlan {
  readonly routine: number;
  readonly argument: number;
  /** Bytes; 0 takes the image's. */
  readonly stackReserve: number;
  readonly stackCommit: number;
}

/** An environment at work in one machine. */
export interface X86Guest {
  readonly machine: X86Machine;
  readonly environment: Environment;
  /** Where system calls of the Win32 environment trap, the same in every process; 0 for the built-in ntdll. */
  readonly systemCallStub: number;
}

/** Gives a thread its user half. Whatever was made before a failure goes with the thread. */
export function furnishUserThread(k: Kernel, guest: X86Guest, thread: EThread, plan: UserThreadPlan): NtStatus {
  const process = thread.threadsProcess;
  const { machine, environment, systemCallStub } = guest;
  // Wine's ntdll clears almost the whole stack of a new thread, so that stack must be there.
  const commit = environment.kind === "win32" ? "all" : plan.stackCommit;
  const stack = MmCreateUserStack(k, process, { reserve: plan.stackReserve, commit });
  if (!stack.ok) return stack.status;
  const teb = MmCreateTeb(k, process, {
    clientId: { process: process.pid, thread: thread.tid },
    stack: stack.value,
    wow32Reserved: systemCallStub,
  });
  if (!teb.ok) {
    MmFreeUserStack(k, process, stack.value.allocation);
    return teb.status;
  }
  thread.teb = teb.value;
  thread.kernelFreesStack = stack.value.allocation;
  thread.startAddress = plan.routine;
  thread.win32StartAddress = plan.routine;
  const context = new X86UserContext(machine);
  const status = writeStart(k, thread, context, environment, stack.value.base, plan);
  if (!NT_SUCCESS(status)) {
    MmFreeUserStack(k, process, stack.value.allocation);
    thread.kernelFreesStack = 0;
    return status;
  }
  thread.user = context;
  return STATUS_SUCCESS;
}

function writeStart(
  k: Kernel,
  thread: EThread,
  context: X86UserContext,
  environment: Environment,
  stackBase: number,
  plan: UserThreadPlan,
): NtStatus {
  const user = new UserMemory(k, thread.threadsProcess);
  const { RtlUserThreadStart: userThreadStart, LdrInitializeThunk } = environment.entry;
  const { routine, argument } = plan;
  const esp = pushStartFrame(user, context.saved, { stackBase, userThreadStart, routine, argument });
  if (user.faulted) return user.status;
  context.start(LdrInitializeThunk, esp);
  return STATUS_SUCCESS;
}
