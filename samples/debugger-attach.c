/*
 * Attaches to a process that runs, says what it is told of its past, and lets go of it again: the process then ends by
 * itself, with 23. Exit code 0.
 */
#include "sample.h"
#include <string.h>
#include <winternl.h>

#define PROCESS_DEBUG_OBJECT_HANDLE ((PROCESSINFOCLASS)30)
#define PROCESS_DEBUG_FLAGS ((PROCESSINFOCLASS)31)

typedef NTSTATUS(WINAPI *query_process)(HANDLE, PROCESSINFOCLASS, void *, ULONG, ULONG *);

static DWORD WINAPI idle(void *event)
{
    WaitForSingleObject(event, INFINITE);
    return 0;
}

static int child(void)
{
    HANDLE ready = OpenEventA(EVENT_ALL_ACCESS, FALSE, "rundown-ready");
    HANDLE go = OpenEventA(EVENT_ALL_ACCESS, FALSE, "rundown-go");
    require(ready != NULL && go != NULL, "OpenEvent");
    CreateThread(NULL, 0, idle, go, 0, NULL);
    SetEvent(ready);
    WaitForSingleObject(go, INFINITE);
    say("child: debugged %d\n", IsDebuggerPresent() != 0);
    return 23;
}

static void report(HANDLE process)
{
    query_process query =
        (query_process)(void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtQueryInformationProcess");
    BOOL present = FALSE;
    HANDLE object = NULL;
    ULONG inherit = 9;
    require(CheckRemoteDebuggerPresent(process, &present), "CheckRemoteDebuggerPresent");
    NTSTATUS status = query(process, PROCESS_DEBUG_OBJECT_HANDLE, &object, sizeof object, NULL);
    query(process, PROCESS_DEBUG_FLAGS, &inherit, sizeof inherit, NULL);
    say("debugged %d, object %x, children %u\n", present, (unsigned)status, (unsigned)inherit);
    if (status == 0)
        CloseHandle(object);
}

/* Says what happens up to the breakpoint that attaching causes. */
static void debug_loop(void)
{
    unsigned libraries = 0, threads = 0;
    for (;;) {
        DEBUG_EVENT event;
        require(WaitForDebugEvent(&event, INFINITE), "WaitForDebugEvent");
        switch (event.dwDebugEventCode) {
        case CREATE_PROCESS_DEBUG_EVENT:
            say("process, with a file %d\n", event.u.CreateProcessInfo.hFile != NULL);
            CloseHandle(event.u.CreateProcessInfo.hFile);
            break;
        case CREATE_THREAD_DEBUG_EVENT:
            threads++;
            break;
        case LOAD_DLL_DEBUG_EVENT:
            libraries += event.u.LoadDll.hFile != NULL;
            CloseHandle(event.u.LoadDll.hFile);
            break;
        case EXCEPTION_DEBUG_EVENT:
            say("several threads %d, several libraries %d\n", threads > 1, libraries > 2);
            say("exception %x\n", (unsigned)event.u.Exception.ExceptionRecord.ExceptionCode);
            ContinueDebugEvent(event.dwProcessId, event.dwThreadId, DBG_CONTINUE);
            return;
        }
        require(ContinueDebugEvent(event.dwProcessId, event.dwThreadId, DBG_CONTINUE), "ContinueDebugEvent");
    }
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "child") == 0)
        return child();
    char path[MAX_PATH], command[MAX_PATH + 16] = "\"";
    require(GetModuleFileNameA(NULL, path, sizeof path) != 0, "GetModuleFileName");
    strcat(strcat(command, path), "\" child");
    HANDLE ready = CreateEventA(NULL, FALSE, FALSE, "rundown-ready");
    HANDLE go = CreateEventA(NULL, TRUE, FALSE, "rundown-go");
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION info;
    require(CreateProcessA(path, command, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &info), "CreateProcess");
    require(WaitForSingleObject(ready, INFINITE) == WAIT_OBJECT_0, "wait for the child");
    report(info.hProcess);
    require(DebugActiveProcess(info.dwProcessId), "DebugActiveProcess");
    report(info.hProcess);
    debug_loop();
    require(DebugActiveProcessStop(info.dwProcessId), "DebugActiveProcessStop");
    report(info.hProcess);
    DWORD code = 0;
    SetEvent(go);
    require(WaitForSingleObject(info.hProcess, INFINITE) == WAIT_OBJECT_0, "wait for the child's end");
    require(GetExitCodeProcess(info.hProcess, &code), "GetExitCodeProcess");
    say("the child ended with %u\n", (unsigned)code);
    return 0;
}
