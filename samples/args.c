/*
 * Prints its arguments, without the program's own name, and the environment variable RUNDOWN_SAMPLE.
 * The exit code is the number of arguments.
 */
#include "sample.h"

int main(int count, char **arguments)
{
    char value[128];
    for (int i = 1; i < count; i++)
        say("argument %u: [%s]\n", (unsigned)i, arguments[i]);
    DWORD length = GetEnvironmentVariableA("RUNDOWN_SAMPLE", value, sizeof value);
    if (length == 0)
        say("RUNDOWN_SAMPLE is not set\n");
    else
        say("RUNDOWN_SAMPLE=[%s]\n", value);
    return count - 1;
}
