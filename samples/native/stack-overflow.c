/*
 * Recursion without end runs through the guard page of the stack. Exit code 0xC00000FD.
 */
#include "native.h"

/* Far beyond what any stack holds; the compiler must not know it. */
static volatile uint32_t deepest = 0xFFFFFFFF;

static __attribute__((noinline)) uint32_t deeper(uint32_t depth)
{
    volatile uint32_t frame[64];
    frame[depth % 64] = depth;
    return depth == deepest ? 0 : deeper(depth + 1) + frame[depth % 64];
}

NTSTATUS NTAPI start(PEB *peb)
{
    (void)peb;
    say("recursing\n");
    say("depth %u\n", deeper(0));
    return 1;
}
