/*
 * A thread ends while it owns a mutex. The next owner is told once, by WAIT_ABANDONED; after a release the mutex is as good
 * as new. Exit code 0.
 */
#include "sample.h"

static HANDLE mutex;

static DWORD WINAPI take_and_leave(void *argument)
{
    (void)argument;
    return WaitForSingleObject(mutex, INFINITE);
}

int main(void)
{
    mutex = CreateMutexA(NULL, FALSE, NULL);
    HANDLE owner = start_thread(take_and_leave, NULL, 0, L"owner");
    say("owner's wait: 0x%x\n", (unsigned)exit_code_of(owner));
    say("first wait: 0x%x\n", (unsigned)WaitForSingleObject(mutex, 0));
    require(ReleaseMutex(mutex), "ReleaseMutex");
    say("second wait: 0x%x\n", (unsigned)WaitForSingleObject(mutex, 0));
    return 0;
}
