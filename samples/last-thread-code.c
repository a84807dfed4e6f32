/*
 * The main thread leaves with ExitThread(3); the process lives on until its last thread ends, and takes the code of that
 * one. The main thread keeps its own. Exit code 5.
 */
#include "sample.h"

static DWORD WINAPI outlive(void *argument)
{
    say("main thread ended with %u\n", (unsigned)exit_code_of(argument));
    return 5;
}

int main(void)
{
    HANDLE self = NULL;
    HANDLE process = GetCurrentProcess();
    require(DuplicateHandle(process, GetCurrentThread(), process, &self, 0, FALSE, DUPLICATE_SAME_ACCESS), "duplicate");
    start_thread(outlive, self, 0, L"survivor");
    ExitThread(3);
}
