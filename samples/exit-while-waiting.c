/*
 * ExitProcess while a worker waits and owns a mutex. The worker is dead before anybody is told of the end, so the detach
 * callback finds it signalled, with the code of ExitProcess, and its mutex abandoned. Exit code 41.
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

static void NTAPI on_detach(void *module, DWORD reason, void *reserved)
{
    (void)module;
    (void)reserved;
    if (reason != DLL_PROCESS_DETACH || worker == NULL)
        return;
    DWORD code = 0;
    int signalled = WaitForSingleObject(worker, 1000) == WAIT_OBJECT_0;
    GetExitCodeThread(worker, &code);
    const char *state = WaitForSingleObject(mutex, 0) == WAIT_ABANDONED ? "ABANDONED" : "not abandoned";
    say("detach: worker signalled=%u code=%u mutex=%s\n", (unsigned)signalled, (unsigned)code, state);
}

/* The C library's startup collects what stands in this section into the image's TLS directory. */
__attribute__((section(".CRT$XLC"), used)) PIMAGE_TLS_CALLBACK tls_callback = on_detach;

int main(void)
{
    name_thread(GetCurrentThread(), L"main");
    mutex = CreateMutexA(NULL, FALSE, NULL);
    never = CreateEventA(NULL, TRUE, FALSE, NULL);
    owned = CreateEventA(NULL, TRUE, FALSE, NULL);
    worker = start_thread(work, NULL, 0, L"worker");
    WaitForSingleObject(owned, INFINITE);
    say("main: calling ExitProcess(41)\n");
    ExitProcess(41);
}
