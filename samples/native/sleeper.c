/*
 * Sleeps for ten minutes. Exit code 0 if at least so much time has passed by the system's own clock.
 */
#include "native.h"

NTSTATUS NTAPI start(PEB *peb)
{
    LARGE_INTEGER before, after, ten_minutes = milliseconds(600000);
    (void)peb;
    require(NtQuerySystemTime(&before), "NtQuerySystemTime");
    NtDelayExecution(0, &ten_minutes);
    require(NtQuerySystemTime(&after), "NtQuerySystemTime");
    /* The system time advances in steps of up to 16 ms, so it may be that much short. */
    int long_enough = after - before >= 6000000000 - 160000;
    say("slept for %s\n", long_enough ? "ten minutes" : "too short a time");
    return !long_enough;
}
