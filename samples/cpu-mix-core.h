/*
 * The work of the two cpu-mix programs: five small kernels that between them shift, branch, call, move memory and compute
 * in floating point. One round is about 60 million instructions. Every value is exact, so the checksum is the same on any
 * processor.
 */
#ifndef RUNDOWN_SAMPLE_CPU_MIX_CORE_H
#define RUNDOWN_SAMPLE_CPU_MIX_CORE_H

#define DATA_BYTES 131072
#define SIEVE_LIMIT 700000
#define SORT_COUNT 65536
#define FIB_INDEX 27
#define MATRIX_SIZE 96

static unsigned char data[DATA_BYTES];
static unsigned char composite[SIEVE_LIMIT];
static unsigned numbers[SORT_COUNT];
static double left[MATRIX_SIZE][MATRIX_SIZE], right[MATRIX_SIZE][MATRIX_SIZE], product[MATRIX_SIZE][MATRIX_SIZE];

static unsigned next_random(unsigned *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* CRC-32 of pseudo-random bytes, bit by bit. */
static unsigned crc_round(unsigned seed)
{
    unsigned crc = ~0u;
    for (unsigned i = 0; i < DATA_BYTES; i++)
        data[i] = (unsigned char)next_random(&seed);
    for (unsigned i = 0; i < DATA_BYTES; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1)));
    }
    return ~crc;
}

/* The number of primes below SIEVE_LIMIT. */
static unsigned sieve_round(void)
{
    unsigned primes = 0;
    for (unsigned i = 0; i < SIEVE_LIMIT; i++)
        composite[i] = 0;
    for (unsigned i = 2; i < SIEVE_LIMIT; i++) {
        if (composite[i])
            continue;
        primes++;
        for (unsigned long long multiple = (unsigned long long)i * i; multiple < SIEVE_LIMIT; multiple += i)
            composite[(unsigned)multiple] = 1;
    }
    return primes;
}

static void quicksort(unsigned *from, unsigned *to)
{
    while (to - from > 1) {
        unsigned pivot = from[(to - from) / 2];
        unsigned *low = from, *high = to - 1;
        while (low <= high) {
            while (*low < pivot)
                low++;
            while (*high > pivot)
                high--;
            if (low <= high) {
                unsigned swapped = *low;
                *low++ = *high;
                *high-- = swapped;
            }
        }
        quicksort(from, high + 1);
        from = low;
    }
}

/* A digest of sorted pseudo-random numbers that depends on their order. */
static unsigned sort_round(unsigned seed)
{
    unsigned digest = 0;
    for (unsigned i = 0; i < SORT_COUNT; i++)
        numbers[i] = next_random(&seed);
    quicksort(numbers, numbers + SORT_COUNT);
    for (unsigned i = 0; i < SORT_COUNT; i++)
        digest = digest * 31 + numbers[i];
    return digest;
}

static unsigned fib(unsigned n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

/* The trace of a product of two matrices of small integers, which a double holds exactly. */
static unsigned matrix_round(unsigned seed)
{
    double trace = 0;
    for (int i = 0; i < MATRIX_SIZE; i++) {
        for (int j = 0; j < MATRIX_SIZE; j++) {
            left[i][j] = (double)(int)(next_random(&seed) % 1000);
            right[i][j] = (double)(int)(next_random(&seed) % 1000);
        }
    }
    for (int i = 0; i < MATRIX_SIZE; i++) {
        for (int j = 0; j < MATRIX_SIZE; j++) {
            double sum = 0;
            for (int k = 0; k < MATRIX_SIZE; k++)
                sum += left[i][k] * right[k][j];
            product[i][j] = sum;
        }
    }
    for (int i = 0; i < MATRIX_SIZE; i++)
        trace += product[i][i];
    /* At most 96 * 96 * 999 * 999, which is more than 32 bits: keep what is left after dividing by a prime. */
    return (unsigned)(int)(trace - 1000003.0 * (double)(int)(trace / 1000003.0));
}

static unsigned cpu_mix(unsigned rounds)
{
    unsigned checksum = 1;
    for (unsigned round = 1; round <= rounds; round++) {
        checksum = checksum * 31 + crc_round(round);
        checksum = checksum * 31 + sieve_round();
        checksum = checksum * 31 + sort_round(round + 1000);
        checksum = checksum * 31 + fib(FIB_INDEX);
        checksum = checksum * 31 + matrix_round(round + 2000);
    }
    return checksum;
}

#endif
