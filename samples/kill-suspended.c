/*
 * TerminateThread does not wait for a suspended thread to be resumed: neither one that never ran, nor one that was
 * suspended while it slept. Exit code 0.
 */
#include "sample.h"

static volatile LONG runs;
static HANDLE running;

static DWORD WINAPI count_run(void *argument)
{
    (void)argument;
    InterlockedIncrement(&runs);
    return 1;
}

static DWORD WINAPI sleep_forever(void *argument)
{
    (void)argument;
    SetEvent(running);
    Sleep(INFINITE);
    return 2;
}

int main(void)
{
    running = CreateEventA(NULL, TRUE, FALSE, NULL);
    HANDLE unborn = start_thread(count_run, NULL, CREATE_SUSPENDED, L"never started");
    require(TerminateThread(unborn, 21), "TerminateThread");
    say("created suspended: ended with %u, ran %u times\n", (unsigned)exit_code_of(unborn), (unsigned)runs);

    HANDLE sleeper = start_thread(sleep_forever, NULL, 0, L"sleeper");
    WaitForSingleObject(running, INFINITE);
    DWORD before = SuspendThread(sleeper);
    require(TerminateThread(sleeper, 22), "TerminateThread");
    DWORD code = exit_code_of(sleeper);
    say("suspended while asleep: ended with %u, suspend count before %u\n", (unsigned)code, (unsigned)before);
    return 0;
}
