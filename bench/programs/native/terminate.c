/* N times: starts a thread that never leaves user mode, lets it begin, terminates it, waits for it and closes it. */
#include "bench.h"

static volatile uint32_t turns;

static NTSTATUS NTAPI spin(void *argument)
{
    (void)argument;
    for (;;)
        turns++;
    return 0;
}

NTSTATUS NTAPI start(PEB *peb)
{
    for (unsigned count = repetitions(peb); count > 0; count--) {
        turns = 0;
        HANDLE thread = create_thread(spin, NULL);
        while (turns == 0)
            NtYieldExecution();
        require(NtTerminateThread(thread, 77), "terminate");
        require(NtWaitForSingleObject(thread, 0, NULL), "wait");
        NtClose(thread);
    }
    return 0;
}
