/* N times: starts a thread that never leaves user mode, lets it begin, terminates it, waits for it and closes it. */
#include "bench.h"

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
    for (unsigned count = repetitions(); count > 0; count--) {
        turns = 0;
        HANDLE thread = CreateThread(NULL, 0, spin, NULL, 0, NULL);
        require(thread != NULL);
        while (turns == 0)
            SwitchToThread();
        require(TerminateThread(thread, 77));
        require(WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0);
        CloseHandle(thread);
    }
    return 0;
}
