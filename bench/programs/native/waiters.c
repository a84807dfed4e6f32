/* Starts N threads that wait for ever and, when all of them do, ends the process with them. */
#include "bench.h"

static HANDLE never;
static volatile uint32_t waiting;

static NTSTATUS NTAPI wait_forever(void *argument)
{
    (void)argument;
    __sync_fetch_and_add(&waiting, 1);
    return NtWaitForSingleObject(never, 0, NULL);
}

NTSTATUS NTAPI start(PEB *peb)
{
    unsigned count = repetitions(peb);
    LARGE_INTEGER moment = milliseconds(1);
    never = create_event();
    for (unsigned i = 0; i < count; i++)
        create_thread(wait_forever, NULL);
    do
        NtDelayExecution(0, &moment);
    while (waiting < count);
    NtTerminateProcess(CURRENT_PROCESS, 0);
    return 99;
}
