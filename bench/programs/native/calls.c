/* Asks for the system time N times: a system call that writes eight bytes. */
#include "bench.h"

NTSTATUS NTAPI start(PEB *peb)
{
    LARGE_INTEGER time;
    for (unsigned count = repetitions(peb); count > 0; count--)
        NtQuerySystemTime(&time);
    return 0;
}
