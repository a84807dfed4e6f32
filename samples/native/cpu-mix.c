/*
 * Computes for about 600 million instructions (10 rounds; another number of rounds may be given) and prints a checksum that
 * does not depend on the machine. Exit code 0.
 */
#include "native.h"
#include "../cpu-mix-core.h"

/* The number that the command line ends in, or `otherwise`. */
static uint32_t last_number(const UNICODE_STRING *line, uint32_t otherwise)
{
    uint32_t number = 0, at = line->Length / sizeof(wchar_t), scale = 1;
    while (at > 0 && line->Buffer[at - 1] >= L'0' && line->Buffer[at - 1] <= L'9') {
        number += (line->Buffer[--at] - L'0') * scale;
        scale *= 10;
    }
    return scale > 1 && at > 0 && line->Buffer[at - 1] == L' ' ? number : otherwise;
}

NTSTATUS NTAPI start(PEB *peb)
{
    uint32_t rounds = last_number(&peb->ProcessParameters->CommandLine, 10);
    say("%u rounds, checksum 0x%x\n", rounds, cpu_mix(rounds));
    return 0;
}
