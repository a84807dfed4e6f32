/** NTSTATUS values, verbatim. A status is an unsigned 32-bit number. */

declare const ntStatusBrand: unique symbol;
/** An unsigned 32-bit NTSTATUS. */
export type NtStatus = number & { readonly [ntStatusBrand]: true };

/** Mints a status from any 32-bit number, such as an exit code that a guest chose. */
export function ntStatus(value: number): NtStatus {
  return (value >>> 0) as NtStatus;
}

/** `NT_SUCCESS`: success and informational statuses. */
export function NT_SUCCESS(status: NtStatus): boolean {
  return status < 0x80000000;
}

/** `NT_ERROR`: severity 3. */
export function NT_ERROR(status: NtStatus): boolean {
  return status >= 0xc0000000;
}

/** The answer of a routine that yields a value or fails with a status. */
export type NtResult<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly status: NtStatus };

export function success<T>(value: T): NtResult<T> {
  return { ok: true, value };
}

export function failure<T = never>(status: NtStatus): NtResult<T> {
  return { ok: false, status };
}

export const STATUS_SUCCESS: NtStatus = ntStatus(0x00000000);
export const STATUS_ABANDONED_WAIT_0: NtStatus = ntStatus(0x00000080);
export const STATUS_USER_APC: NtStatus = ntStatus(0x000000c0);
export const STATUS_KERNEL_APC: NtStatus = ntStatus(0x00000100);
export const STATUS_ALERTED: NtStatus = ntStatus(0x00000101);
export const STATUS_TIMEOUT: NtStatus = ntStatus(0x00000102);
export const STATUS_PENDING: NtStatus = ntStatus(0x00000103);
export const STATUS_ALREADY_WIN32: NtStatus = ntStatus(0x4000001b);
export const STATUS_OBJECT_NAME_EXISTS: NtStatus = ntStatus(0x40000000);
export const STATUS_IMAGE_NOT_AT_BASE: NtStatus = ntStatus(0x40000003);
export const STATUS_NO_YIELD_PERFORMED: NtStatus = ntStatus(0x40000024);
export const STATUS_PROCESS_NOT_IN_JOB: NtStatus = ntStatus(0x00000123);
export const STATUS_PROCESS_IN_JOB: NtStatus = ntStatus(0x00000124);
export const STATUS_GUARD_PAGE_VIOLATION: NtStatus = ntStatus(0x80000001);
export const STATUS_DATATYPE_MISALIGNMENT: NtStatus = ntStatus(0x80000002);
export const STATUS_BREAKPOINT: NtStatus = ntStatus(0x80000003);
export const STATUS_SINGLE_STEP: NtStatus = ntStatus(0x80000004);
export const STATUS_BUFFER_OVERFLOW: NtStatus = ntStatus(0x80000005);
export const STATUS_NO_MORE_FILES: NtStatus = ntStatus(0x80000006);
export const STATUS_NO_MORE_ENTRIES: NtStatus = ntStatus(0x8000001a);
export const STATUS_UNSUCCESSFUL: NtStatus = ntStatus(0xc0000001);
export const STATUS_NOT_IMPLEMENTED: NtStatus = ntStatus(0xc0000002);
export const STATUS_INVALID_INFO_CLASS: NtStatus = ntStatus(0xc0000003);
export const STATUS_INFO_LENGTH_MISMATCH: NtStatus = ntStatus(0xc0000004);
export const STATUS_ACCESS_VIOLATION: NtStatus = ntStatus(0xc0000005);
export const STATUS_IN_PAGE_ERROR: NtStatus = ntStatus(0xc0000006);
export const STATUS_INVALID_HANDLE: NtStatus = ntStatus(0xc0000008);
export const STATUS_BAD_INITIAL_STACK: NtStatus = ntStatus(0xc0000009);
export const STATUS_INVALID_CID: NtStatus = ntStatus(0xc000000b);
export const STATUS_INVALID_PARAMETER: NtStatus = ntStatus(0xc000000d);
export const STATUS_NO_SUCH_FILE: NtStatus = ntStatus(0xc000000f);
export const STATUS_INVALID_DEVICE_REQUEST: NtStatus = ntStatus(0xc0000010);
export const STATUS_END_OF_FILE: NtStatus = ntStatus(0xc0000011);
export const STATUS_NO_MEMORY: NtStatus = ntStatus(0xc0000017);
export const STATUS_CONFLICTING_ADDRESSES: NtStatus = ntStatus(0xc0000018);
export const STATUS_NOT_MAPPED_VIEW: NtStatus = ntStatus(0xc0000019);
export const STATUS_UNABLE_TO_FREE_VM: NtStatus = ntStatus(0xc000001a);
export const STATUS_ILLEGAL_INSTRUCTION: NtStatus = ntStatus(0xc000001d);
export const STATUS_INVALID_VIEW_SIZE: NtStatus = ntStatus(0xc000001f);
export const STATUS_INVALID_FILE_FOR_SECTION: NtStatus = ntStatus(0xc0000020);
export const STATUS_ACCESS_DENIED: NtStatus = ntStatus(0xc0000022);
export const STATUS_BUFFER_TOO_SMALL: NtStatus = ntStatus(0xc0000023);
export const STATUS_OBJECT_TYPE_MISMATCH: NtStatus = ntStatus(0xc0000024);
export const STATUS_NONCONTINUABLE_EXCEPTION: NtStatus = ntStatus(0xc0000025);
export const STATUS_INVALID_DISPOSITION: NtStatus = ntStatus(0xc0000026);
export const STATUS_NOT_COMMITTED: NtStatus = ntStatus(0xc000002d);
export const STATUS_INVALID_PORT_ATTRIBUTES: NtStatus = ntStatus(0xc000002e);
export const STATUS_PORT_MESSAGE_TOO_LONG: NtStatus = ntStatus(0xc000002f);
export const STATUS_INVALID_PARAMETER_MIX: NtStatus = ntStatus(0xc0000030);
export const STATUS_OBJECT_NAME_INVALID: NtStatus = ntStatus(0xc0000033);
export const STATUS_OBJECT_NAME_NOT_FOUND: NtStatus = ntStatus(0xc0000034);
export const STATUS_OBJECT_NAME_COLLISION: NtStatus = ntStatus(0xc0000035);
export const STATUS_PORT_DISCONNECTED: NtStatus = ntStatus(0xc0000037);
export const STATUS_OBJECT_PATH_NOT_FOUND: NtStatus = ntStatus(0xc000003a);
export const STATUS_OBJECT_PATH_SYNTAX_BAD: NtStatus = ntStatus(0xc000003b);
export const STATUS_SECTION_TOO_BIG: NtStatus = ntStatus(0xc0000040);
export const STATUS_PORT_CONNECTION_REFUSED: NtStatus = ntStatus(0xc0000041);
export const STATUS_SECTION_PROTECTION: NtStatus = ntStatus(0xc000004e);
export const STATUS_INVALID_PAGE_PROTECTION: NtStatus = ntStatus(0xc0000045);
export const STATUS_QUOTA_EXCEEDED: NtStatus = ntStatus(0xc0000044);
export const STATUS_MUTANT_NOT_OWNED: NtStatus = ntStatus(0xc0000046);
export const STATUS_SEMAPHORE_LIMIT_EXCEEDED: NtStatus = ntStatus(0xc0000047);
export const STATUS_PORT_ALREADY_SET: NtStatus = ntStatus(0xc0000048);
export const STATUS_SUSPEND_COUNT_EXCEEDED: NtStatus = ntStatus(0xc000004a);
export const STATUS_THREAD_IS_TERMINATING: NtStatus = ntStatus(0xc000004b);
export const STATUS_BAD_WORKING_SET_LIMIT: NtStatus = ntStatus(0xc000004c);
export const STATUS_PRIVILEGE_NOT_HELD: NtStatus = ntStatus(0xc0000061);
export const STATUS_PROCEDURE_NOT_FOUND: NtStatus = ntStatus(0xc000007a);
export const STATUS_INVALID_IMAGE_FORMAT: NtStatus = ntStatus(0xc000007b);
export const STATUS_INSTRUCTION_MISALIGNMENT: NtStatus = ntStatus(0xc00000aa);
export const STATUS_ARRAY_BOUNDS_EXCEEDED: NtStatus = ntStatus(0xc000008c);
export const STATUS_FLOAT_DENORMAL_OPERAND: NtStatus = ntStatus(0xc000008d);
export const STATUS_FLOAT_DIVIDE_BY_ZERO: NtStatus = ntStatus(0xc000008e);
export const STATUS_FLOAT_INEXACT_RESULT: NtStatus = ntStatus(0xc000008f);
export const STATUS_FLOAT_INVALID_OPERATION: NtStatus = ntStatus(0xc0000090);
export const STATUS_FLOAT_OVERFLOW: NtStatus = ntStatus(0xc0000091);
export const STATUS_FLOAT_STACK_CHECK: NtStatus = ntStatus(0xc0000092);
export const STATUS_FLOAT_UNDERFLOW: NtStatus = ntStatus(0xc0000093);
export const STATUS_INTEGER_DIVIDE_BY_ZERO: NtStatus = ntStatus(0xc0000094);
export const STATUS_INTEGER_OVERFLOW: NtStatus = ntStatus(0xc0000095);
export const STATUS_PRIVILEGED_INSTRUCTION: NtStatus = ntStatus(0xc0000096);
export const STATUS_INSUFFICIENT_RESOURCES: NtStatus = ntStatus(0xc000009a);
export const STATUS_COMMITMENT_LIMIT: NtStatus = ntStatus(0xc000012d);
export const STATUS_FREE_VM_NOT_AT_BASE: NtStatus = ntStatus(0xc000009f);
export const STATUS_MEMORY_NOT_ALLOCATED: NtStatus = ntStatus(0xc00000a0);
export const STATUS_PIPE_BROKEN: NtStatus = ntStatus(0xc000014b);
export const STATUS_NOT_SUPPORTED: NtStatus = ntStatus(0xc00000bb);
export const STATUS_FILE_IS_A_DIRECTORY: NtStatus = ntStatus(0xc00000ba);
export const STATUS_CANT_TERMINATE_SELF: NtStatus = ntStatus(0xc00000db);
export const STATUS_INVALID_PARAMETER_1: NtStatus = ntStatus(0xc00000ef);
export const STATUS_INVALID_PARAMETER_2: NtStatus = ntStatus(0xc00000f0);
export const STATUS_INVALID_PARAMETER_3: NtStatus = ntStatus(0xc00000f1);
export const STATUS_INVALID_PARAMETER_4: NtStatus = ntStatus(0xc00000f2);
export const STATUS_INVALID_PARAMETER_5: NtStatus = ntStatus(0xc00000f3);
export const STATUS_INVALID_PARAMETER_6: NtStatus = ntStatus(0xc00000f4);
export const STATUS_STACK_OVERFLOW: NtStatus = ntStatus(0xc00000fd);
export const STATUS_NOT_A_DIRECTORY: NtStatus = ntStatus(0xc0000103);
export const STATUS_IMAGE_ALREADY_LOADED: NtStatus = ntStatus(0xc000010e);
export const STATUS_PROCESS_IS_TERMINATING: NtStatus = ntStatus(0xc000010a);
export const STATUS_CANCELLED: NtStatus = ntStatus(0xc0000120);
export const STATUS_CANNOT_DELETE: NtStatus = ntStatus(0xc0000121);
export const STATUS_NOTHING_TO_TERMINATE: NtStatus = ntStatus(0xc0000122);
export const STATUS_FILE_CLOSED: NtStatus = ntStatus(0xc0000128);
export const STATUS_THREAD_NOT_IN_PROCESS: NtStatus = ntStatus(0xc000012a);
export const STATUS_INVALID_IMAGE_WIN_16: NtStatus = ntStatus(0xc0000131);
export const STATUS_DLL_NOT_FOUND: NtStatus = ntStatus(0xc0000135);
export const STATUS_ENTRYPOINT_NOT_FOUND: NtStatus = ntStatus(0xc0000139);
export const STATUS_CONTROL_C_EXIT: NtStatus = ntStatus(0xc000013a);
export const STATUS_DLL_INIT_FAILED: NtStatus = ntStatus(0xc0000142);
export const STATUS_UNHANDLED_EXCEPTION: NtStatus = ntStatus(0xc0000144);
export const STATUS_MUTANT_LIMIT_EXCEEDED: NtStatus = ntStatus(0xc0000191);
export const STATUS_NOT_FOUND: NtStatus = ntStatus(0xc0000225);
export const STATUS_HANDLE_NOT_CLOSABLE: NtStatus = ntStatus(0xc0000235);
export const STATUS_SHUTDOWN_IN_PROGRESS: NtStatus = ntStatus(0xc00002fe);
export const STATUS_SYSTEM_SHUTDOWN: NtStatus = ntStatus(0xc00002eb);
export const STATUS_PORT_NOT_SET: NtStatus = ntStatus(0xc0000353);
export const STATUS_DEBUGGER_INACTIVE: NtStatus = ntStatus(0xc0000354);
export const STATUS_STACK_BUFFER_OVERRUN: NtStatus = ntStatus(0xc0000409);
export const STATUS_ASSERTION_FAILURE: NtStatus = ntStatus(0xc0000420);
export const STATUS_WAIT_0: NtStatus = STATUS_SUCCESS;
export const STATUS_STACK_INVALID: NtStatus = ntStatus(0xc0000028);
export const DBG_TERMINATE_PROCESS: NtStatus = ntStatus(0x40010004);
export const DBG_CONTINUE: NtStatus = ntStatus(0x00010002);
export const DBG_EXCEPTION_NOT_HANDLED: NtStatus = ntStatus(0x80010001);
