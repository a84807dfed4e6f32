/* Creates N threads, one after the other, that end at once; waits for each and closes it. */
#include "bench.h"

static DWORD WINAPI leave(void *argument)
{
    (void)argument;
    return 0;
}

int main(void)
{
    for (unsigned count = repetitions(); count > 0; count--) {
        HANDLE thread = CreateThread(NULL, 0, leave, NULL, 0, NULL);
        require(thread != NULL);
        require(WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0);
        CloseHandle(thread);
    }
    return 0;
}
