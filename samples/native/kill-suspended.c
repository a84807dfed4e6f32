/*
 * NtTerminateThread does not wait for a suspended thread to be resumed: neither one that never ran, nor one that was
 * suspended while it slept. Exit code 0.
 */
#include "native.h"

static volatile uint32_t runs;
static HANDLE running;

static NTSTATUS NTAPI count_run(void *argument)
{
    (void)argument;
    runs++;
    return 1;
}

static NTSTATUS NTAPI sleep_long(void *argument)
{
    LARGE_INTEGER hour = milliseconds(3600000);
    (void)argument;
    NtSetEvent(running, NULL);
    NtDelayExecution(0, &hour);
    return 2;
}

NTSTATUS NTAPI start(PEB *peb)
{
    uint32_t before = 99;
    (void)peb;
    running = create_event();
    HANDLE unborn = start_thread(count_run, NULL, THREAD_CREATE_FLAGS_CREATE_SUSPENDED, L"never started");
    require(NtTerminateThread(unborn, 21), "NtTerminateThread");
    NTSTATUS status = exit_status_of(unborn);
    say("created suspended: ended with %u, ran %u times\n", status, runs);

    HANDLE sleeper = start_thread(sleep_long, NULL, 0, L"sleeper");
    NtWaitForSingleObject(running, 0, NULL);
    require(NtSuspendThread(sleeper, &before), "NtSuspendThread");
    require(NtTerminateThread(sleeper, 22), "NtTerminateThread");
    status = exit_status_of(sleeper);
    say("suspended while asleep: ended with %u, suspend count before %u\n", status, before);
    return 0;
}
