/*
 * ExitProcess is called deep inside main; nothing after it runs. Exit code 42.
 */
#include "sample.h"

int main(void)
{
    say("calling ExitProcess(42)\n");
    ExitProcess(42);
}
