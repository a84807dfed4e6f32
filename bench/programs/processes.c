/* Starts itself N times, one after the other, as a process that ends at once; waits for each and closes it. */
#include "bench.h"

int main(void)
{
    unsigned count = repetitions();
    wchar_t path[MAX_PATH];
    require(GetModuleFileNameW(NULL, path, MAX_PATH) != 0);
    for (; count > 0; count--) {
        wchar_t command[] = L"child 0";
        STARTUPINFOW startup = {.cb = sizeof startup};
        PROCESS_INFORMATION child;
        require(CreateProcessW(path, command, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child));
        require(WaitForSingleObject(child.hProcess, INFINITE) == WAIT_OBJECT_0);
        CloseHandle(child.hThread);
        CloseHandle(child.hProcess);
    }
    return 0;
}
