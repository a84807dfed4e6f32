/* What the native benchmarks share. */
#ifndef RUNDOWN_BENCH_NATIVE_H
#define RUNDOWN_BENCH_NATIVE_H

#include "../../../samples/native/native.h"
#include "../count.h"

static inline unsigned repetitions(const PEB *peb)
{
    const UNICODE_STRING *line = &peb->ProcessParameters->CommandLine;
    return number_at_end(line->Buffer, line->Length / sizeof *line->Buffer);
}

static inline HANDLE create_thread(THREAD_ROUTINE routine, void *argument)
{
    HANDLE thread = NULL;
    require(NtCreateThreadEx(&thread, THREAD_ALL_ACCESS, NULL, CURRENT_PROCESS, routine, argument, 0, 0, 0, 0, NULL), "create");
    return thread;
}

#endif
