/*
 * Computes for about 600 million instructions (10 rounds; another number of rounds may be given) and prints a checksum that
 * does not depend on the machine. Exit code 0.
 */
#include "sample.h"
#include "cpu-mix-core.h"
#include <stdlib.h>

int main(int count, char **arguments)
{
    unsigned rounds = count > 1 ? (unsigned)atoi(arguments[1]) : 10;
    say("%u rounds, checksum 0x%x\n", rounds, cpu_mix(rounds));
    return 0;
}
