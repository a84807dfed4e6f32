/*
 * NtTerminateThread ends a thread that never leaves user mode: it spins on a counter and makes no system call.
 * Exit code 0; the thread's own is 77.
 */
#include "native.h"

static volatile uint32_t turns;

static NTSTATUS NTAPI spin(void *argument)
{
    (void)argument;
    for (;;)
        turns++;
    return 0;
}

NTSTATUS NTAPI start(PEB *peb)
{
    LARGE_INTEGER moment = milliseconds(1);
    (void)peb;
    HANDLE spinner = start_thread(spin, NULL, 0, L"spinner");
    while (turns == 0)
        NtDelayExecution(0, &moment);
    require(NtTerminateThread(spinner, 77), "NtTerminateThread");
    say("spinner ended with %u\n", exit_status_of(spinner));
    return 0;
}
