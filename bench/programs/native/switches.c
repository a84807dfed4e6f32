/* Two threads wake each other N times by events that reset themselves: a switch each way for each. */
#include "bench.h"

static HANDLE ping, pong;
static unsigned count;

static NTSTATUS NTAPI answer(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < count; i++) {
        NtWaitForSingleObject(ping, 0, NULL);
        NtSetEvent(pong, NULL);
    }
    return 0;
}

NTSTATUS NTAPI start(PEB *peb)
{
    count = repetitions(peb);
    require(NtCreateEvent(&ping, EVENT_ALL_ACCESS, NULL, SynchronizationEvent, 0), "event");
    require(NtCreateEvent(&pong, EVENT_ALL_ACCESS, NULL, SynchronizationEvent, 0), "event");
    HANDLE thread = create_thread(answer, NULL);
    for (unsigned i = 0; i < count; i++) {
        NtSetEvent(ping, NULL);
        NtWaitForSingleObject(pong, 0, NULL);
    }
    return NtWaitForSingleObject(thread, 0, NULL);
}
