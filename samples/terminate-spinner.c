/*
 * TerminateThread ends a thread that never leaves user mode: it spins on a counter and makes no system call.
 * Exit code 0; the thread's own is 77.
 */
#include "sample.h"

static volatile unsigned turns;

static DWORD WINAPI spin(void *argument)
{
    (void)argument;
    for (;;)
        turns++;
    return 0;
}

int main(void)
{
    HANDLE spinner = start_thread(spin, NULL, 0, L"spinner");
    while (turns == 0)
        Sleep(1);
    require(TerminateThread(spinner, 77), "TerminateThread");
    say("spinner ended with %u\n", (unsigned)exit_code_of(spinner));
    return 0;
}
