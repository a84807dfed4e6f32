/*
 * Returning from main ends the process, whatever its other threads do: here one that spins. Exit code 3.
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
    start_thread(spin, NULL, 0, L"spinner");
    while (turns == 0)
        Sleep(1);
    say("main returns 3\n");
    return 3;
}
