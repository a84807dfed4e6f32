/*
 * A process kills itself with TerminateProcess, which runs no detach routine: the TLS callback below stays silent.
 * Exit code 19.
 */
#include "sample.h"

static void NTAPI on_detach(void *module, DWORD reason, void *reserved)
{
    (void)module;
    (void)reserved;
    if (reason == DLL_PROCESS_DETACH)
        say("detach ran\n");
}

/* The C library's startup collects what stands in this section into the image's TLS directory. */
__attribute__((section(".CRT$XLC"), used)) PIMAGE_TLS_CALLBACK tls_callback = on_detach;

int main(void)
{
    say("killing myself with 19\n");
    TerminateProcess(GetCurrentProcess(), 19);
    say("still here\n");
    return 1;
}
