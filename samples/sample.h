/*
 * What the Win32 samples share: a line of output that is written at once (a buffered one would be lost with a killed
 * process), thread names, and an end that cannot be mistaken for success.
 */
#ifndef RUNDOWN_SAMPLE_H
#define RUNDOWN_SAMPLE_H

#include <windows.h>
#include "format.h"

/* Writes formatted text to standard output with one WriteFile. */
static void say(const char *format, ...)
{
    struct text_buffer text;
    DWORD written;
    va_list arguments;
    text.length = 0;
    va_start(arguments, format);
    put_format(&text, format, arguments);
    va_end(arguments);
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), text.bytes, text.length, &written, NULL);
}

/* Ends the process with a code that no sample expects. */
static inline void require(int condition, const char *what)
{
    if (condition)
        return;
    say("failed: %s, error %u\n", what, (unsigned)GetLastError());
    ExitProcess(99);
}

/* Names a thread where Windows knows how to (10 and later), for debuggers and reports. */
static inline void name_thread(HANDLE thread, const wchar_t *name)
{
    typedef HRESULT(WINAPI * set_description)(HANDLE, PCWSTR);
    HMODULE module = GetModuleHandleA("kernelbase.dll");
    set_description set = module ? (set_description)(void *)GetProcAddress(module, "SetThreadDescription") : NULL;
    if (set != NULL)
        set(thread, name);
}

static inline HANDLE start_thread(LPTHREAD_START_ROUTINE routine, void *argument, DWORD flags, const wchar_t *name)
{
    HANDLE thread = CreateThread(NULL, 0, routine, argument, flags, NULL);
    require(thread != NULL, "CreateThread");
    name_thread(thread, name);
    return thread;
}

/* Lets an unhandled fault end the process at once, without a dialog that waits for somebody to close it. */
static inline void crash_silently(void)
{
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
}

/* Waits for a thread to end and answers with its exit code. */
static inline DWORD exit_code_of(HANDLE thread)
{
    DWORD code = 0;
    require(WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0, "wait for a thread");
    require(GetExitCodeThread(thread, &code), "GetExitCodeThread");
    return code;
}

#endif
