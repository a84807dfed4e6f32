/*
 * An exit status with the top bits set, here that of STATUS_ACCESS_DENIED, is a status like any other: this is no crash.
 * Exit code 0xC0000022.
 */
#include "native.h"

NTSTATUS NTAPI start(PEB *peb)
{
    (void)peb;
    say("calling NtTerminateProcess(0xC0000022)\n");
    NtTerminateProcess(CURRENT_PROCESS, 0xC0000022);
    return 1;
}
