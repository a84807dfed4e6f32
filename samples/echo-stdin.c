/*
 * Copies standard input to standard output, byte for byte, until its end. Exit code 0.
 */
#include "sample.h"

int main(void)
{
    char buffer[4096];
    DWORD got, written;
    HANDLE input = GetStdHandle(STD_INPUT_HANDLE);
    HANDLE output = GetStdHandle(STD_OUTPUT_HANDLE);
    /* The end of a file is a read of nothing; the end of a pipe is a failure that says the pipe is broken. */
    while (ReadFile(input, buffer, sizeof buffer, &got, NULL) && got > 0)
        require(WriteFile(output, buffer, got, &written, NULL) && written == got, "WriteFile");
    return 0;
}
