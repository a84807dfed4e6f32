/*
 * What a job answers and what it refuses: lengths, flags, rights. Exit code 0.
 */
#include "job-sample.h"

static HANDLE job;

/* Sets one class with one length and says what came of it. */
static void set(const char *what, JOBOBJECTINFOCLASS class, void *value, DWORD length)
{
    BOOL done = SetInformationJobObject(job, class, value, length);
    say("set %s: %s, error %u\n", what, done ? "done" : "refused", done ? 0 : (unsigned)GetLastError());
}

static DWORD query(const char *what, JOBOBJECTINFOCLASS class, void *value, DWORD length)
{
    DWORD answered = 0;
    BOOL done = QueryInformationJobObject(job, class, value, length, &answered);
    say("query %s: %s, error %u\n", what, done ? "done" : "refused", done ? 0 : (unsigned)GetLastError());
    return answered;
}

static void say_limits(void)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    DWORD length = query("extended limits", JobObjectExtendedLimitInformation, &limits, sizeof limits);
    say("  %u bytes, flags 0x%x, %u processes, %u bytes of memory each\n", (unsigned)length,
        (unsigned)limits.BasicLimitInformation.LimitFlags, (unsigned)limits.BasicLimitInformation.ActiveProcessLimit,
        (unsigned)limits.ProcessMemoryLimit);
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "sleep") == 0)
        Sleep(INFINITE);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    JOBOBJECT_BASIC_LIMIT_INFORMATION basic = {0};
    JOBOBJECT_BASIC_UI_RESTRICTIONS restrictions = {JOB_OBJECT_UILIMIT_EXITWINDOWS};
    JOBOBJECT_BASIC_AND_IO_ACCOUNTING_INFORMATION accounting;
    struct {
        DWORD assigned, listed;
        ULONG_PTR ids[4];
    } list;

    job = CreateJobObjectW(NULL, NULL);
    require(job != NULL, "CreateJobObject");
    limits.BasicLimitInformation.LimitFlags =
        JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_ACTIVE_PROCESS | JOB_OBJECT_LIMIT_PROCESS_MEMORY;
    limits.BasicLimitInformation.ActiveProcessLimit = 2;
    limits.ProcessMemoryLimit = 64 * 1024 * 1024 + 1;
    set("extended limits, a byte short", JobObjectExtendedLimitInformation, &limits, sizeof limits - 1);
    set("extended limits at address 0", JobObjectExtendedLimitInformation, NULL, sizeof limits);
    set("extended limits", JobObjectExtendedLimitInformation, &limits, sizeof limits);
    say_limits();
    basic.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    set("KILL_ON_JOB_CLOSE with the basic class", JobObjectBasicLimitInformation, &basic, sizeof basic);
    say_limits();
    query("basic limits", JobObjectBasicLimitInformation, &basic, sizeof basic);
    say("  flags 0x%x\n", (unsigned)basic.LimitFlags);
    set("UI restrictions", JobObjectBasicUIRestrictions, &restrictions, sizeof restrictions);
    restrictions.UIRestrictionsClass = 0;
    query("UI restrictions", JobObjectBasicUIRestrictions, &restrictions, sizeof restrictions);
    say("  0x%x\n", (unsigned)restrictions.UIRestrictionsClass);

    PROCESS_INFORMATION first = start_again("sleep", CREATE_SUSPENDED);
    PROCESS_INFORMATION second = start_again("sleep", CREATE_SUSPENDED);
    require(AssignProcessToJobObject(job, first.hProcess), "assign the first");
    require(AssignProcessToJobObject(job, second.hProcess), "assign the second");
    query("ids without room for one", JobObjectBasicProcessIdList, &list, 8);
    query("ids with room for one", JobObjectBasicProcessIdList, &list, 12);
    say("  %u of %u\n", (unsigned)list.listed, (unsigned)list.assigned);
    DWORD length = query("ids", JobObjectBasicProcessIdList, &list, sizeof list);
    say("  %u bytes, %s\n", (unsigned)length,
        list.ids[0] == first.dwProcessId && list.ids[1] == second.dwProcessId ? "the first and the second" : "others");
    query("accounting, a byte long", JobObjectBasicAndIoAccountingInformation, &accounting, sizeof accounting + 1);
    query("accounting", JobObjectBasicAndIoAccountingInformation, &accounting, sizeof accounting);
    say("  %u active of %u\n", (unsigned)accounting.BasicInfo.ActiveProcesses,
        (unsigned)accounting.BasicInfo.TotalProcesses);

    HANDLE only_query = NULL;
    require(DuplicateHandle(GetCurrentProcess(), job, GetCurrentProcess(), &only_query, JOB_OBJECT_QUERY, FALSE, 0),
            "DuplicateHandle");
    say("terminate without the right: %s\n", TerminateJobObject(only_query, 1) ? "done" : "refused");
    CloseHandle(only_query);
    CloseHandle(job);
    say("the first ended with %u\n", (unsigned)process_exit_code(first.hProcess));
    say("the second ended with %u\n", (unsigned)process_exit_code(second.hProcess));
    return 0;
}
