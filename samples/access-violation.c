/*
 * A write to address 0 that nobody handles. Exit code 0xC0000005.
 */
#include "sample.h"

int main(void)
{
    crash_silently();
    say("writing to address 0\n");
    *(volatile int *)0 = 1;
    say("still here\n");
    return 1;
}
