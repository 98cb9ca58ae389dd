/* SPDX-License-Identifier: MIT */
/* lib/analysis/thread_kinds: threads of one kind, their sums, and whom they waited for. */
#include "made.h"

#include "analysis/thread_kinds.h"

#include <string.h>

static struct gt_timeline t;
static struct gt_contention contention;
static struct gt_thread_kinds kinds;

static int begin(void **state)
{
    (void)state;
    made_init(&t);
    gt_intern_init(&t.names);
    made_gil(&t, 1000 * MS);
    gt_chunks_init(&contention.blames, sizeof(struct gt_blame));
    kinds = (struct gt_thread_kinds){0};
    ((struct gt_thread *)gt_chunks_at(&t.threads, 0))->flags = GT_THREAD_MAIN;
    made_member(made_gil_at(&t, 0), 0, 100 * MS);
    return 0;
}

static int end(void **state)
{
    (void)state;
    gt_thread_kinds_release(&kinds);
    gt_chunks_release(&contention.blames);
    gt_intern_release(&t.names);
    made_release(&t);
    return 0;
}

static void add_thread(const char *name, int64_t wait_ns)
{
    uint32_t index = (uint32_t)t.threads.count;

    *(struct gt_thread *)made_push(&t.threads) =
        (struct gt_thread){.tid = 100 + (int32_t)index,
                           .number = index + 1,
                           .end_ns = 1000 * MS,
                           .python_name = gt_intern_add(&t.names, name, strlen(name))};
    made_member(made_gil_at(&t, 0), wait_ns, MS)->thread = index;
}

static void find(void)
{
    assert_int_equal(gt_thread_kinds_init(&kinds, &t, made_gil_at(&t, 0), NULL), 0);
}

static const char *name_of(uint32_t member)
{
    return gt_thread_kind_name(&kinds, kinds.kind_of[member]);
}

static void the_last_number_is_no_part_of_the_kind(void **state)
{
    static const char *const names[][2] = {
        {"Thread-12 (handle)", "Thread-* (handle)"},
        {"Thread-7 (job2)", "Thread-* (job2)"},
        {"ThreadPoolExecutor-0_7", "ThreadPoolExecutor-0_*"},
        {"Dummy-3", "Dummy-*"},
        {"worker", "worker"},
        {"10.0.0.1:4433", "10.0.0.1:*"},
        {"12", "*"},
        {"(3)", "(*)"},
        {"io 1 (a) b", "io * (a) b"},
    };
    enum { COUNT = sizeof(names) / sizeof(names[0]) };

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        add_thread(names[i][0], 0);
    find();
    for (uint32_t i = 0; i < COUNT; i++)
        assert_string_equal(name_of(i + 1), names[i][1]);
}

static void the_main_thread_is_of_no_kind(void **state)
{
    struct gt_thread *main = gt_chunks_at(&t.threads, 0);

    (void)state;
    main->python_name = gt_intern_add(&t.names, "worker-0", 8);
    add_thread("worker-1", 0);
    add_thread("worker-2", 0);
    find();
    assert_int_not_equal(kinds.kind_of[0], kinds.kind_of[1]);
    assert_int_equal(kinds.kind_of[1], kinds.kind_of[2]);
    assert_int_equal(kinds.list[kinds.kind_of[1]].count, 2);
}

static void sums_and_spread_are_of_all_threads(void **state)
{
    struct gt_kind_spread spread;
    const struct gt_thread_kind *kind;

    (void)state;
    add_thread("worker-1", 100 * MS);
    add_thread("other", 900 * MS);
    add_thread("worker-2", 300 * MS);
    add_thread("worker-3", 200 * MS);
    find();
    kind = &kinds.list[kinds.kind_of[1]];
    assert_int_equal(kind->count, 3);
    assert_true(kind->wait_ns == 600 * MS && kind->lifetime_ns == 3000 * MS);
    assert_true(kind->longest_wait_ns == 300 * MS && kind->waits == 3 && kind->holds == 3);
    assert_int_equal(kinds.members[kind->first], 1);
    assert_int_equal(kinds.members[kind->first + 1], 3);
    assert_int_equal(kinds.members[kind->first + 2], 4);
    spread = gt_thread_kind_spread(&kinds, made_gil_at(&t, 0), kinds.kind_of[1]);
    assert_true(spread.least == 10 && spread.median == 20 && spread.greatest == 30);
}

static void assert_blame(const struct gt_chunks *blames, size_t index, uint32_t kind,
                         int64_t ns)
{
    const struct gt_kind_blame *blame = gt_chunks_at(blames, index);

    assert_int_equal(blame->kind, kind);
    assert_true(blame->ns == ns);
}

static void blame_is_summed_by_kind_and_twice_alike(void **state)
{
    struct gt_chunks blames;

    (void)state;
    add_thread("worker-1", 100 * MS);
    add_thread("worker-2", 300 * MS);
    made_blame(&contention, 1, 2, 60 * MS);
    made_blame(&contention, 1, 0, 30 * MS);
    made_blame(&contention, 1, GT_NO_INDEX, 10 * MS);
    made_blame(&contention, 2, 0, 150 * MS);
    made_blame(&contention, 2, 1, 130 * MS);
    made_blame(&contention, 2, GT_OTHERS, 20 * MS);
    find();
    for (int turn = 0; turn < 2; turn++) {
        gt_chunks_init(&blames, sizeof(struct gt_kind_blame));
        assert_int_equal(
            gt_thread_kinds_blame(&kinds, &contention, &kinds.members[1], 2, &blames), 0);
        assert_int_equal(blames.count, 4);
        assert_blame(&blames, 0, kinds.kind_of[1], 190 * MS);
        assert_blame(&blames, 1, kinds.kind_of[0], 180 * MS);
        assert_blame(&blames, 2, GT_OTHERS, 20 * MS);
        assert_blame(&blames, 3, GT_NO_INDEX, 10 * MS);
        gt_chunks_release(&blames);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_number_is_no_part_of_the_kind, begin, end),
        cmocka_unit_test_setup_teardown(the_main_thread_is_of_no_kind, begin, end),
        cmocka_unit_test_setup_teardown(sums_and_spread_are_of_all_threads, begin, end),
        cmocka_unit_test_setup_teardown(blame_is_summed_by_kind_and_twice_alike, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
