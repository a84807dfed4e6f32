/*
 * Into which jobs a process is born: those of a job list, one in the other; its parent's; and with CREATE_BREAKAWAY_FROM_JOB
 * none, if the parent's job allows it. Exit code 0.
 */
#define _WIN32_WINNT 0x0A00
#include "job-sample.h"

#ifndef PROC_THREAD_ATTRIBUTE_JOB_LIST
#define PROC_THREAD_ATTRIBUTE_JOB_LIST 0x2000D
#endif

static const char *whether_in(HANDLE process, HANDLE job)
{
    BOOL inside = FALSE;
    require(IsProcessInJob(process, job, &inside), "IsProcessInJob");
    return inside ? "in" : "not in";
}

/* Starts this program again in the jobs of a list. */
static PROCESS_INFORMATION start_in_jobs(HANDLE *jobs, SIZE_T bytes)
{
    char path[MAX_PATH], command[MAX_PATH + 64] = "\"";
    STARTUPINFOEXA startup = {.StartupInfo = {.cb = sizeof startup}};
    PROCESS_INFORMATION child;
    SIZE_T size = 0;
    require(GetModuleFileNameA(NULL, path, sizeof path) != 0, "GetModuleFileName");
    strcat(strcat(command, path), "\" child");
    InitializeProcThreadAttributeList(NULL, 1, 0, &size);
    LPPROC_THREAD_ATTRIBUTE_LIST list = HeapAlloc(GetProcessHeap(), 0, size);
    require(list != NULL && InitializeProcThreadAttributeList(list, 1, 0, &size), "attribute list");
    require(UpdateProcThreadAttribute(list, 0, PROC_THREAD_ATTRIBUTE_JOB_LIST, jobs, bytes, NULL, NULL), "job list");
    startup.lpAttributeList = list;
    require(CreateProcessA(path, command, NULL, NULL, TRUE, EXTENDED_STARTUPINFO_PRESENT, NULL, NULL,
                           &startup.StartupInfo, &child),
            "CreateProcess");
    HeapFree(GetProcessHeap(), 0, list);
    return child;
}

int main(int count, char **arguments)
{
    if (count > 1)
        return arguments[1][0] == 'c' ? 4 : 5;
    HANDLE jobs[2] = {CreateJobObjectW(NULL, NULL), CreateJobObjectW(NULL, NULL)};
    HANDLE own = CreateJobObjectW(NULL, NULL);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    PROCESS_INFORMATION child = start_in_jobs(jobs, sizeof jobs);
    say("a child with a job list is %s the first and %s the second\n", whether_in(child.hProcess, jobs[0]),
        whether_in(child.hProcess, jobs[1]));
    say("  exit code %u\n", (unsigned)process_exit_code(child.hProcess));

    require(AssignProcessToJobObject(own, GetCurrentProcess()), "AssignProcessToJobObject");
    child = start_again("child", 0);
    say("a child is %s its parent's job\n", whether_in(child.hProcess, own));
    say("  exit code %u\n", (unsigned)process_exit_code(child.hProcess));

    STARTUPINFOA startup = {.cb = sizeof startup};
    char path[MAX_PATH];
    require(GetModuleFileNameA(NULL, path, sizeof path) != 0, "GetModuleFileName");
    BOOL made = CreateProcessA(path, NULL, NULL, NULL, TRUE, CREATE_BREAKAWAY_FROM_JOB, NULL, NULL, &startup, &child);
    say("breaking away without leave: %s, error %u\n", made ? "done" : "refused", (unsigned)GetLastError());
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_BREAKAWAY_OK;
    require(SetInformationJobObject(own, JobObjectExtendedLimitInformation, &limits, sizeof limits), "limits");
    child = start_again("child", CREATE_BREAKAWAY_FROM_JOB);
    say("a child that breaks away is %s its parent's job\n", whether_in(child.hProcess, own));
    say("  exit code %u\n", (unsigned)process_exit_code(child.hProcess));
    return 0;
}
