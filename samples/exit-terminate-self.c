/*
 * A process kills itself with TerminateProcess, which runs no detach routine: the callback below, which an ExitProcess
 * would run, stays silent. Exit code 19.
 */
#include "sample.h"

static void WINAPI on_detach(void *unused)
{
    (void)unused;
    say("detach ran\n");
}

int main(void)
{
    require(FlsSetValue(FlsAlloc(on_detach), &on_detach), "FlsSetValue");
    say("killing myself with 19\n");
    TerminateProcess(GetCurrentProcess(), 19);
    say("still here\n");
    return 1;
}
