/*
 * The smallest useful program: one line through the C library, which writes "\r\n" at its end, as on Windows.
 * Exit code 0.
 */
#include <stdio.h>

int main(void)
{
    puts("Hello from Windows.");
    return 0;
}
