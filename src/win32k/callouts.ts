/**
 * The callout table of the graphics driver: it registers what is called when a process or a thread begins to use it, and
 * when they exit (steps E23 and E24).
 *
 * Invariants: a thread is told to begin once, and told to exit if and only if it began; the process begins before its
 * first such thread and exits after its last thread. The callouts keep what they need in `win32Process` and
 * `win32Thread`, and set them back to null when they are told to exit.
 */
import { UserMode } from "../abi/ke.ts";
import {
  NT_SUCCESS,
  type NtStatus,
  STATUS_ACCESS_DENIED,
  STATUS_ALREADY_WIN32,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
} from "../abi/status.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import type { Kernel } from "../kernel.ts";
import { PsGetCurrentThread } from "../ps/current.ts";
import type { Win32Callouts } from "../ps/state.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";

/**
 * Registers the callouts; there is one graphics driver. Null takes them away, which only a driver may do whose processes
 * and threads have all exited.
 * @public for drivers
 */
export function PsEstablishWin32Callouts(k: Kernel, callouts: Win32Callouts | null): void {
  k.ps.win32Callouts = callouts;
}

/**
 * Makes the current thread one that uses the graphics driver, and its process too if it is the first.
 * @returns INVALID_PARAMETER unless it was called for user mode, ACCESS_DENIED without a graphics driver, ALREADY_WIN32, or
 *   what a callout answers: then the thread is as before
 * @public for drivers
 */
export function* PsConvertToGuiThread(k: Kernel): Blocking<NtStatus> {
  const thread = PsGetCurrentThread(k);
  const callouts = k.ps.win32Callouts;
  if (KeGetPreviousMode(k) !== UserMode) return STATUS_INVALID_PARAMETER;
  if (callouts === null) return STATUS_ACCESS_DENIED;
  if (thread.win32Thread !== null) return STATUS_ALREADY_WIN32;
  const process = thread.threadsProcess;
  if (process.win32Process === null) {
    const status = yield* callouts.process(k, process, true);
    if (!NT_SUCCESS(status)) return status;
  }
  const status = yield* callouts.thread(k, thread, "initialize");
  if (NT_SUCCESS(status)) return STATUS_SUCCESS;
  assert(thread.win32Thread === null, "a thread that the graphics driver refused does not belong to it");
  return status;
}
