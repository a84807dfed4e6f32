/*
 * A process kills itself with NtTerminateProcess, which runs no detach routine: the TLS callback below stays silent.
 * Exit code 19.
 */
#include "tls.h"

static void NTAPI on_detach(void *module, uint32_t reason, void *reserved)
{
    (void)module;
    (void)reserved;
    if (reason == DLL_PROCESS_DETACH)
        say("detach ran\n");
}

NTSTATUS NTAPI start(PEB *peb)
{
    (void)peb;
    say("killing myself with 19\n");
    NtTerminateProcess(CURRENT_PROCESS, 19);
    say("still here\n");
    return 1;
}
