/* SPDX-License-Identifier: MIT */
/* lib/report/short_calls: calls that are put together are counted, and nest as they did. */
#include "report/short_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct list {
    struct gt_call_run runs[16];
    size_t count, kept;
    struct gt_call_runs state;
};

static void take(struct list *list, int64_t start_ns, int64_t end_ns)
{
    const struct gt_call_span call = {.start_ns = start_ns, .end_ns = end_ns};
    bool kept;
    int rc = gt_call_runs_take(&list->state, &call, &kept, &list->runs[list->count]);

    assert_true(rc >= 0);
    list->count += (size_t)rc;
    list->kept += kept;
}

static void check(const struct list *list, size_t at, int64_t start_ns, int64_t end_ns,
                  uint64_t calls, int64_t inside_ns)
{
    assert_int_equal(list->runs[at].start_ns, start_ns);
    assert_int_equal(list->runs[at].end_ns, end_ns);
    assert_int_equal(list->runs[at].calls, calls);
    assert_int_equal(list->runs[at].inside_ns, inside_ns);
}

/* main from 0 to 1000, with short calls, a long one with a short one in it, short ones again.
 */
static void runs_end_where_a_kept_call_begins_or_ends(void **state)
{
    struct list list = {.kept = 0};

    (void)state;
    gt_call_runs_init(&list.state, 100);
    take(&list, 0, 1000);
    take(&list, 10, 50);
    take(&list, 20, 30); /* which the one before called */
    take(&list, 60, 159);
    take(&list, 200, 600);
    take(&list, 300, 310);
    take(&list, 600, 699);
    take(&list, 700, 800);
    take(&list, 1000, 1001); /* after main */
    list.count += gt_call_runs_end(&list.state, &list.runs[list.count]);
    gt_call_runs_release(&list.state);
    assert_int_equal(list.kept, 3);
    assert_int_equal(list.count, 4);
    check(&list, 0, 10, 159, 3, 40 + 99);
    check(&list, 1, 300, 310, 1, 10);
    check(&list, 2, 600, 699, 1, 99);
    check(&list, 3, 1000, 1001, 1, 1);
}

static void a_thread_without_short_calls_has_no_runs(void **state)
{
    struct list list = {.kept = 0};

    (void)state;
    gt_call_runs_init(&list.state, 100);
    take(&list, 0, 1000);
    take(&list, 100, 200);
    assert_false(gt_call_runs_end(&list.state, &list.runs[0]));
    gt_call_runs_release(&list.state);
    assert_int_equal(list.count, 0);
    assert_int_equal(list.kept, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_end_where_a_kept_call_begins_or_ends),
        cmocka_unit_test(a_thread_without_short_calls_has_no_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
