/* SPDX-License-Identifier: MIT */
/* lib/whatif/advice: which of the estimates are worth a sentence, or a table. */
#include "made.h"

#include "whatif/advice.h"

/* A run of a second on two cores; 2, 4 and 8 were asked about. */
static struct gt_whatif whatif;

static int begin(void **state)
{
    (void)state;
    whatif = (struct gt_whatif){.cores = 2,
                                .core_counts = 3,
                                .core_count = {2, 4, 8},
                                .recorded_ns = 1000 * MS,
                                .replayed_ns = 1000 * MS};
    gt_chunks_init(&whatif.estimates, sizeof(struct gt_estimate));
    return 0;
}

static int end(void **state)
{
    (void)state;
    gt_chunks_release(&whatif.estimates);
    return 0;
}

/* One that takes so long on 2, 4 and 8 cores. */
static struct gt_estimate *add(int64_t two_ns, int64_t four_ns, int64_t eight_ns)
{
    struct gt_estimate *estimate = made_push(&whatif.estimates);

    *estimate = (struct gt_estimate){.kind = GT_ESTIMATE_NO_GIL,
                                     .wall_ns = two_ns,
                                     .by_cores_ns = {two_ns, four_ns, eight_ns}};
    return estimate;
}

static const struct gt_whatif *advise(void)
{
    whatif.worth_a_table = false;
    gt_whatif_advise(&whatif, 0);
    return &whatif;
}

static void told_from_a_tenth_faster_on(void **state)
{
    struct gt_estimate *estimate = add(1000 * MS, 1000 * MS, 1000 * MS);

    (void)state;
    assert_null(advise()->told);
    estimate->wall_ns = 900 * MS;
    assert_ptr_equal(advise()->told, estimate);
    estimate->wall_ns = 910 * MS;
    assert_null(advise()->told);
    estimate->wall_ns = -1; /* not known */
    assert_null(advise()->told);
}

static void the_simpler_one_is_told_unless_another_is_better(void **state)
{
    struct gt_estimate *simple, *other;

    (void)state;
    add(800 * MS, 800 * MS, 800 * MS);
    other = add(770 * MS, 770 * MS, 770 * MS);
    simple = gt_chunks_at(&whatif.estimates, 0); /* the list may have moved */
    assert_ptr_equal(advise()->told, simple);
    other->wall_ns = 750 * MS;
    assert_ptr_equal(advise()->told, other);
}

static void a_table_is_worth_it_from_a_twentieth_on(void **state)
{
    struct gt_estimate *estimate = add(960 * MS, 960 * MS, 960 * MS);

    (void)state;
    assert_false(advise()->worth_a_table);
    estimate->by_cores_ns[2] = 950 * MS;
    assert_true(advise()->worth_a_table);
    estimate->by_cores_ns[2] = 960 * MS;
    estimate->by_cores_ns[0] = 500 * MS;
    assert_true(advise()->worth_a_table);
    whatif.core_count[0] = 1; /* fewer cores than it had do not count */
    assert_false(advise()->worth_a_table);
}

static void that_an_estimate_is_withheld_is_worth_a_table(void **state)
{
    struct gt_estimate *estimate = add(-1, -1, -1);

    (void)state;
    estimate->withheld = GT_WITHHELD_STUCK; /* it says nothing of the program */
    assert_false(advise()->worth_a_table);
    estimate->withheld = GT_WITHHELD_CLOCK;
    assert_true(advise()->worth_a_table);
}

static void more_cores_are_told_where_they_help(void **state)
{
    struct gt_estimate *estimate = add(500 * MS, 450 * MS, 450 * MS);

    (void)state;
    advise();
    assert_int_equal(estimate->best_cores, GT_WHATIF_CORES);
    estimate->by_cores_ns[1] = 449 * MS;
    estimate->by_cores_ns[2] = 440 * MS;
    advise();
    assert_int_equal(estimate->best_cores, 1); /* 8 are hardly better than 4 */
    estimate->by_cores_ns[1] = 400 * MS;
    estimate->by_cores_ns[2] = 380 * MS;
    advise();
    assert_int_equal(estimate->best_cores, 1);
    estimate->by_cores_ns[2]--;
    advise();
    assert_int_equal(estimate->best_cores, 2);
    estimate->by_cores_ns[1] = 449 * MS;
    estimate->by_cores_ns[2] = 400 * MS;
    advise();
    assert_int_equal(estimate->best_cores, 2);
    estimate->by_cores_ns[1] = estimate->by_cores_ns[2] = -1;
    advise();
    assert_int_equal(estimate->best_cores, GT_WHATIF_CORES);
}

static void a_run_that_was_slowed_is_called_a_traced_one(void **state)
{
    (void)state;
    gt_whatif_advise(&whatif, 100 * MS);
    assert_false(whatif.of_traced_run);
    gt_whatif_advise(&whatif, 100 * MS + 1);
    assert_true(whatif.of_traced_run);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(told_from_a_tenth_faster_on),
        TEST(the_simpler_one_is_told_unless_another_is_better),
        TEST(a_table_is_worth_it_from_a_twentieth_on),
        TEST(that_an_estimate_is_withheld_is_worth_a_table),
        TEST(more_cores_are_told_where_they_help),
        TEST(a_run_that_was_slowed_is_called_a_traced_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
