/*
 * Two user APCs interrupt an alertable sleep without end. They run in the order in which they were queued, in the sleeping
 * thread, and only then SleepEx returns. Exit code 0.
 */
#include "sample.h"

static HANDLE ready;
static DWORD sleeper_id;

static void CALLBACK on_apc(ULONG_PTR number)
{
    say("apc %u in the %s thread\n", (unsigned)number, GetCurrentThreadId() == sleeper_id ? "sleeping" : "wrong");
}

static DWORD WINAPI sleep_alertably(void *argument)
{
    sleeper_id = GetCurrentThreadId();
    SetEvent(ready);
    /* The queueing thread lets go of this only when both APCs are queued. A wait that is not alertable delivers none. */
    WaitForSingleObject(argument, INFINITE);
    DWORD result = SleepEx(INFINITE, TRUE);
    say("SleepEx returned 0x%x\n", (unsigned)result);
    return 9;
}

int main(void)
{
    ready = CreateEventA(NULL, TRUE, FALSE, NULL);
    HANDLE queued = CreateEventA(NULL, TRUE, FALSE, NULL);
    HANDLE sleeper = start_thread(sleep_alertably, queued, 0, L"sleeper");
    WaitForSingleObject(ready, INFINITE);
    require(QueueUserAPC(on_apc, sleeper, 1) != 0, "QueueUserAPC");
    require(QueueUserAPC(on_apc, sleeper, 2) != 0, "QueueUserAPC");
    SetEvent(queued);
    say("sleeper ended with %u\n", (unsigned)exit_code_of(sleeper));
    return 0;
}
