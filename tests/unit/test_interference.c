/* SPDX-License-Identifier: MIT */
/* lib/analysis/interference: what the machine did to the program, and whether it matters. */
#include "made.h"

#include "analysis/interference.h"
#include "event/surroundings.h"

#define WALL (1000 * MS)

static struct gt_timeline t;
static struct gt_crowd crowd;
static struct gt_surroundings machine;

/* Half of the run somebody waited; nothing is known of the machine but its CPUs. */
static int begin(void **state)
{
    (void)state;
    made_init(&t);
    crowd = (struct gt_crowd){.waiting_ns = 500 * MS, .ready_ns = -1, .running_ns = -1};
    machine = (struct gt_surroundings){
        .cpus = 4, .allowed = 2, .steal_ns = -1, .ready_ns = -1, .cpu_ns = -1};
    return 0;
}

static int end(void **state)
{
    (void)state;
    made_release(&t);
    return 0;
}

static struct gt_interference find(void)
{
    return gt_interference_find(&t, &crowd, &machine, WALL);
}

static struct gt_quota *add_quota(uint64_t throttled, int64_t throttled_ns)
{
    struct gt_quota *quota = &machine.quotas[machine.quota_count++];

    *quota = (struct gt_quota){.path = "/",
                               .cpus = 0.5,
                               .known = true,
                               .throttled = throttled,
                               .throttled_ns = throttled_ns};
    return quota;
}

static void nothing_is_said_of_an_unknown_machine(void **state)
{
    struct gt_interference found = gt_interference_find(&t, &crowd, NULL, WALL);

    (void)state;
    assert_null(found.quota);
    assert_false(found.quota_matters || found.steal_matters || found.ready_matters);
    assert_true(found.ready_ns == -1);
    assert_int_equal(found.waiting, GT_WAITING_NOT_BY_MACHINE);
}

static void a_quota_matters_from_a_hundredth_of_the_run_on(void **state)
{
    struct gt_quota *quota;

    (void)state;
    add_quota(0, 500 * MS); /* it never stopped the program */
    assert_null(find().quota);
    quota = add_quota(3, 10 * MS);
    add_quota(9, 9 * MS);
    assert_ptr_equal(find().quota, quota);
    assert_true(find().quota_matters);
    quota->throttled_ns = 10 * MS - 1;
    assert_false(find().quota_matters);
}

static void steal_matters_from_a_fiftieth_of_the_cpus_on(void **state)
{
    (void)state;
    assert_false(find().steal_matters);
    machine.steal_ns = 40 * MS;
    assert_true(find().steal_matters);
    assert_true(find().steal_of_ns == 2 * WALL);
    machine.steal_ns--;
    assert_false(find().steal_matters);
}

static void the_scheduler_knows_best_who_had_no_cpu(void **state)
{
    (void)state;
    assert_int_equal(find().ready_source, GT_READY_UNKNOWN);
    machine.ready_ns = 100 * MS;
    assert_int_equal(find().ready_source, GT_READY_FROM_SCHEDSTAT);
    assert_true(find().ready_matters);
    machine.ready_ns--;
    assert_false(find().ready_matters);
    crowd.ready_ns = 300 * MS;
    assert_int_equal(find().ready_source, GT_READY_FROM_SCHEDULER);
    assert_true(find().ready_ns == 300 * MS && find().ready_matters);
}

static void waiting_is_the_machines_doing_from_a_fifth_on(void **state)
{
    (void)state;
    crowd.known_ns = 500 * MS;
    crowd.no_cpu_ns = 100 * MS;
    assert_int_equal(find().waiting, GT_WAITING_BY_MACHINE);
    crowd.no_cpu_ns--;
    assert_int_equal(find().waiting, GT_WAITING_NOT_BY_MACHINE);
}

static void of_little_waiting_it_is_not_asked(void **state)
{
    (void)state;
    crowd = (struct gt_crowd){.waiting_ns = 100 * MS, .no_cpu_ns = 50 * MS, .ready_ns = -1};
    assert_int_equal(find().waiting, GT_WAITING_BY_MACHINE);
    crowd.waiting_ns--;
    assert_int_equal(find().waiting, GT_WAITING_NOT_BY_MACHINE);
}

static void where_holders_are_not_known_it_may_be_the_machines_doing(void **state)
{
    struct gt_quota *quota = add_quota(1, 100 * MS);

    (void)state;
    assert_int_equal(find().waiting, GT_WAITING_BY_QUOTA);
    crowd.known_ns = 400 * MS; /* of most waiting it is known that it is not */
    assert_int_equal(find().waiting, GT_WAITING_NOT_BY_MACHINE);
    crowd.known_ns--;
    assert_int_equal(find().waiting, GT_WAITING_BY_QUOTA);
    quota->throttled_ns--;
    assert_int_equal(find().waiting, GT_WAITING_NOT_BY_MACHINE);
    machine.ready_ns = 200 * MS;
    assert_int_equal(find().waiting, GT_WAITING_BY_READY);
    machine.ready_ns--;
    assert_int_equal(find().waiting, GT_WAITING_NOT_BY_MACHINE);
}

static void who_had_the_gil_and_no_cpu_is_summed_up(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        *(struct gt_sched *)made_push(&t.scheds) =
            (struct gt_sched){.ready_holding_ns = 3 * MS, .ready_holding_count = 2};
    assert_int_equal(find().ready_holding_count, 4);
    assert_true(find().ready_holding_ns == 6 * MS);
}

static void holders_without_a_cpu_matter_from_a_hundredth_of_the_run_on(void **state)
{
    struct gt_sched *sched = made_push(&t.scheds);

    (void)state;
    *sched = (struct gt_sched){0};
    assert_false(find().ready_holding_matters);
    *sched = (struct gt_sched){.ready_holding_ns = 10 * MS - 1, .ready_holding_count = 99};
    assert_false(find().ready_holding_matters);
    sched->ready_holding_ns++;
    assert_true(find().ready_holding_matters);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_said_of_an_unknown_machine),
        TEST(a_quota_matters_from_a_hundredth_of_the_run_on),
        TEST(steal_matters_from_a_fiftieth_of_the_cpus_on),
        TEST(the_scheduler_knows_best_who_had_no_cpu),
        TEST(waiting_is_the_machines_doing_from_a_fifth_on),
        TEST(of_little_waiting_it_is_not_asked),
        TEST(where_holders_are_not_known_it_may_be_the_machines_doing),
        TEST(who_had_the_gil_and_no_cpu_is_summed_up),
        TEST(holders_without_a_cpu_matter_from_a_hundredth_of_the_run_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
