/*
 * Two user APCs interrupt an alertable delay of an hour. They run in the order in which they were queued, in the sleeping
 * thread, with their three arguments, and only then NtDelayExecution returns. Exit code 0.
 */
#include "native.h"

static HANDLE ready;

static void NTAPI on_apc(void *number, void *second, void *third)
{
    say("apc %u %u %u\n", (uint32_t)number, (uint32_t)second, (uint32_t)third);
}

static NTSTATUS NTAPI sleep_alertably(void *queued)
{
    LARGE_INTEGER hour = milliseconds(3600000);
    NtSetEvent(ready, NULL);
    /* A wait that is not alertable delivers no user APC, so both are queued when the delay begins. */
    NtWaitForSingleObject(queued, 0, NULL);
    say("delay returned 0x%x\n", NtDelayExecution(1, &hour));
    return 9;
}

NTSTATUS NTAPI start(PEB *peb)
{
    (void)peb;
    ready = create_event();
    HANDLE queued = create_event();
    HANDLE sleeper = start_thread(sleep_alertably, queued, 0, L"sleeper");
    NtWaitForSingleObject(ready, 0, NULL);
    require(NtQueueApcThread(sleeper, on_apc, (void *)1, (void *)10, (void *)100), "NtQueueApcThread");
    require(NtQueueApcThread(sleeper, on_apc, (void *)2, (void *)20, (void *)200), "NtQueueApcThread");
    NtSetEvent(queued, NULL);
    say("sleeper ended with %u\n", exit_status_of(sleeper));
    return 0;
}
