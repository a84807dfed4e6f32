/*
 * A thread that debugs a process ends, first by itself, then killed. Windows closes its debug object in both cases, and the
 * debuggee dies with it, unless it was told not to. Exit code 0.
 */
#include "sample.h"
#include <string.h>
#include <winternl.h>

typedef HANDLE(WINAPI *get_debug_object)(void);
typedef NTSTATUS(WINAPI *wait_for_event)(HANDLE, BOOLEAN, LARGE_INTEGER *, void *);

static HANDLE debuggee, debug_object, running;

static void start_debuggee(void)
{
    char path[MAX_PATH], command[MAX_PATH + 16] = "\"";
    require(GetModuleFileNameA(NULL, path, sizeof path) != 0, "GetModuleFileName");
    strcat(strcat(command, path), "\" child");
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION info;
    require(CreateProcessA(path, command, NULL, NULL, FALSE, DEBUG_PROCESS, NULL, NULL, &startup, &info),
            "CreateProcess");
    debuggee = info.hProcess;
    get_debug_object get =
        (get_debug_object)(void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "DbgUiGetThreadDebugObject");
    debug_object = get();
}

static DWORD WINAPI ends_itself(void *keep)
{
    start_debuggee();
    if (keep != NULL)
        require(DebugSetProcessKillOnExit(FALSE), "DebugSetProcessKillOnExit");
    return 1;
}

static DWORD WINAPI is_killed(void *argument)
{
    DEBUG_EVENT event;
    (void)argument;
    start_debuggee();
    require(WaitForDebugEvent(&event, INFINITE), "WaitForDebugEvent");
    SetEvent(running);
    Sleep(INFINITE);
    return 1;
}

static void report(const char *what, HANDLE thread)
{
    char change[0x60];
    LARGE_INTEGER now = {.QuadPart = 0};
    wait_for_event wait = (wait_for_event)(void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtWaitForDebugEvent");
    DWORD code = 0;
    require(WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0, "wait for the thread");
    say("%s: its debug object answers %x\n", what, (unsigned)wait(debug_object, FALSE, &now, change));
    require(WaitForSingleObject(debuggee, INFINITE) == WAIT_OBJECT_0, "wait for the debuggee");
    require(GetExitCodeProcess(debuggee, &code), "GetExitCodeProcess");
    say("%s: the debuggee ended with %x\n", what, (unsigned)code);
    CloseHandle(debuggee);
    CloseHandle(thread);
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "child") == 0)
        return 23;
    running = CreateEventA(NULL, FALSE, FALSE, NULL);
    report("ended", CreateThread(NULL, 0, ends_itself, NULL, 0, NULL));
    report("ended, not to kill", CreateThread(NULL, 0, ends_itself, &running, 0, NULL));
    HANDLE thread = CreateThread(NULL, 0, is_killed, NULL, 0, NULL);
    require(WaitForSingleObject(running, INFINITE) == WAIT_OBJECT_0, "wait for the debugger");
    require(TerminateThread(thread, 2), "TerminateThread");
    report("killed", thread);
    return 0;
}
