/*
 * Creates threads that wait for ever until the kernel refuses, then ends with all of them. How many that are, and with which
 * status the next is refused, depends on the machine; that the process ends does not. Exit code 0.
 */
#include "native.h"

static HANDLE never;

static NTSTATUS NTAPI wait_forever(void *argument)
{
    (void)argument;
    return NtWaitForSingleObject(never, 0, NULL);
}

NTSTATUS NTAPI start(PEB *peb)
{
    uint32_t count = 0;
    (void)peb;
    never = create_event();
    for (;;) {
        HANDLE thread = NULL;
        NTSTATUS status =
            NtCreateThreadEx(&thread, THREAD_ALL_ACCESS, NULL, CURRENT_PROCESS, wait_forever, NULL, 0, 0, 0, 0, NULL);
        if (status != STATUS_SUCCESS) {
            say("refused after %u threads with 0x%x\n", count, status);
            RtlExitUserProcess(0);
        }
        count++;
    }
}
