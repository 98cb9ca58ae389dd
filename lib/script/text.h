/* SPDX-License-Identifier: MIT */
/*
 * Private to script/: reading numbers and words of a line. A reader returns the position after
 * what it read, or NULL.
 */
#ifndef GT_SCRIPT_TEXT_H
#define GT_SCRIPT_TEXT_H

#include "script/parse.h"

#include <endian.h>
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

/* Eight bytes at once: lines are padded with many spaces, and half of their bytes are digits.
 */
static inline uint64_t eight_bytes(const char *at)
{
    uint64_t bytes;

    memcpy(&bytes, at, sizeof(bytes));
    return le64toh(bytes);
}

static inline const char *skip_spaces(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t others = eight_bytes(at) ^ UINT64_C(0x2020202020202020);

        if (others)
            return at + __builtin_ctzll(others) / 8;
    }
    while (at < end && *at == ' ')
        at++;
    return at;
}

/* Of eight bytes, how many at the beginning are digits: 0x30 to 0x39. Of no other byte both the
 * high half is 3, and the low half is below 16 with 6 added. */
static inline unsigned digits_of(uint64_t bytes)
{
    const uint64_t high = UINT64_C(0xf0f0f0f0f0f0f0f0), zeros = UINT64_C(0x3030303030303030);
    uint64_t others =
        ((bytes ^ zeros) | (((bytes & ~high) + UINT64_C(0x0606060606060606)))) & high;

    return others ? (unsigned)__builtin_ctzll(others) / 8 : 8;
}

/* The number that `digits` of the bytes make, 1 to 8: pairs, then fours, then all. */
static inline uint32_t decimal_of(uint64_t bytes, unsigned digits)
{
    uint64_t sum = (bytes & UINT64_C(0x0f0f0f0f0f0f0f0f)) << (64 - 8 * digits);

    sum = sum * 10 + (sum >> 8);
    sum = ((sum & UINT64_C(0x000000ff000000ff)) * (100 + (UINT64_C(1000000) << 32)) +
           ((sum >> 16) & UINT64_C(0x000000ff000000ff)) * (1 + (UINT64_C(10000) << 32))) >>
          32;
    return (uint32_t)sum;
}

/* Decimal digits; NULL when there are none, or too many. */
static inline const char *read_number(const char *at, const char *end, int64_t *value)
{
    const char *start = at;
    int64_t sum = 0;

    if (end - at >= 8) {
        uint64_t bytes = eight_bytes(at);
        unsigned digits = digits_of(bytes);

        sum = digits ? decimal_of(bytes, digits) : 0;
        at += digits;
        if (digits < 8) {
            *value = sum;
            return digits ? at : NULL;
        }
    }
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

/* The low four bits of each byte are what it is worth as a hexadecimal digit. `*digits`: how
 * many of the eight bytes, at the beginning, are digits or small letters up to f. */
static inline uint64_t hex_values_of(uint64_t bytes, unsigned *digits)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t letters = bytes >> 6 & ones;
    uint64_t values = (bytes & 15 * ones) + letters * 9;
    uint64_t above_nine = (values + 6 * ones) >> 4 & ones;
    /* What a digit of such a value looks like: is it that? */
    uint64_t others =
        (bytes ^ (values + '0' * ones + above_nine * ('a' - '0' - 10))) | (values & 16 * ones);

    *digits = others ? (unsigned)__builtin_ctzll(others) / 8 : 8;
    return values;
}

/* The number that the first `digits` of the values make, 1 to 8: pairs, then fours, then all.
 */
static inline uint32_t hex_of(uint64_t values, unsigned digits)
{
    uint64_t sum = values << (64 - 8 * digits);

    sum = (sum << 4 | sum >> 8) & UINT64_C(0x00ff00ff00ff00ff);
    sum = (sum << 8 | sum >> 16) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(sum << 16 | sum >> 32);
}

static inline const char *read_hex(const char *at, const char *end, uint64_t *value)
{
    const char *start = at;
    uint64_t sum = 0;

    while (end - at >= 8) {
        unsigned digits;
        uint64_t values = hex_values_of(eight_bytes(at), &digits);

        if (digits)
            sum = sum << 4 * digits | hex_of(values, digits);
        at += digits;
        if (digits < 8) {
            *value = sum;
            return at > start && at - start <= 16 ? at : NULL;
        }
    }
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

/* Of a mapping that is so long, as struct gt_event has it. */
static inline uint16_t gt_pages_of(uint64_t bytes)
{
    uint64_t pages = bytes / 4096 + (bytes % 4096 > 0);

    return pages < UINT16_MAX ? (uint16_t)pages : UINT16_MAX;
}

/* record.c. Parse what follows "PERF_RECORD_". */
enum gt_line_kind gt_parse_record(const char *at, const char *end, struct gt_event *event);

#endif
