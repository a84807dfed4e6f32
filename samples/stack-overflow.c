/*
 * Recursion without end runs through the guard page of the stack. Exit code 0xC00000FD.
 *
 * The filter agrees to the end of the process and nothing else: what is left of the stack is too little for the search for
 * a debugger, which is what the default would do.
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

static LONG WINAPI end_process(EXCEPTION_POINTERS *exception)
{
    (void)exception;
    return EXCEPTION_EXECUTE_HANDLER;
}

int main(void)
{
    SetUnhandledExceptionFilter(end_process);
    say("recursing\n");
    say("depth %u\n", deeper(0));
    return 1;
}
