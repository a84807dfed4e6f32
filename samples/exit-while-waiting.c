/*
 * ExitProcess while a worker waits and owns a mutex. The worker is dead before anybody is told of the end, so the detach
 * callback finds it signalled, with the code of ExitProcess, and its mutex abandoned. Exit code 41.
 *
 * The callback is that of fiber-local storage: of all that the loader calls when a process ends, it is what an .exe alone,
 * without a DLL, can have on every version of Windows and on Wine.
 */
#include "sample.h"

static HANDLE worker, mutex, never, owned;

static DWORD WINAPI work(void *argument)
{
    (void)argument;
    WaitForSingleObject(mutex, INFINITE);
    SetEvent(owned);
    WaitForSingleObject(never, INFINITE);
    return 1;
}

static void WINAPI on_detach(void *unused)
{
    (void)unused;
    DWORD code = 0;
    int signalled = WaitForSingleObject(worker, 1000) == WAIT_OBJECT_0;
    GetExitCodeThread(worker, &code);
    const char *state = WaitForSingleObject(mutex, 0) == WAIT_ABANDONED ? "ABANDONED" : "not abandoned";
    say("detach: worker signalled=%u code=%u mutex=%s\n", (unsigned)signalled, (unsigned)code, state);
}

int main(void)
{
    name_thread(GetCurrentThread(), L"main");
    mutex = CreateMutexA(NULL, FALSE, NULL);
    never = CreateEventA(NULL, TRUE, FALSE, NULL);
    owned = CreateEventA(NULL, TRUE, FALSE, NULL);
    worker = start_thread(work, NULL, 0, L"worker");
    WaitForSingleObject(owned, INFINITE);
    require(FlsSetValue(FlsAlloc(on_detach), &worker), "FlsSetValue");
    Sleep(350); /* by now the worker waits */
    say("main: calling ExitProcess(41)\n");
    ExitProcess(41);
}
