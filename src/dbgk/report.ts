/**
 * What a process tells its debugger of itself: threads that begin and end, images that come and go. Each routine runs in
 * the thread that it is about, and returns when the debugger has answered. A thread that is hidden from debuggers tells
 * nothing.
 */
import { UserMode } from "../abi/ke.ts";
import { CT_DEAD_THREAD, CT_HIDE_FROM_DEBUGGER, PSF_CREATE_REPORTED } from "../abi/ps.ts";
import type { NtStatus } from "../abi/status.ts";
import { Teb } from "../abi/teb.ts";
import { KeGetPreviousMode } from "../ke/current.ts";
import { KeQueryInterruptTime } from "../ke/time.ts";
import type { Kernel } from "../kernel.ts";
import { imageViewAt } from "../mm/imageview.ts";
import { ObDereferenceObject } from "../ob/reference.ts";
import { PsGetCurrentProcess, PsGetCurrentThread } from "../ps/current.ts";
import { hasCrossThreadFlag, PspSetProcessFlag } from "../ps/flags.ts";
import type { EProcess, EThread } from "../ps/objects.ts";
import type { Blocking } from "../sim/blocking.ts";
import { describeImage } from "./image.ts";
import type { DbgkMessage } from "./objects.ts";
import { DbgkpSendApiMessage, debugPortOf, fileOf } from "./queue.ts";

/**
 * The current thread is about to enter user mode for the first time. The first one of a process tells of the process and
 * of ntdll, which is there before any loader runs.
 */
export function* DbgkCreateThread(k: Kernel, thread: EThread): Blocking<void> {
  const process = thread.threadsProcess;
  const before = PspSetProcessFlag(process, PSF_CREATE_REPORTED);
  const { startAddress } = thread;
  if ((before & PSF_CREATE_REPORTED) !== 0) {
    yield* DbgkpSendApiMessage(k, { kind: "create-thread", startAddress }, { suspend: true });
    return;
  }
  const image = yield* describeImage(k, process, process.sectionBaseAddress);
  yield* sendAndRelease(k, { kind: "create-process", image, startAddress }, { suspend: false });
  const { systemDllBase } = k.dbgk;
  if (systemDllBase === 0 || imageViewAt(process, systemDllBase) === null) return;
  const ntdll = yield* describeImage(k, process, systemDllBase);
  const namePointer = thread.teb === 0 ? 0 : thread.teb + Teb.ArbitraryUserPointer;
  yield* sendAndRelease(k, { kind: "load-dll", image: ntdll, namePointer }, { suspend: false });
}

/** Sends a message with a file, and lets go of the file: the debugger has its own handle, if it wanted one. */
function* sendAndRelease(k: Kernel, message: DbgkMessage, options: { readonly suspend: boolean }): Blocking<void> {
  yield* DbgkpSendApiMessage(k, message, options);
  const file = fileOf(message);
  if (file !== null) yield* ObDereferenceObject(k, file);
}

/** Whether a dying thread has nobody to tell. */
function diesUnseen(thread: EThread): boolean {
  return thread.threadsProcess.debugPort === null || hasCrossThreadFlag(thread, CT_HIDE_FROM_DEBUGGER | CT_DEAD_THREAD);
}

/** The current thread ends, and others of its process live on; they are frozen until the debugger knows. */
export function* DbgkExitThread(k: Kernel, exitStatus: NtStatus): Blocking<void> {
  if (diesUnseen(PsGetCurrentThread(k))) return;
  yield* DbgkpSendApiMessage(k, { kind: "exit-thread", exitStatus }, { suspend: true });
}

/** The current thread is the last one; its process's status and time of exit are settled already. */
export function* DbgkExitProcess(k: Kernel, exitStatus: NtStatus): Blocking<void> {
  const thread = PsGetCurrentThread(k);
  if (diesUnseen(thread)) return;
  const process = thread.threadsProcess;
  process.exitStatus = exitStatus;
  process.exitTime = KeQueryInterruptTime(k);
  yield* DbgkpSendApiMessage(k, { kind: "exit-process", exitStatus }, { suspend: false });
}

/** The caller has mapped the image at `base` into `process`: told if it is its own, and it is user mode that did it. */
export function* DbgkMapViewOfSection(k: Kernel, process: EProcess, base: number): Blocking<void> {
  const thread = PsGetCurrentThread(k);
  if (!tellsOfImages(k, thread, process)) return;
  const image = yield* describeImage(k, process, base);
  const namePointer = thread.teb === 0 ? 0 : thread.teb + Teb.ArbitraryUserPointer;
  yield* sendAndRelease(k, { kind: "load-dll", image, namePointer }, { suspend: true });
}

/** The caller has unmapped the image that was at `base`. */
export function* DbgkUnMapViewOfSection(k: Kernel, process: EProcess, base: number): Blocking<void> {
  if (!tellsOfImages(k, PsGetCurrentThread(k), process)) return;
  yield* DbgkpSendApiMessage(k, { kind: "unload-dll", base }, { suspend: true });
}

function tellsOfImages(k: Kernel, thread: EThread, process: EProcess): boolean {
  if (KeGetPreviousMode(k) !== UserMode || process !== PsGetCurrentProcess(k)) return false;
  return debugPortOf(process) !== null && !hasCrossThreadFlag(thread, CT_HIDE_FROM_DEBUGGER);
}
