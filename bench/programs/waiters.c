/* Starts N threads that wait for ever and, when all of them do, ends the process with them. */
#include "bench.h"

static HANDLE never;
static volatile LONG waiting;

static DWORD WINAPI wait_forever(void *argument)
{
    (void)argument;
    InterlockedIncrement(&waiting);
    return WaitForSingleObject(never, INFINITE);
}

int main(void)
{
    unsigned count = repetitions();
    never = CreateEventW(NULL, TRUE, FALSE, NULL);
    for (unsigned i = 0; i < count; i++)
        require(CreateThread(NULL, 0, wait_forever, NULL, 0, NULL) != NULL);
    while ((unsigned)waiting < count)
        Sleep(1);
    Sleep(1);
    TerminateProcess(GetCurrentProcess(), 0);
    return 99;
}
