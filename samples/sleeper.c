/*
 * Sleeps for ten minutes. Exit code 0 if at least so much time has passed by the system's own clock.
 */
#include "sample.h"

int main(void)
{
    DWORD before = GetTickCount();
    Sleep(600000);
    /* The tick count advances in steps of up to 16 ms, so it may be that much short. */
    int long_enough = GetTickCount() - before >= 600000 - 16;
    say("slept for %s\n", long_enough ? "ten minutes" : "too short a time");
    return !long_enough;
}
