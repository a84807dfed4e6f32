/*
 * Four threads add to one sum under one critical section, and give way while they hold it, so that they contend.
 * Exit code 0; the sum is 4 * (1 + ... + 100) = 20200.
 */
#include "sample.h"

static CRITICAL_SECTION lock;
static unsigned sum;

static DWORD WINAPI add(void *argument)
{
    (void)argument;
    for (unsigned i = 1; i <= 100; i++) {
        EnterCriticalSection(&lock);
        unsigned before = sum;
        if (i % 10 == 0)
            SwitchToThread();
        sum = before + i;
        LeaveCriticalSection(&lock);
    }
    return 0;
}

int main(void)
{
    HANDLE threads[4];
    InitializeCriticalSection(&lock);
    for (int i = 0; i < 4; i++)
        threads[i] = start_thread(add, NULL, 0, L"adder");
    require(WaitForMultipleObjects(4, threads, TRUE, INFINITE) == WAIT_OBJECT_0, "wait for all");
    say("sum %u\n", sum);
    return 0;
}
