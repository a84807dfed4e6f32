/*
 * A process is killed while its threads do different things: one computes, one waits for an event, one sleeps, one waits
 * alertably, one was suspended before it ever ran, one waits for a mutant that another one owns. Exit code 9.
 */
#include "native.h"

static HANDLE never, mutant, owned;

static NTSTATUS NTAPI compute(void *argument)
{
    volatile uint32_t count = 0;
    (void)argument;
    while (count != UINT32_MAX)
        count = (count + 1) & 0xFFFF;
    return count;
}

static NTSTATUS NTAPI wait_for_event(void *argument)
{
    (void)argument;
    return NtWaitForSingleObject(never, 0, NULL);
}

static NTSTATUS NTAPI sleep_long(void *argument)
{
    LARGE_INTEGER hour = milliseconds(3600000);
    (void)argument;
    return NtDelayExecution(0, &hour);
}

static NTSTATUS NTAPI wait_alertably(void *argument)
{
    (void)argument;
    return NtWaitForSingleObject(never, 1, NULL);
}

static NTSTATUS NTAPI own_mutant(void *argument)
{
    (void)argument;
    NtWaitForSingleObject(mutant, 0, NULL);
    NtSetEvent(owned, NULL);
    return NtWaitForSingleObject(never, 0, NULL);
}

static NTSTATUS NTAPI want_mutant(void *argument)
{
    (void)argument;
    return NtWaitForSingleObject(mutant, 0, NULL);
}

NTSTATUS NTAPI start(PEB *peb)
{
    (void)peb;
    name_thread(CURRENT_THREAD, L"main");
    never = create_event();
    owned = create_event();
    mutant = create_mutant();
    start_thread(own_mutant, NULL, 0, L"owner");
    NtWaitForSingleObject(owned, 0, NULL);
    start_thread(want_mutant, NULL, 0, L"second in line");
    start_thread(wait_for_event, NULL, 0, L"waiter");
    start_thread(sleep_long, NULL, 0, L"sleeper");
    start_thread(wait_alertably, NULL, 0, L"alertable waiter");
    start_thread(compute, NULL, THREAD_CREATE_FLAGS_CREATE_SUSPENDED, L"never started");
    start_thread(compute, NULL, 0, L"spinner");
    LARGE_INTEGER a_while = milliseconds(1);
    NtDelayExecution(0, &a_while);
    say("main: killing the process, 7 other threads and all\n");
    NtTerminateProcess(CURRENT_PROCESS, 9);
    return 0;
}
