/*
 * A division by zero that nobody handles. Exit code 0xC0000094.
 */
#include "sample.h"

static volatile unsigned zero;

int main(void)
{
    crash_silently();
    say("dividing by zero\n");
    say("quotient %u\n", 100 / zero);
    return 1;
}
