/** Exceptions of user mode: the debugger, the program's own handlers, the debugger again, the end of the process. */
import { CURRENT_PROCESS_HANDLE } from "../abi/ps.ts";
import { NT_SUCCESS, type NtStatus } from "../abi/status.ts";
import { KeQueryInterruptTime } from "../ke/time.ts";
import type { ExceptionRecord } from "../ke/usermode.ts";
import type { Kernel } from "../kernel.ts";
import type { Blocking } from "../sim/blocking.ts";
import { emit } from "../sim/record.ts";
import { PsGetCurrentThread } from "./current.ts";
import { NtTerminateProcess } from "./killservices.ts";
import type { EThread } from "./objects.ts";

/**
 * Delivers an exception of the current thread. The first chance goes to the debugger, then to the program's handlers; if
 * they decline, or the user stack cannot take the exception, the debugger gets its second chance. Then the process ends
 * with the exception's code.
 */
export function* KiDispatchException(
  k: Kernel,
  record: ExceptionRecord,
  options: { readonly firstChance: boolean },
): Blocking<void> {
  const thread = PsGetCurrentThread(k);
  thread.lastException = record.code;
  thread.lastExceptionAddress = record.address;
  emit(k, {
    kind: "exception",
    time: KeQueryInterruptTime(k),
    pid: thread.threadsProcess.pid,
    tid: thread.tid,
    code: record.code,
    address: record.address,
    chance: options.firstChance ? 1 : 2,
  });
  if (options.firstChance) {
    if (yield* debuggerHandles(k, thread, record, { secondChance: false })) return;
    if (thread.user !== null && NT_SUCCESS(thread.user.enterException(k, thread, record))) return;
  }
  if (yield* debuggerHandles(k, thread, record, { secondChance: true })) return;
  yield* endByException(k, record.code);
}

function* debuggerHandles(
  k: Kernel,
  thread: EThread,
  record: ExceptionRecord,
  options: { readonly secondChance: boolean },
): Blocking<boolean> {
  return thread.threadsProcess.debugPort !== null && (yield* k.ps.dbgk.forwardException(k, record, options));
}

/** The unhandled exception ends the process. Only the first one of a process names its certificate. */
function* endByException(k: Kernel, code: NtStatus): Blocking<void> {
  const thread = PsGetCurrentThread(k);
  k.ps.crashed.add(thread.threadsProcess.pid);
  thread.killRequest ??= {
    route: "exception",
    killer: { pid: thread.threadsProcess.pid, tid: thread.tid },
    via: "unhandled exception",
    from: thread.lastExceptionAddress,
    status: code,
  };
  if (k.sim.record !== null) {
    const { pid } = thread.threadsProcess;
    const time = KeQueryInterruptTime(k);
    emit(k, { kind: "thread-marked", time, pid, tid: thread.tid, request: thread.killRequest });
  }
  yield* NtTerminateProcess(k, CURRENT_PROCESS_HANDLE, code);
}
