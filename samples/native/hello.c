/*
 * The smallest native program: one line by NtWriteFile. Exit code 0.
 */
#include "native.h"

NTSTATUS NTAPI start(PEB *peb)
{
    (void)peb;
    say("Hello from ntdll.\n");
    return 0;
}
