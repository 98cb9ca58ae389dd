/* SPDX-License-Identifier: MIT */
#include "base/toml_scalar.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- dates and times --- */

/* Exactly so many digits, of a number within bounds. Moves on. */
static bool take_number(const char **at, size_t digits, unsigned least, unsigned most,
                        unsigned *number)
{
    *number = 0;
    for (size_t i = 0; i < digits; i++) {
        if (!isdigit((unsigned char)**at))
            return false;
        *number = *number * 10 + (unsigned)(*(*at)++ - '0');
    }
    return *number >= least && *number <= most;
}

static bool take(const char **at, char letter)
{
    *at += **at == letter;
    return (*at)[-1] == letter;
}

static bool take_date(const char **at)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year, month, day;
    bool leap;

    if (!take_number(at, 4, 1, 9999, &year) || !take(at, '-') ||
        !take_number(at, 2, 1, 12, &month) || !take(at, '-') ||
        !take_number(at, 2, 1, 31, &day))
        return false;
    leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day <= days[month - 1] + (leap ? 1u : 0u);
}

static bool take_time(const char **at)
{
    unsigned number;

    if (!take_number(at, 2, 0, 23, &number) || !take(at, ':') ||
        !take_number(at, 2, 0, 59, &number) || !take(at, ':') ||
        !take_number(at, 2, 0, 59, &number))
        return false;
    if (**at != '.')
        return true;
    if (!isdigit((unsigned char)*++*at))
        return false;
    *at += strspn(*at, "0123456789");
    return true;
}

/* From UTC, if it says so. */
static bool take_offset(const char **at)
{
    unsigned number;

    if (**at == 'Z' || **at == 'z')
        ++*at;
    else if (**at == '+' || **at == '-')
        return ++*at && take_number(at, 2, 0, 23, &number) && take(at, ':') &&
               take_number(at, 2, 0, 59, &number);
    return true;
}

static bool is_time(const char *word)
{
    const char *at = word;

    if (strlen(word) > 2 && word[2] == ':')
        return take_time(&at) && !*at;
    if (!take_date(&at))
        return false;
    if (!*at)
        return true;
    if (!strchr("Tt ", *at))
        return false;
    at++;
    return take_time(&at) && take_offset(&at) && !*at;
}

/* --- numbers --- */

/* Digits, with single underscores between them, which are left out of what is kept. */
static bool take_digits(const char **at, int (*is_digit)(int), char **keep)
{
    const char *first = *at;

    while (
        is_digit((unsigned char)**at) ||
        (**at == '_' && *at > first && is_digit((unsigned char)(*at)[1]) && (*at)[-1] != '_')) {
        if (**at != '_')
            *(*keep)++ = **at;
        ++*at;
    }
    return *at > first;
}

static int is_octal(int letter)
{
    return letter >= '0' && letter <= '7';
}

static int is_binary(int letter)
{
    return letter == '0' || letter == '1';
}

/* "0x1_f", "0o17", "0b11": without a sign. */
static bool take_based(char *word, struct gt_toml_value *value)
{
    static const struct {
        char letter;
        int base;
        int (*is_digit)(int);
    } kinds[] = {{'x', 16, isxdigit}, {'o', 8, is_octal}, {'b', 2, is_binary}};

    for (size_t i = 0; i < 3; i++) {
        const char *at = word + 2;
        char *keep = word + 2;

        if (word[0] != '0' || word[1] != kinds[i].letter)
            continue;
        if (!take_digits(&at, kinds[i].is_digit, &keep) || *at)
            return false;
        *keep = '\0';
        errno = 0;
        value->integer = strtoll(word + 2, NULL, kinds[i].base);
        value->kind = GT_TOML_INTEGER;
        return errno == 0;
    }
    return false;
}

/* What is behind the whole digits of a float, from the point or the exponent on. */
static bool take_fraction(const char **at, char **keep)
{
    if (**at == '.') {
        *(*keep)++ = *(*at)++;
        if (!take_digits(at, isdigit, keep))
            return false;
    }
    if (**at == 'e' || **at == 'E') {
        *(*keep)++ = *(*at)++;
        if (**at == '+' || **at == '-')
            *(*keep)++ = *(*at)++;
        if (!take_digits(at, isdigit, keep))
            return false;
    }
    return !**at;
}

static bool take_decimal(char *word, struct gt_toml_value *value)
{
    const char *at = word;
    char *keep = word, *digits;

    if (*at == '+' || *at == '-')
        *keep++ = *at++;
    digits = keep;
    if (strcmp(at, "inf") == 0 || strcmp(at, "nan") == 0) {
        value->kind = GT_TOML_FLOAT;
        value->number = *at == 'n' ? (double)NAN : *word == '-' ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    if (!take_digits(&at, isdigit, &keep) || (*digits == '0' && keep - digits > 1))
        return false;
    value->kind = *at ? GT_TOML_FLOAT : GT_TOML_INTEGER;
    if (!take_fraction(&at, &keep))
        return false;
    *keep = '\0';
    errno = 0;
    if (value->kind == GT_TOML_INTEGER)
        value->integer = strtoll(word, NULL, 10);
    else
        value->number = strtod(word, NULL);
    return value->kind == GT_TOML_FLOAT || errno == 0;
}

bool gt_toml_scalar(char *word, struct gt_toml_value *value)
{
    if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0) {
        value->kind = GT_TOML_BOOLEAN;
        value->truth = *word == 't';
        return true;
    }
    if (is_time(word)) {
        value->kind = GT_TOML_TIME;
        return true;
    }
    if (!take_based(word, value) && !take_decimal(word, value))
        return false;
    if (value->kind == GT_TOML_INTEGER)
        value->number = (double)value->integer;
    return true;
}
