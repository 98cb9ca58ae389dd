/* SPDX-License-Identifier: MIT */
/* lib/script/prefix and text: what is read in eights, or remembered, is what reading byte by
 * byte and anew says. */
#include "script/prefix.h"
#include "script/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROUNDS = 100000, LINES = 60000, TEXT = 40 };

static const char *plain_number(const char *at, const char *end, int64_t *value)
{
    const char *start = at;

    for (*value = 0; at < end && is_digit(*at) && at - start <= DIGITS_MAX; at++)
        *value = *value * 10 + (*at - '0');
    return at > start && at - start <= DIGITS_MAX ? at : NULL;
}

static const char *plain_hex(const char *at, const char *end, uint64_t *value)
{
    static const char digits[] = "0123456789abcdef";
    const char *start = at;

    for (*value = 0; at < end && *at && strchr(digits, *at); at++)
        *value = *value << 4 | (uint64_t)(strchr(digits, *at) - digits);
    return at > start && at - start <= 16 ? at : NULL;
}

/* Some of the one, then others, and one that lies beside them in the table of characters. */
static size_t make_text(char text[TEXT], const char *some)
{
    static const char beside[] = "/:`g@F G\xb0\xff";
    size_t length = (size_t)rand() % TEXT, good = (size_t)rand() % TEXT;

    for (size_t i = 0; i < length; i++)
        text[i] = (char)(i < good ? some[(size_t)rand() % strlen(some)] : rand() % 256);
    if (length && rand() % 3 == 0)
        text[(size_t)rand() % length] = beside[(size_t)rand() % (sizeof(beside) - 1)];
    return length;
}

static void numbers_are_those_of_their_digits(void **state)
{
    char text[TEXT];

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        const char *end = text + make_text(text, "0123456789"), *plain, *read;
        int64_t expected, found;

        plain = plain_number(text, end, &expected);
        read = read_number(text, end, &found);
        assert_ptr_equal(read, plain);
        assert_true(found == expected);
    }
}

static void hex_numbers_are_those_of_their_digits(void **state)
{
    char text[TEXT];

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        const char *end = text + make_text(text, "0123456789abcdef"), *plain, *read;
        uint64_t expected, found;

        plain = plain_hex(text, end, &expected);
        read = read_hex(text, end, &found);
        assert_ptr_equal(read, plain);
        assert_true(!read || found == expected);
    }
}

static void spaces_are_skipped_up_to_the_first_other(void **state)
{
    char text[TEXT];

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        const char *end = text + make_text(text, " "), *plain = text;

        while (plain < end && *plain == ' ')
            plain++;
        assert_ptr_equal(skip_spaces(text, end), plain);
    }
}

static const char *one_of(const char *const *list, size_t count)
{
    return list[(size_t)rand() % count];
}

#define ONE_OF(list) one_of(list, sizeof(list) / sizeof((list)[0]))

/* Few of each part, so that beginnings come again, whole or nearly. */
static size_t make_line(char *line, size_t size)
{
    static const char *const comms[] = {
        "      python3.11", "         python3", "python3", "",
        " 12/12 [001]  1.", "    a 7/8 [000] ", "   :-1",  "   more than sixteen"};
    static const char *const ids[] = {" 12744/12744", " 12744/12745",     "12/12",
                                      " 7",           " 1274400/1274500", " -1",
                                      "  745/745  ",  ":-1 -1",           "x"};
    static const char *const cpus[] = {" [000]", " [001]", "", " [x]", " [127]   "};
    static const char *const times[] = {"  1325.", "     1.",      "  1326.",
                                        " ",       " 9223372036.", " 13259."};
    static const char *const fractions[] = {"085011065:",
                                            "085011:",
                                            "085:",
                                            "0850110651:",
                                            "",
                                            "x",
                                            "000000001: gil:signal: (0) cond=0x1",
                                            "999999999"};

    return (size_t)snprintf(line, size, "%s%s%s%s%s", ONE_OF(comms), ONE_OF(ids), ONE_OF(cpus),
                            ONE_OF(times), ONE_OF(fractions));
}

static void what_is_remembered_is_what_is_read_anew(void **state)
{
    struct gt_prefixes known = {0};
    char line[256];
    int again = 0;

    (void)state;
    for (int i = 0; i < LINES; i++) {
        struct gt_prefixes none = {0}, before = known;
        const char *end = line + make_line(line, sizeof(line)), *expected, *found;
        struct gt_event anew = {0}, remembered = {0};

        expected = gt_prefix_read(&none, line, end, &anew);
        found = gt_prefix_read(&known, line, end, &remembered);
        assert_ptr_equal(found, expected);
        if (!found)
            continue;
        again += memcmp(&none, &(struct gt_prefixes){0}, sizeof(none)) != 0 &&
                 memcmp(&before, &known, sizeof(known)) == 0;
        assert_ptr_equal(remembered.comm, anew.comm);
        assert_int_equal(remembered.comm_length, anew.comm_length);
        assert_int_equal(remembered.pid, anew.pid);
        assert_int_equal(remembered.tid, anew.tid);
        assert_int_equal(remembered.cpu, anew.cpu);
        assert_true(remembered.time_ns == anew.time_ns);
    }
    assert_true(again > LINES / 1000); /* it was remembered at all */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_their_digits),
        cmocka_unit_test(hex_numbers_are_those_of_their_digits),
        cmocka_unit_test(spaces_are_skipped_up_to_the_first_other),
        cmocka_unit_test(what_is_remembered_is_what_is_read_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
