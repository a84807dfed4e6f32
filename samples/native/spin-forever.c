/*
 * Never makes a system call after its first line, and never ends: only a limit on the run stops it.
 */
#include "native.h"

static volatile uint32_t turns;

NTSTATUS NTAPI start(PEB *peb)
{
    (void)peb;
    say("spinning\n");
    for (;;)
        turns++;
}
