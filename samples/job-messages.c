/*
 * What a completion port hears of a job: a child that ends by itself, one that crashes, one that its job ends, and one that
 * there is no room for. Exit code 0.
 */
#include "job-sample.h"

static HANDLE job, port;

static int act(const char *what)
{
    crash_silently();
    if (strcmp(what, "exit") == 0)
        return 3;
    if (strcmp(what, "crash") == 0)
        *(volatile int *)0 = 1;
    Sleep(INFINITE);
    return 1;
}

/* Says what is in the port now. */
static void say_messages(DWORD child)
{
    DWORD process, message;
    while ((message = next_message(port, 0, &process)) != 0)
        say("  %s%s\n", message_name(message), process == 0 ? "" : process == child ? " of the child" : " of somebody");
}

/* Starts a child in the job. */
static PROCESS_INFORMATION start_in_job(const char *what)
{
    PROCESS_INFORMATION child = start_again(what, CREATE_SUSPENDED);
    if (!AssignProcessToJobObject(job, child.hProcess))
        say("  not assigned, error %u\n", (unsigned)GetLastError());
    ResumeThread(child.hThread);
    return child;
}

int main(int count, char **arguments)
{
    if (count > 1)
        return act(arguments[1]);
    job = CreateJobObjectW(NULL, NULL);
    require(job != NULL, "CreateJobObject");
    port = listen_to(job);

    say("a child that ends by itself\n");
    PROCESS_INFORMATION child = start_in_job("exit");
    say("  exit code %u\n", (unsigned)process_exit_code(child.hProcess));
    say_messages(child.dwProcessId);

    say("a child that crashes\n");
    child = start_in_job("crash");
    say("  exit code 0x%x\n", (unsigned)process_exit_code(child.hProcess));
    say_messages(child.dwProcessId);
    say("  the job is %s\n", WaitForSingleObject(job, 0) == WAIT_TIMEOUT ? "not signaled" : "signaled");

    say("a job that is terminated\n");
    child = start_in_job("sleep");
    require(TerminateJobObject(job, 77), "TerminateJobObject");
    say("  exit code %u\n", (unsigned)process_exit_code(child.hProcess));
    say("  the job is %s\n", WaitForSingleObject(job, 0) == WAIT_TIMEOUT ? "not signaled" : "signaled");

    say("a job without room\n");
    JOBOBJECT_BASIC_LIMIT_INFORMATION limits = {0};
    limits.LimitFlags = JOB_OBJECT_LIMIT_ACTIVE_PROCESS;
    limits.ActiveProcessLimit = 1;
    require(SetInformationJobObject(job, JobObjectBasicLimitInformation, &limits, sizeof limits), "limits");
    PROCESS_INFORMATION first = start_in_job("sleep");
    PROCESS_INFORMATION second = start_in_job("sleep");
    say("  exit code %u\n", (unsigned)process_exit_code(second.hProcess));
    BOOL inside = TRUE;
    require(IsProcessInJob(second.hProcess, job, &inside), "IsProcessInJob");
    say("  the second one is %s\n", inside ? "in the job" : "not in the job");
    require(TerminateJobObject(job, 0), "TerminateJobObject");
    process_exit_code(first.hProcess);
    return 0;
}
