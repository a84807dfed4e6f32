/*
 * An exit code with the top bits set, here the value of STATUS_ACCESS_DENIED, is a code like any other: this is no crash.
 * Exit code 0xC0000022.
 */
#include "sample.h"

int main(void)
{
    say("calling ExitProcess(0xC0000022)\n");
    ExitProcess(0xC0000022);
}
