/* SPDX-License-Identifier: MIT */
/*
 * Private to script/: reading numbers and words of a line. A reader returns the position after
 * what it read, or NULL.
 */
#ifndef GT_SCRIPT_TEXT_H
#define GT_SCRIPT_TEXT_H

#include "script/parse.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    DIGITS_MAX = 17, /* of a number: one digit more would still fit int64_t */
};

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static inline const char *skip_spaces(const char *at, const char *end)
{
    while (at < end && *at == ' ')
        at++;
    return at;
}

/* Decimal digits; NULL when there are none, or too many. */
static inline const char *read_number(const char *at, const char *end, int64_t *value)
{
    const char *start = at;
    int64_t sum = 0;

    for (; at < end && is_digit(*at) && at - start <= DIGITS_MAX; at++)
        sum = sum * 10 + (*at - '0');
    *value = sum;
    return at > start && at - start <= DIGITS_MAX ? at : NULL;
}

static inline const char *read_signed(const char *at, const char *end, int64_t *value)
{
    bool negative = at < end && *at == '-';

    at = read_number(at + negative, end, value);
    if (negative)
        *value = -*value;
    return at;
}

/* Can it be the id of a process, a thread or a CPU? -1 is one. */
static inline bool is_id(int64_t value)
{
    return value >= -1 && value <= INT32_MAX;
}

static inline const char *read_hex(const char *at, const char *end, uint64_t *value)
{
    const char *start = at;
    uint64_t sum = 0;

    for (; at < end; at++) {
        char c = *at;
        unsigned digit;

        if (is_digit(c))
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a') + 10;
        else
            break;
        sum = sum << 4 | digit;
    }
    *value = sum;
    return at > start && at - start <= 16 ? at : NULL;
}

static inline bool has(const char *text, size_t length, const char *word)
{
    return memmem(text, length, word, strlen(word)) != NULL;
}

/* record.c. Parse what follows "PERF_RECORD_". */
enum gt_line_kind gt_parse_record(const char *at, const char *end, struct gt_event *event);

#endif
