/*
 * Recursion without end runs through the guard page of the stack. Exit code 0xC00000FD.
 */
#include "sample.h"

/* Far beyond what any stack holds; the compiler must not know it. */
static volatile unsigned deepest = 0xFFFFFFFF;

static __attribute__((noinline)) unsigned deeper(unsigned depth)
{
    volatile unsigned frame[64];
    frame[depth % 64] = depth;
    return depth == deepest ? 0 : deeper(depth + 1) + frame[depth % 64];
}

int main(void)
{
    crash_silently();
    say("recursing\n");
    say("depth %u\n", deeper(0));
    return 1;
}
