/*
 * What the samples about jobs share: starting themselves again, and what a job tells its completion port. Ids of processes
 * differ from run to run, so they are compared and never printed.
 */
#ifndef RUNDOWN_JOB_SAMPLE_H
#define RUNDOWN_JOB_SAMPLE_H

#include "sample.h"
#include <string.h>

/* Starts this program again with the given arguments. */
static PROCESS_INFORMATION start_again(const char *arguments, DWORD flags)
{
    char path[MAX_PATH], command[MAX_PATH + 64] = "\"";
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION child;
    require(GetModuleFileNameA(NULL, path, sizeof path) != 0, "GetModuleFileName");
    strcat(strcat(strcat(command, path), "\" "), arguments);
    require(CreateProcessA(path, command, NULL, NULL, TRUE, flags, NULL, NULL, &startup, &child), "CreateProcess");
    return child;
}

/* A completion port that hears of everything in the job. */
static inline HANDLE listen_to(HANDLE job)
{
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
    JOBOBJECT_ASSOCIATE_COMPLETION_PORT association = {.CompletionKey = job, .CompletionPort = port};
    require(port != NULL, "CreateIoCompletionPort");
    require(SetInformationJobObject(job, JobObjectAssociateCompletionPortInformation, &association,
                                    sizeof association),
            "SetInformationJobObject for the port");
    return port;
}

/* The next message, or 0 if none comes in that time; of which process goes to *process. */
static inline DWORD next_message(HANDLE port, DWORD milliseconds, DWORD *process)
{
    DWORD message;
    ULONG_PTR key;
    OVERLAPPED *overlapped;
    if (!GetQueuedCompletionStatus(port, &message, &key, &overlapped, milliseconds))
        return 0;
    *process = (DWORD)(ULONG_PTR)overlapped;
    return message;
}

static inline const char *message_name(DWORD message)
{
    switch (message) {
    case JOB_OBJECT_MSG_NEW_PROCESS:
        return "NEW_PROCESS";
    case JOB_OBJECT_MSG_EXIT_PROCESS:
        return "EXIT_PROCESS";
    case JOB_OBJECT_MSG_ABNORMAL_EXIT_PROCESS:
        return "ABNORMAL_EXIT_PROCESS";
    case JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO:
        return "ACTIVE_PROCESS_ZERO";
    case JOB_OBJECT_MSG_ACTIVE_PROCESS_LIMIT:
        return "ACTIVE_PROCESS_LIMIT";
    default:
        return "another message";
    }
}

/* Waits for a process to end and answers with its exit code. */
static inline DWORD process_exit_code(HANDLE process)
{
    DWORD code = 0;
    require(WaitForSingleObject(process, INFINITE) == WAIT_OBJECT_0, "wait for a process");
    require(GetExitCodeProcess(process, &code), "GetExitCodeProcess");
    return code;
}

#endif
