/** Constants of the kernel's dispatcher that drivers, the executive and user mode share. */

/** `KPROCESSOR_MODE`. */
export type ProcessorMode = 0 | 1;
export const KernelMode = 0;
export const UserMode = 1;

declare const irqlBrand: unique symbol;
/** Interrupt request level of a processor. */
export type Irql = number & { readonly [irqlBrand]: true };
export const PASSIVE_LEVEL: Irql = 0 as Irql;
export const APC_LEVEL: Irql = 1 as Irql;
export const DISPATCH_LEVEL: Irql = 2 as Irql;

/** First byte of every dispatcher object. */
export const DispatcherType = {
  EventNotification: 0,
  EventSynchronization: 1,
  Mutant: 2,
  Process: 3,
  Queue: 4,
  Semaphore: 5,
  Thread: 6,
  TimerNotification: 8,
  TimerSynchronization: 9,
} as const;
export type DispatcherType = (typeof DispatcherType)[keyof typeof DispatcherType];

/** `KTHREAD_STATE`. */
export const ThreadState = {
  Initialized: 0,
  Ready: 1,
  Running: 2,
  Standby: 3,
  Terminated: 4,
  Waiting: 5,
} as const;
export type ThreadState = (typeof ThreadState)[keyof typeof ThreadState];

/** `KAPC_ENVIRONMENT`. */
export const ApcEnvironment = { Original: 0, Attached: 1, Current: 2, Insert: 3 } as const;
export type ApcEnvironment = (typeof ApcEnvironment)[keyof typeof ApcEnvironment];

/** `KWAIT_REASON`, as far as it is told apart here. */
export const WaitReason = {
  Executive: 0,
  Suspended: 5,
  UserRequest: 6,
  WrQueue: 15,
  WrLpcReceive: 16,
  WrLpcReply: 17,
  DelayExecution: 4,
  WrAlertByThreadId: 37,
  WrPushLock: 28,
  WrRundown: 36,
} as const;
export type WaitReason = (typeof WaitReason)[keyof typeof WaitReason];

/** `WAIT_TYPE`. */
export const WaitAll = 0;
export const WaitAny = 1;
export type WaitType = 0 | 1;

export const MAXIMUM_SUSPEND_COUNT = 0x7f;
export const MAXIMUM_WAIT_OBJECTS = 64;
/** `MINLONG`: the recursion limit of a mutant. */
export const MINLONG = -0x80000000;

export const LOW_REALTIME_PRIORITY = 16;
export const HIGH_PRIORITY = 31;

/** Bugcheck codes that this kernel raises, by name. */
export const BugCheckCode = {
  APC_INDEX_MISMATCH: 0x01,
  INVALID_PROCESS_ATTACH_ATTEMPT: 0x05,
  INVALID_PROCESS_DETACH_ATTEMPT: 0x06,
  IRQL_NOT_LESS_OR_EQUAL: 0x0a,
  MAXIMUM_WAIT_OBJECTS_EXCEEDED: 0x0c,
  SPIN_LOCK_ALREADY_OWNED: 0x0f,
  SPIN_LOCK_NOT_OWNED: 0x10,
  CID_HANDLE_DELETION: 0x17,
  REFERENCE_BY_POINTER: 0x18,
  KMODE_EXCEPTION_NOT_HANDLED: 0x1e,
  KERNEL_APC_PENDING_DURING_EXIT: 0x20,
  MULTIPLE_IRP_COMPLETE_REQUESTS: 0x44,
  CANCEL_STATE_IN_COMPLETED_IRP: 0x48,
  IRQL_GT_ZERO_AT_SYSTEM_SERVICE: 0x4a,
  PAGE_FAULT_IN_NONPAGED_AREA: 0x50,
  SYSTEM_THREAD_EXCEPTION_NOT_HANDLED: 0x7e,
  INVALID_KERNEL_HANDLE: 0x93,
  KERNEL_STACK_LOCKED_AT_EXIT: 0x94,
  BAD_POOL_CALLER: 0xc2,
  TIMER_OR_DPC_INVALID: 0xc7,
  IRQL_UNEXPECTED_VALUE: 0xc8,
  DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS: 0xce,
  IMPERSONATING_WORKER_THREAD: 0xdf,
  WORKER_THREAD_RETURNED_AT_BAD_IRQL: 0xe1,
  ACTIVE_EX_WORKER_THREAD_TERMINATION: 0xe9,
  CRITICAL_PROCESS_DIED: 0xef,
  CRITICAL_OBJECT_TERMINATION: 0xf4,
  THREAD_TERMINATE_HELD_MUTEX: 0x4000008a,
} as const;
export type BugCheckCode = (typeof BugCheckCode)[keyof typeof BugCheckCode];
