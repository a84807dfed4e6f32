/** Flag bits, access masks and pool tags of processes and threads. */

/** `ETHREAD.CrossThreadFlags`: written by any thread, always interlocked. */
export const CT_TERMINATED = 0x001;
export const CT_DEAD_THREAD = 0x002;
export const CT_HIDE_FROM_DEBUGGER = 0x004;
export const CT_ACTIVE_IMPERSONATION_INFO = 0x008;
export const CT_SYSTEM_THREAD = 0x010;
export const CT_HARD_ERRORS_ARE_DISABLED = 0x020;
export const CT_BREAK_ON_TERMINATION = 0x040;
export const CT_SKIP_CREATION_MSG = 0x080;
export const CT_SKIP_TERMINATION_MSG = 0x100;

/** `EPROCESS.Flags`. */
export const PSF_CREATE_REPORTED = 0x1;
export const PSF_NO_DEBUG_INHERIT = 0x2;
export const PSF_PROCESS_EXITING = 0x4;
export const PSF_PROCESS_DELETE = 0x8;
export const PSF_VM_DELETED = 0x20;
export const PSF_SET_TIMER_RESOLUTION = 0x1000;
export const PSF_BREAK_ON_TERMINATION = 0x2000;
export const PSF_HAS_ADDRESS_SPACE = 0x40000;
export const PSF_IMAGE_NOTIFY_DONE = 0x400000;
export const PSF_CREATE_FAILED = 0x4000000;

export const PROCESS_TERMINATE = 0x0001;
export const PROCESS_CREATE_THREAD = 0x0002;
export const PROCESS_VM_OPERATION = 0x0008;
export const PROCESS_VM_READ = 0x0010;
export const PROCESS_VM_WRITE = 0x0020;
export const PROCESS_DUP_HANDLE = 0x0040;
export const PROCESS_CREATE_PROCESS = 0x0080;
export const PROCESS_SET_QUOTA = 0x0100;
export const PROCESS_SET_INFORMATION = 0x0200;
export const PROCESS_QUERY_INFORMATION = 0x0400;
export const PROCESS_SUSPEND_RESUME = 0x0800;
export const PROCESS_QUERY_LIMITED_INFORMATION = 0x1000;
export const PROCESS_ALL_ACCESS = 0x1fffff;

export const THREAD_TERMINATE = 0x0001;
export const THREAD_SUSPEND_RESUME = 0x0002;
export const THREAD_GET_CONTEXT = 0x0008;
export const THREAD_SET_CONTEXT = 0x0010;
export const THREAD_SET_INFORMATION = 0x0020;
export const THREAD_QUERY_INFORMATION = 0x0040;
export const THREAD_SET_THREAD_TOKEN = 0x0080;
export const THREAD_QUERY_LIMITED_INFORMATION = 0x0800;
export const THREAD_ALL_ACCESS = 0x1fffff;

export const PORT_ALL_ACCESS = 0x001f0001;
export const SYNCHRONIZE = 0x00100000;

/** `NtCurrentProcess()` and `NtCurrentThread()`. */
export const CURRENT_PROCESS_HANDLE = 0xffffffff;
export const CURRENT_THREAD_HANDLE = 0xfffffffe;

export const TAG_TERMINATE_APC = "TAPC";
export const TAG_TERMINATION_PORT = "PsT=";
export const TAG_USER_APC = "Psap";
export const TAG_SEPA = "SePa";
export const TAG_THREAD_NAME = "ThNm";

/** Non-paged pool that a working-set watch was charged. */
export const WORKING_SET_WATCH_QUOTA = 0x2000;
