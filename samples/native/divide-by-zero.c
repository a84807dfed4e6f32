/*
 * A division by zero that nobody handles. Exit code 0xC0000094.
 */
#include "native.h"

static volatile uint32_t zero;

NTSTATUS NTAPI start(PEB *peb)
{
    (void)peb;
    say("dividing by zero\n");
    say("quotient %u\n", 100 / zero);
    return 1;
}
