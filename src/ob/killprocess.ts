/** The end of a process's handles: all at once when it dies, or early, to break cycles that would keep it alive. */
import { KernelMode, UserMode } from "../abi/ke.ts";
import { ExDestroyHandleTable, ExSweepHandleTable } from "../ex/handle.ts";
import {
  ExAcquireRundownProtection,
  ExReleaseRundownProtection,
  ExRundownCompleted,
  ExWaitForRundownProtectionRelease,
} from "../ex/rundown.ts";
import { KeStackAttachProcess, KeUnstackDetachProcess } from "../ke/attach.ts";
import { KeGetCurrentThread } from "../ke/current.ts";
import { KeEnterCriticalRegion, KeLeaveCriticalRegion } from "../ke/region.ts";
import type { Kernel } from "../kernel.ts";
import { assert } from "../rtl/assert.ts";
import type { Blocking } from "../sim/blocking.ts";
import { closeEntry } from "./close.ts";
import type { ObProcess } from "./process.ts";
import { ObThread } from "./thread.ts";

/**
 * Waits until nobody works on the process from outside any more, then closes all its handles and takes its table away.
 * Runs in the last thread, or attached to a process that never ran.
 * @source ntoskrnl/ps/kill.c:451-921, PspExitThread
 */
export function* ObKillProcess(k: Kernel, process: ObProcess): Blocking<void> {
  yield* ExWaitForRundownProtectionRelease(k, process.rundownProtect);
  ExRundownCompleted(process.rundownProtect);
  const table = process.objectTable;
  if (table === null) return;
  const thread = KeGetCurrentThread(k);
  assert(thread instanceof ObThread, "every thread is the object manager's");
  // Nobody is left who could answer a hard error.
  const hardErrorsDisabled = thread.hardErrorsDisabled;
  thread.hardErrorsDisabled = true;
  KeEnterCriticalRegion(k);
  yield* ExSweepHandleTable(table, function* (handle) {
    yield* closeEntry(k, table, process, handle, { mode: KernelMode, ignoreProtection: true });
  });
  yield* KeLeaveCriticalRegion(k);
  thread.hardErrorsDisabled = hardErrorsDisabled;
  process.objectTable = null;
  ExDestroyHandleTable(k, table);
}

/**
 * Closes all handles of a process that may still be alive; its table stays usable. Does nothing for a process whose
 * handles are being closed anyway.
 * @source ntoskrnl/ps/kill.c:80-125, PspTerminateProcess
 */
export function* ObClearProcessHandleTable(k: Kernel, process: ObProcess): Blocking<void> {
  // Entered first and left last: a suspended caller would hold the rundown, and with it the process's exit.
  KeEnterCriticalRegion(k);
  if (ExAcquireRundownProtection(process.rundownProtect)) {
    const table = process.objectTable;
    if (table !== null) {
      const attachment = KeStackAttachProcess(k, process);
      yield* ExSweepHandleTable(table, function* (handle) {
        yield* closeEntry(k, table, process, handle, { mode: UserMode, ignoreProtection: true });
      });
      yield* KeUnstackDetachProcess(k, attachment);
    }
    ExReleaseRundownProtection(k, process.rundownProtect);
  }
  yield* KeLeaveCriticalRegion(k);
}
