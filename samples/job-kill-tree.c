/*
 * A child, its child and its grandchild sleep for ever in a job with KILL_ON_JOB_CLOSE. Closing the job's only handle ends
 * all three: does killing the tree really leave nothing? Exit code 0.
 */
#include "job-sample.h"

enum { GENERATIONS = 3 };

/* One of the tree: has a child if there are generations to come, and sleeps. */
static int live(int generations)
{
    if (generations > 0) {
        char arguments[] = "live 0";
        arguments[5] = (char)('0' + generations - 1);
        start_again(arguments, 0);
    }
    Sleep(INFINITE);
    return 1;
}

int main(int count, char **arguments)
{
    if (count > 2 && strcmp(arguments[1], "live") == 0)
        return live(arguments[2][0] - '0');

    HANDLE job = CreateJobObjectW(NULL, NULL);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION accounting;
    HANDLE tree[GENERATIONS];
    DWORD process = 0;
    require(job != NULL, "CreateJobObject");
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    require(SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits), "limits");
    HANDLE port = listen_to(job);

    PROCESS_INFORMATION child = start_again("live 2", CREATE_SUSPENDED);
    require(AssignProcessToJobObject(job, child.hProcess), "AssignProcessToJobObject");
    ResumeThread(child.hThread);
    for (int index = 0; index < GENERATIONS; index++) {
        require(next_message(port, INFINITE, &process) == JOB_OBJECT_MSG_NEW_PROCESS, "a new process");
        if (index == 0)
            require(process == child.dwProcessId, "the child comes first");
        tree[index] = OpenProcess(SYNCHRONIZE | PROCESS_QUERY_INFORMATION, FALSE, process);
        require(tree[index] != NULL, "OpenProcess");
        say("NEW_PROCESS: generation %d\n", index + 1);
    }
    require(QueryInformationJobObject(job, JobObjectBasicAccountingInformation, &accounting, sizeof accounting, NULL),
            "accounting");
    say("%u of %u processes are active\n", (unsigned)accounting.ActiveProcesses, (unsigned)accounting.TotalProcesses);

    say("closing the job\n");
    CloseHandle(job);
    for (int index = 0; index < GENERATIONS; index++)
        say("generation %d ended with %u\n", index + 1, (unsigned)process_exit_code(tree[index]));
    CloseHandle(port);
    return 0;
}
