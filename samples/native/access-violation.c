/*
 * A write to address 0 that nobody handles. Exit code 0xC0000005.
 */
#include "native.h"

NTSTATUS NTAPI start(PEB *peb)
{
    (void)peb;
    say("writing to address 0\n");
    *(volatile int *)0 = 1;
    say("still here\n");
    return 1;
}
