/* What the Win32 benchmarks share: how often to do it, and an end that cannot be mistaken for success. */
#ifndef RUNDOWN_BENCH_H
#define RUNDOWN_BENCH_H

#include <windows.h>
#include "count.h"

static inline unsigned repetitions(void)
{
    const wchar_t *line = GetCommandLineW();
    return number_at_end(line, (unsigned)lstrlenW(line));
}

static inline void require(int condition)
{
    if (!condition)
        ExitProcess(99);
}

#endif
