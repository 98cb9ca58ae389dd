/* SPDX-License-Identifier: MIT */
/* ingest/barriers: clocks are moved where calls that were made together say so, and only then.
 */
#include "ingest/barriers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { RANKS = 3, CALLS = 4, LATE_NS = 1000000 };

struct ranks {
    struct gt_chunks passings[RANKS];
    struct gt_clock_map maps[RANKS];
    struct gt_barred barred[RANKS];
};

/* Each call begins at a multiple of LATE_NS, 100 ns later for each rank, and all leave 500 ns
 * after that; the clock of a rank shows `off_ns` more. */
static void make(struct ranks *ranks, const int64_t off_ns[RANKS])
{
    for (int i = 0; i < RANKS; i++) {
        gt_chunks_init(&ranks->passings[i], sizeof(struct gt_passing));
        for (int call = 1; call <= CALLS; call++) {
            struct gt_passing *passing = gt_chunks_push(&ranks->passings[i]);

            assert_non_null(passing);
            *passing = (struct gt_passing){call * LATE_NS + i * 100 + off_ns[i],
                                           call * LATE_NS + 500 + i * 10 + off_ns[i]};
        }
        ranks->maps[i] = (struct gt_clock_map){0};
        ranks->barred[i] = (struct gt_barred){
            .boot = (uint32_t)i, .passings = &ranks->passings[i], .map = &ranks->maps[i]};
    }
}

static struct gt_alignment align(struct ranks *ranks)
{
    struct gt_alignment alignment = {.machines = RANKS};

    assert_int_equal(gt_barriers_align(ranks->barred, RANKS, &alignment), 0);
    return alignment;
}

static void release(struct ranks *ranks)
{
    for (int i = 0; i < RANKS; i++)
        gt_chunks_release(&ranks->passings[i]);
}

static void test_what_agrees_stays(void **state)
{
    const int64_t off_ns[RANKS] = {0, 50, -50};
    struct gt_alignment alignment;
    struct ranks ranks;

    (void)state;
    make(&ranks, off_ns);
    alignment = align(&ranks);
    assert_int_equal(alignment.barriers, CALLS);
    assert_true(alignment.barriers_all);
    assert_int_equal(alignment.moved_ns, 0);
    assert_true(alignment.barriers_error_ns >= 100 && alignment.barriers_error_ns < 700);
    for (int i = 0; i < RANKS; i++)
        assert_int_equal(ranks.maps[i].to_ns, 0);
    release(&ranks);
}

/* To within what the calls took. */
static void test_a_clock_that_is_off_is_moved(void **state)
{
    const int64_t off_ns[RANKS] = {0, 40000, -70000};
    struct gt_alignment alignment;
    struct ranks ranks;

    (void)state;
    make(&ranks, off_ns);
    alignment = align(&ranks);
    assert_int_equal(alignment.barriers, CALLS);
    for (int i = 1; i < RANKS; i++) {
        int64_t wrong_ns = ranks.maps[i].to_ns + off_ns[i] - ranks.maps[0].to_ns;

        assert_in_range(llabs(wrong_ns), 0, alignment.barriers_error_ns);
    }
    assert_true(alignment.barriers_error_ns < 700);
    assert_in_range(alignment.moved_ns, 69000, 71000);
    release(&ranks);
}

/* Other calls than those of all, or in another order: nothing is known by them. */
static void test_what_contradicts_is_not_used(void **state)
{
    const int64_t off_ns[RANKS] = {0, 40000, 0};
    struct gt_alignment alignment;
    struct gt_passing *passing;
    struct ranks ranks;

    (void)state;
    make(&ranks, off_ns);
    passing = gt_chunks_at(&ranks.passings[1], 2);
    passing->start_ns += 20000;
    passing->end_ns += 20000;
    alignment = align(&ranks);
    assert_int_equal(alignment.barriers, 0);
    for (int i = 0; i < RANKS; i++)
        assert_int_equal(ranks.maps[i].to_ns, 0);
    gt_chunks_truncate(&ranks.passings[1], CALLS - 1);
    assert_int_equal(align(&ranks).barriers, 0);
    release(&ranks);
}

static int64_t random_below(uint64_t *state, int64_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((*state >> 33) % (uint64_t)below);
}

/* Calls that take long and differ: where a clock is put must leave room for the next one, and
 * the true places are within the error that is told. */
static void test_whatever_is_true_can_be_placed(void **unused)
{
    uint64_t state = 7;

    (void)unused;
    for (int trial = 0; trial < 2000; trial++) {
        struct ranks ranks;
        struct gt_alignment alignment;
        int64_t off_ns[RANKS], all_in_ns = 0;

        for (int i = 0; i < RANKS; i++)
            off_ns[i] = random_below(&state, 300000) - 150000;
        make(&ranks, off_ns);
        for (size_t call = 0; call < CALLS; call++) {
            all_in_ns += 1000000;
            for (int i = 0; i < RANKS; i++) {
                struct gt_passing *passing = gt_chunks_at(&ranks.passings[i], call);

                passing->start_ns = all_in_ns - random_below(&state, 90000) + off_ns[i];
                passing->end_ns = all_in_ns + random_below(&state, 90000) + off_ns[i];
            }
        }
        ranks.barred[trial % RANKS].fixed = trial % 2;
        alignment = align(&ranks);
        assert_int_equal(alignment.barriers, CALLS);
        for (int i = 0; i < RANKS; i++)
            for (int j = 0; j < i; j++) {
                int64_t wrong_ns =
                    ranks.maps[i].to_ns + off_ns[i] - (ranks.maps[j].to_ns + off_ns[j]);

                assert_in_range(llabs(wrong_ns), 0, alignment.barriers_error_ns);
            }
        release(&ranks);
    }
}

/* One that has its place already is what others are moved to. */
static void test_what_is_fixed_stays(void **state)
{
    const int64_t off_ns[RANKS] = {40000, 0, 40000};
    struct gt_alignment alignment;
    struct ranks ranks;

    (void)state;
    make(&ranks, off_ns);
    ranks.barred[1].fixed = true;
    gt_chunks_truncate(&ranks.passings[2], 0);
    alignment = align(&ranks);
    assert_int_equal(alignment.barriers, CALLS);
    assert_false(alignment.barriers_all);
    assert_int_equal(ranks.maps[1].to_ns, 0);
    assert_int_equal(ranks.maps[2].to_ns, 0);
    assert_in_range(-ranks.maps[0].to_ns, 39000, 41000);
    release(&ranks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_agrees_stays),
        cmocka_unit_test(test_a_clock_that_is_off_is_moved),
        cmocka_unit_test(test_what_contradicts_is_not_used),
        cmocka_unit_test(test_whatever_is_true_can_be_placed),
        cmocka_unit_test(test_what_is_fixed_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
