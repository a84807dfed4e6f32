/*
 * The first thread leaves with RtlExitUserThread(3); the process lives on until its last thread ends, and takes the status of
 * that one. The first thread keeps its own. Exit code 5.
 */
#include "native.h"

static NTSTATUS NTAPI outlive(void *first)
{
    say("first thread ended with %u\n", exit_status_of(first));
    return 5;
}

NTSTATUS NTAPI start(PEB *peb)
{
    HANDLE self = NULL;
    (void)peb;
    require(NtDuplicateObject(CURRENT_PROCESS, CURRENT_THREAD, CURRENT_PROCESS, &self, 0, 0, DUPLICATE_SAME_ACCESS), "duplicate");
    start_thread(outlive, self, 0, L"survivor");
    RtlExitUserThread(3);
}
