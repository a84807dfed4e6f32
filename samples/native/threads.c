/*
 * Four threads add to one sum under one critical section, and give way while they hold it, so that they contend.
 * Exit code 0; the sum is 4 * (1 + ... + 100) = 20200.
 */
#include "native.h"

static CRITICAL_SECTION lock;
static uint32_t sum;

static NTSTATUS NTAPI add(void *argument)
{
    (void)argument;
    for (uint32_t i = 1; i <= 100; i++) {
        RtlEnterCriticalSection(&lock);
        uint32_t before = sum;
        if (i % 10 == 0)
            NtYieldExecution();
        sum = before + i;
        RtlLeaveCriticalSection(&lock);
    }
    return 0;
}

NTSTATUS NTAPI start(PEB *peb)
{
    HANDLE threads[4];
    (void)peb;
    require(RtlInitializeCriticalSection(&lock), "RtlInitializeCriticalSection");
    for (int i = 0; i < 4; i++)
        threads[i] = start_thread(add, NULL, 0, L"adder");
    require(NtWaitForMultipleObjects(4, threads, WaitAll, 0, NULL), "wait for all");
    say("sum %u\n", sum);
    return 0;
}
