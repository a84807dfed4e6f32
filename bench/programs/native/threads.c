/* Creates N threads, one after the other, that end at once; waits for each and closes it. */
#include "bench.h"

static NTSTATUS NTAPI leave(void *argument)
{
    (void)argument;
    return 0;
}

NTSTATUS NTAPI start(PEB *peb)
{
    for (unsigned count = repetitions(peb); count > 0; count--) {
        HANDLE thread = create_thread(leave, NULL);
        require(NtWaitForSingleObject(thread, 0, NULL), "wait");
        NtClose(thread);
    }
    return 0;
}
