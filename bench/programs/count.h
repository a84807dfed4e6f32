/* The number that ends a command line: how often a benchmark does what it measures. */
#ifndef RUNDOWN_BENCH_COUNT_H
#define RUNDOWN_BENCH_COUNT_H

static inline unsigned number_at_end(const wchar_t *text, unsigned length)
{
    unsigned value = 0, first = length;
    while (first > 0 && text[first - 1] >= '0' && text[first - 1] <= '9')
        first--;
    for (; first < length; first++)
        value = value * 10 + (unsigned)(text[first] - '0');
    return value;
}

#endif
