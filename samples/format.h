/*
 * A few lines in place of printf, for code that must not lean on a C library: callbacks that run while the process ends,
 * and programs that have no C library at all. Knows %s, %d, %u, %x (eight digits) and %%.
 */
#ifndef RUNDOWN_SAMPLE_FORMAT_H
#define RUNDOWN_SAMPLE_FORMAT_H

#include <stdarg.h>

struct text_buffer {
    char bytes[512];
    unsigned length;
};

static void put_char(struct text_buffer *text, char c)
{
    if (text->length < sizeof text->bytes)
        text->bytes[text->length++] = c;
}

static void put_number(struct text_buffer *text, unsigned value, unsigned base, unsigned digits)
{
    char reversed[32];
    unsigned count = 0;
    do {
        reversed[count++] = "0123456789ABCDEF"[value % base];
        value /= base;
    } while (value != 0 || count < digits);
    while (count > 0)
        put_char(text, reversed[--count]);
}

static void put_format(struct text_buffer *text, const char *format, va_list arguments)
{
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            put_char(text, *format);
            continue;
        }
        switch (*++format) {
        case 's':
            for (const char *s = va_arg(arguments, const char *); *s != '\0'; s++)
                put_char(text, *s);
            break;
        case 'd': {
            int value = va_arg(arguments, int);
            if (value < 0)
                put_char(text, '-');
            put_number(text, value < 0 ? 0u - (unsigned)value : (unsigned)value, 10, 1);
            break;
        }
        case 'u':
            put_number(text, va_arg(arguments, unsigned), 10, 1);
            break;
        case 'x':
            put_number(text, va_arg(arguments, unsigned), 16, 8);
            break;
        default:
            put_char(text, *format);
            break;
        }
    }
}

#endif
