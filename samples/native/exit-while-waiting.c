/*
 * RtlExitUserProcess while a worker waits and owns a mutant. The worker is dead before anybody is told of the end, so the
 * detach callback finds it signalled, with the status of the exit, and its mutant abandoned. Exit code 41.
 */
#include "tls.h"

static HANDLE worker, mutant, never, owned;

static NTSTATUS NTAPI work(void *argument)
{
    (void)argument;
    NtWaitForSingleObject(mutant, 0, NULL);
    NtSetEvent(owned, NULL);
    NtWaitForSingleObject(never, 0, NULL);
    return 1;
}

static void NTAPI on_detach(void *module, uint32_t reason, void *reserved)
{
    LARGE_INTEGER second = milliseconds(1000), now = 0;
    (void)module;
    (void)reserved;
    if (reason != DLL_PROCESS_DETACH || worker == NULL)
        return;
    int signalled = NtWaitForSingleObject(worker, 0, &second) == STATUS_WAIT_0;
    uint32_t code = signalled ? exit_status_of(worker) : 0;
    int abandoned = NtWaitForSingleObject(mutant, 0, &now) == STATUS_ABANDONED_WAIT_0;
    say("detach: worker signalled=%u code=%u mutant=%s\n", signalled, code, abandoned ? "ABANDONED" : "not abandoned");
}

NTSTATUS NTAPI start(PEB *peb)
{
    (void)peb;
    name_thread(CURRENT_THREAD, L"main");
    mutant = create_mutant();
    never = create_event();
    owned = create_event();
    worker = start_thread(work, NULL, 0, L"worker");
    NtWaitForSingleObject(owned, 0, NULL);
    LARGE_INTEGER a_while = milliseconds(350); /* by now the worker waits */
    NtDelayExecution(0, &a_while);
    say("main: calling RtlExitUserProcess(41)\n");
    RtlExitUserProcess(41);
}
