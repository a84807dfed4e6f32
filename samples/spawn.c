/*
 * Starts itself again with the argument "child", waits for it and reads its exit code. Exit code 0; the child's is 23.
 */
#include "sample.h"
#include <string.h>

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "child") == 0) {
        say("child: ending with 23\n");
        return 23;
    }
    char path[MAX_PATH], command[MAX_PATH + 16] = "\"";
    require(GetModuleFileNameA(NULL, path, sizeof path) != 0, "GetModuleFileName");
    strcat(strcat(command, path), "\" child");
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION child;
    say("parent: starting a child\n");
    require(CreateProcessA(path, command, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &child), "CreateProcess");
    DWORD code = 0;
    require(WaitForSingleObject(child.hProcess, INFINITE) == WAIT_OBJECT_0, "wait for the child");
    require(GetExitCodeProcess(child.hProcess, &code), "GetExitCodeProcess");
    say("parent: the child ended with %u\n", (unsigned)code);
    return 0;
}
