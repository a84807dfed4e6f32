/*
 * A thread ends while it owns a mutant. The next owner is told once, by STATUS_ABANDONED; after a release the mutant is as
 * good as new. Exit code 0.
 */
#include "native.h"

static HANDLE mutant;

static NTSTATUS NTAPI take_and_leave(void *argument)
{
    (void)argument;
    return NtWaitForSingleObject(mutant, 0, NULL);
}

NTSTATUS NTAPI start(PEB *peb)
{
    LARGE_INTEGER now = 0;
    int32_t count = 99;
    (void)peb;
    mutant = create_mutant();
    HANDLE owner = start_thread(take_and_leave, NULL, 0, L"owner");
    say("owner's wait: 0x%x\n", exit_status_of(owner));
    say("first wait: 0x%x\n", NtWaitForSingleObject(mutant, 0, &now));
    require(NtReleaseMutant(mutant, &count), "NtReleaseMutant");
    say("released, count before: %d\n", count);
    say("second wait: 0x%x\n", NtWaitForSingleObject(mutant, 0, &now));
    return 0;
}
