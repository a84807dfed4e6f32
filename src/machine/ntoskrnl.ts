/**
 * What the kernel exports to drivers, under NT's names: import it as `ntoskrnl`. Every routine takes the kernel first. One
 * that returns `Blocking` is called with `yield*`, at PASSIVE_LEVEL or APC_LEVEL; every other may be called up to
 * DISPATCH_LEVEL.
 */

// Levels, regions, deferred calls
export {
  APC_LEVEL,
  ApcEnvironment,
  DISPATCH_LEVEL,
  KernelMode,
  PASSIVE_LEVEL,
  UserMode,
  WaitAll,
  WaitAny,
  WaitReason,
} from "../abi/ke.ts";
export type { Irql, ProcessorMode } from "../abi/ke.ts";
export { KeGetCurrentIrql, KeLowerIrql, KeRaiseIrql } from "../ke/irql.ts";
export {
  KeAreAllApcsDisabled,
  KeAreApcsDisabled,
  KeEnterCriticalRegion,
  KeEnterGuardedRegion,
  KeLeaveCriticalRegion,
  KeLeaveGuardedRegion,
} from "../ke/region.ts";
export { KeBugCheckEx } from "../ke/bugcheck.ts";
export { KeInitializeDpc, KeInsertQueueDpc } from "../ke/timer.ts";
export type { KDpc } from "../ke/objects.ts";

// What threads wait for
export { KeDelayExecutionThread, KeWaitForMultipleObjects, KeWaitForSingleObject } from "../ke/wait.ts";
export type { WaitOptions } from "../ke/wait.ts";
export { KeInitializeEvent, KeResetEvent, KeSetEvent } from "../ke/event.ts";
export { KeInitializeMutex, KeReleaseMutex } from "../ke/mutant.ts";
export { KeInitializeSemaphore, KeReleaseSemaphore } from "../ke/semaphore.ts";
export { KeCancelTimer, KeInitializeTimer, KeSetTimer } from "../ke/timer.ts";
export type { TimerSetting } from "../ke/timer.ts";
export { KeQueryInterruptTime, KeQuerySystemTime } from "../ke/time.ts";
export { KeAcquireGuardedMutex, KeReleaseGuardedMutex, KGuardedMutex } from "../ke/gmutex.ts";
export type { DispatcherHeader, KEvent, KMutant, KSemaphore, KTimer } from "../ke/objects.ts";

// APCs and attaching
export { KeInitializeApc, KeInsertQueueApc, KeRemoveQueueApc, newApc } from "../ke/apc.ts";
export type { ApcInit } from "../ke/apc.ts";
export { KApc } from "../ke/objects.ts";
export type { ApcCall, KernelRoutine, NormalRoutine, RundownRoutine } from "../ke/objects.ts";
export { KeStackAttachProcess, KeUnstackDetachProcess } from "../ke/attach.ts";

// Pool, rundown protection, work items, push locks
export { ExAllocatePoolWithTag, ExFreePoolWithTag } from "../ex/pool.ts";
export type { PoolBlock } from "../ex/pool.ts";
export {
  ExAcquireRundownProtection,
  ExReleaseRundownProtection,
  ExRundown,
  ExRundownCompleted,
  ExWaitForRundownProtectionRelease,
} from "../ex/rundown.ts";
export { ExQueueWorkItem, ExWorkItem, WorkQueueType } from "../ex/work.ts";
export { ExAcquirePushLockExclusive, ExAcquirePushLockShared, ExPushLock, ExReleasePushLock } from "../ex/pushlock.ts";

// Objects and handles
export { ObDereferenceObject, ObDereferenceObjectDeferDelete, ObReferenceObject } from "../ob/reference.ts";
export { ObOpenObjectByPointer, ObReferenceObjectByHandle } from "../ob/handle.ts";
export { ObCloseHandle } from "../ob/close.ts";

// Devices and requests
export { IoLoadDriver, IoUnloadDriver } from "../io/driver.ts";
export type { Driver, DriverObject } from "../io/driver.ts";
export { IoCreateDevice, IoCreateSymbolicLink, IoDeleteDevice, IoDeleteSymbolicLink } from "../io/device.ts";
export type { DeviceDispatch, DeviceInit, DeviceObject, DispatchRoutine } from "../io/device.ts";
export type { FileObject } from "../io/file.ts";
export { IoCancelIrp } from "../io/cancel.ts";
export { IoAcquireCancelSpinLock, IoReleaseCancelSpinLock } from "../io/cancelspinlock.ts";
export { IoCompleteRequest } from "../io/complete.ts";
export { IoSetCancelRoutine } from "../io/irp.ts";
export type { CancelRoutine, Irp, IrpMajor, IrpParameters } from "../io/irp.ts";
export { FILE_DEVICE_UNKNOWN } from "../io/constants.ts";

// Processes and threads
export { PsGetCurrentProcess, PsGetCurrentThread } from "../ps/current.ts";
export { PsLookupProcessByProcessId, PsLookupThreadByThreadId } from "../ps/lookup.ts";
export { PsCreateSystemThread } from "../ps/thread.ts";
export {
  PspIsProcessExiting,
  PspShutdownProcessManager,
  PsTerminateProcess,
  PsTerminateSystemThread,
} from "../ps/kill.ts";
export type { EProcess, EThread } from "../ps/objects.ts";
export {
  PsRemoveCreateThreadNotifyRoutine,
  PsSetCreateProcessNotifyRoutine,
  PsSetCreateProcessNotifyRoutineEx,
  PsSetCreateThreadNotifyRoutine,
} from "../ps/notify.ts";
export { PsRemoveLoadImageNotifyRoutine, PsSetLoadImageNotifyRoutine } from "../ps/imagenotify.ts";
export type { ImageInfo, ImageNotifyRoutine } from "../ps/imagenotify.ts";
export type {
  CreateNotifyInfo,
  ProcessNotifyRoutine,
  ProcessNotifyRoutineEx,
  ThreadNotifyRoutine,
  Win32Callouts,
} from "../ps/state.ts";

// Power
export { PoSetThreadExecutionState, PoSetTimerResolution } from "../po/power.ts";
export { NtShutdownSystem } from "../ps/shutdown.ts";

// The graphics driver
export { PsConvertToGuiThread, PsEstablishWin32Callouts } from "../win32k/callouts.ts";
