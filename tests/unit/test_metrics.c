/* SPDX-License-Identifier: MIT */
/* lib/report/metrics: what is said of two sets of runs. */
#include "report/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct gt_metrics before, after;
static struct gt_buf text;

static int begin(void **state)
{
    (void)state;
    gt_metrics_init(&before);
    gt_metrics_init(&after);
    before.runs = after.runs = 3;
    gt_buf_init(&text);
    return 0;
}

static int end(void **state)
{
    (void)state;
    gt_metrics_release(&before);
    gt_metrics_release(&after);
    gt_buf_release(&text);
    return 0;
}

static void put(struct gt_metrics *metrics, const char *name, double median, double noise,
                bool share)
{
    const double range[3] = {median - noise, median, median + noise};

    assert_int_equal(gt_metrics_put_range(metrics, name, strlen(name), range, share,
                                          strncmp(name, "thread", 6) == 0),
                     0);
}

/* The line of that figure ends so: what is said of it, and its name. */
static void says(const char *verdict, const char *name)
{
    char line[128];

    snprintf(line, sizeof(line), "  %-5s  %s\n", verdict, name);
    if (!strstr(text.data, line))
        fail_msg("not said: %s in\n%s", line, text.data);
}

static void compare(void)
{
    struct gt_error err;

    gt_buf_reset(&text);
    assert_int_equal(gt_metrics_compare(&before, &after, &text, &err), 0);
}

/* All runs of a program that hardly waits have the same share, to the last digit that is
 * shown. */
static void what_reads_alike_is_neither_more_nor_less(void **state)
{
    (void)state;
    put(&before, "thread main: wait", 0.0001, 0.00001, true);
    put(&after, "thread main: wait", 0.0003, 0.00001, true);
    put(&before, "thread main: hold", 0.5, 0.001, true);
    put(&after, "thread main: hold", 0.496, 0.001, true);
    put(&before, "wall", 1234512345, 100, false);
    put(&after, "wall", 1234512999, 100, false);
    compare();
    says("same", "thread main: wait");
    says("same", "thread main: hold");
    says("same", "wall");
    before.runs = after.runs = 1;
    compare();
    says("same", "thread main: wait");
}

static void what_exceeds_the_noise_is_more_or_less(void **state)
{
    (void)state;
    put(&before, "thread main: wait", 0.10, 0.01, true);
    put(&after, "thread main: wait", 0.20, 0.01, true);
    put(&before, "thread main: hold", 0.50, 0.02, true);
    put(&after, "thread main: hold", 0.51, 0.01, true);
    put(&before, "wall", 2e9, 1e7, false);
    put(&after, "wall", 1e9, 1e7, false);
    compare();
    says("more", "thread main: wait");
    says("noise", "thread main: hold");
    says("less", "wall");
    before.runs = after.runs = 1;
    compare();
    says("?", "thread main: wait");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_reads_alike_is_neither_more_nor_less, begin, end),
        cmocka_unit_test_setup_teardown(what_exceeds_the_noise_is_more_or_less, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
