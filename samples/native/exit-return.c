/*
 * The entry point returns 7 to ntdll's thread start, which ends the thread, the last one, with it. Exit code 7.
 */
#include "native.h"

NTSTATUS NTAPI start(PEB *peb)
{
    (void)peb;
    say("returning 7\n");
    return 7;
}
