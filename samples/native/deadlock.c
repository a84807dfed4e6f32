/*
 * Two threads take two mutants in opposite order, each sure to hold its first before either asks for its second.
 * Never ends: the first thread waits for both.
 */
#include "native.h"

static HANDLE first, second, holds_first, holds_second;

static NTSTATUS NTAPI first_then_second(void *argument)
{
    (void)argument;
    NtWaitForSingleObject(first, 0, NULL);
    NtSetEvent(holds_first, NULL);
    NtWaitForSingleObject(holds_second, 0, NULL);
    NtWaitForSingleObject(second, 0, NULL);
    return 1;
}

static NTSTATUS NTAPI second_then_first(void *argument)
{
    (void)argument;
    NtWaitForSingleObject(second, 0, NULL);
    NtSetEvent(holds_second, NULL);
    NtWaitForSingleObject(holds_first, 0, NULL);
    NtWaitForSingleObject(first, 0, NULL);
    return 2;
}

NTSTATUS NTAPI start(PEB *peb)
{
    HANDLE threads[2];
    (void)peb;
    first = create_mutant();
    second = create_mutant();
    holds_first = create_event();
    holds_second = create_event();
    say("waiting for two threads that wait for each other\n");
    threads[0] = start_thread(first_then_second, NULL, 0, L"first then second");
    threads[1] = start_thread(second_then_first, NULL, 0, L"second then first");
    NtWaitForMultipleObjects(2, threads, WaitAll, 0, NULL);
    say("not a deadlock\n");
    return 1;
}
