/*
 * A debugger and what it debugs: starts itself again with the argument "child" and DEBUG_ONLY_THIS_PROCESS, and says what
 * it is told of the child until that has exited. The child makes a thread, prints to the debugger, and raises an exception
 * that the debugger leaves to the child's own handler. Exit code 0; the child's is 23.
 */
#include "sample.h"
#include <string.h>

#define OWN_EXCEPTION 0xE0000001u

static DWORD WINAPI worker(void *argument)
{
    (void)argument;
    return 3;
}

static LONG CALLBACK handler(EXCEPTION_POINTERS *pointers)
{
    if (pointers->ExceptionRecord->ExceptionCode != OWN_EXCEPTION)
        return EXCEPTION_CONTINUE_SEARCH;
    say("child: its handler has the exception\n");
    return EXCEPTION_CONTINUE_EXECUTION;
}

static int child(void)
{
    say("child: debugged %d\n", IsDebuggerPresent() != 0);
    HANDLE thread = CreateThread(NULL, 0, worker, NULL, 0, NULL);
    require(WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0, "wait for the thread");
    OutputDebugStringA("hello, debugger");
    AddVectoredExceptionHandler(1, handler);
    RaiseException(OWN_EXCEPTION, 0, 0, NULL);
    say("child: ending with 23\n");
    return 23;
}

/* Prints the string that lies in the child. */
static void print_string(HANDLE process, const OUTPUT_DEBUG_STRING_INFO *info)
{
    char text[64] = "";
    SIZE_T length = info->nDebugStringLength < sizeof text ? info->nDebugStringLength : sizeof text - 1;
    require(ReadProcessMemory(process, info->lpDebugStringData, text, length, NULL), "ReadProcessMemory");
    say("debugger: string \"%s\"\n", text);
}

/* Whether the file behind the handle is a program; closes it. */
static int is_program(HANDLE file)
{
    char magic[2] = "";
    DWORD count = 0;
    int is = ReadFile(file, magic, 2, &count, NULL) && count == 2 && magic[0] == 'M' && magic[1] == 'Z';
    CloseHandle(file);
    return is;
}

static DWORD exception(const EXCEPTION_DEBUG_INFO *info)
{
    say("debugger: exception %x, chance %d\n", (unsigned)info->ExceptionRecord.ExceptionCode,
        info->dwFirstChance ? 1 : 2);
    return info->ExceptionRecord.ExceptionCode == STATUS_BREAKPOINT ? DBG_CONTINUE : DBG_EXCEPTION_NOT_HANDLED;
}

static void debug_loop(HANDLE process)
{
    unsigned libraries = 0;
    for (;;) {
        DEBUG_EVENT event;
        DWORD answer = DBG_CONTINUE;
        require(WaitForDebugEvent(&event, INFINITE), "WaitForDebugEvent");
        switch (event.dwDebugEventCode) {
        case CREATE_PROCESS_DEBUG_EVENT:
            say("debugger: process created, its file is a program: %d\n", is_program(event.u.CreateProcessInfo.hFile));
            break;
        case LOAD_DLL_DEBUG_EVENT:
            libraries += is_program(event.u.LoadDll.hFile);
            break;
        case CREATE_THREAD_DEBUG_EVENT:
            say("debugger: thread created\n");
            break;
        case EXIT_THREAD_DEBUG_EVENT:
            say("debugger: thread exited with %u\n", (unsigned)event.u.ExitThread.dwExitCode);
            break;
        case OUTPUT_DEBUG_STRING_EVENT:
            print_string(process, &event.u.DebugString);
            break;
        case EXCEPTION_DEBUG_EVENT:
            answer = exception(&event.u.Exception);
            break;
        case EXIT_PROCESS_DEBUG_EVENT:
            say("debugger: several libraries were loaded: %d\n", libraries > 2);
            say("debugger: process exited with %u\n", (unsigned)event.u.ExitProcess.dwExitCode);
            ContinueDebugEvent(event.dwProcessId, event.dwThreadId, DBG_CONTINUE);
            return;
        }
        require(ContinueDebugEvent(event.dwProcessId, event.dwThreadId, answer), "ContinueDebugEvent");
    }
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "child") == 0)
        return child();
    char path[MAX_PATH], command[MAX_PATH + 16] = "\"";
    require(GetModuleFileNameA(NULL, path, sizeof path) != 0, "GetModuleFileName");
    strcat(strcat(command, path), "\" child");
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION info;
    require(CreateProcessA(path, command, NULL, NULL, TRUE, DEBUG_ONLY_THIS_PROCESS, NULL, NULL, &startup, &info),
            "CreateProcess");
    debug_loop(info.hProcess);
    require(WaitForSingleObject(info.hProcess, INFINITE) == WAIT_OBJECT_0, "wait for the child");
    return 0;
}
