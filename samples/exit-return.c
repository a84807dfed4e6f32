/*
 * main returns 7, and the C library passes it to ExitProcess. Exit code 7.
 */
#include "sample.h"

int main(void)
{
    say("returning 7\n");
    return 7;
}
