/*
 * RtlExitUserProcess does not return. Exit code 42.
 */
#include "native.h"

NTSTATUS NTAPI start(PEB *peb)
{
    (void)peb;
    say("calling RtlExitUserProcess(42)\n");
    RtlExitUserProcess(42);
}
