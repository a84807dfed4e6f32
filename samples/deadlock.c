/*
 * Two threads take two critical sections in opposite order, each sure to hold its first before either asks for its second.
 * Never ends: main waits for both.
 */
#include "sample.h"

static CRITICAL_SECTION first, second;
static HANDLE holds_first, holds_second;

static DWORD WINAPI first_then_second(void *argument)
{
    (void)argument;
    EnterCriticalSection(&first);
    SetEvent(holds_first);
    WaitForSingleObject(holds_second, INFINITE);
    EnterCriticalSection(&second);
    return 1;
}

static DWORD WINAPI second_then_first(void *argument)
{
    (void)argument;
    EnterCriticalSection(&second);
    SetEvent(holds_second);
    WaitForSingleObject(holds_first, INFINITE);
    EnterCriticalSection(&first);
    return 2;
}

int main(void)
{
    HANDLE threads[2];
    InitializeCriticalSection(&first);
    InitializeCriticalSection(&second);
    holds_first = CreateEventA(NULL, TRUE, FALSE, NULL);
    holds_second = CreateEventA(NULL, TRUE, FALSE, NULL);
    say("waiting for two threads that wait for each other\n");
    threads[0] = start_thread(first_then_second, NULL, 0, L"first then second");
    threads[1] = start_thread(second_then_first, NULL, 0, L"second then first");
    WaitForMultipleObjects(2, threads, TRUE, INFINITE);
    say("not a deadlock\n");
    return 1;
}
