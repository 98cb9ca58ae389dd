/* SPDX-License-Identifier: MIT */
/* The agent's table of semaphores, and what it records of them into a log that this test has.
 */
#include "agent/begin.h"
#include "agent/sem_slots.h"
#include "agent/semaphores.h"
#include "agent/threads.h"
#include "base/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static char *dir;
static sem_t semaphores[2];
static char owner, other;

/* --- the table --- */

static int empty(void **state)
{
    (void)state;
    gt_agent_sem_slots_reset();
    return 0;
}

static void test_who_took_one_gives_it(void **state)
{
    (void)state;
    gt_agent_sem_slot_take(&semaphores[0], &owner, 100);
    assert_int_equal(gt_agent_sem_slot_give(&semaphores[0], &owner), 100);
    assert_int_equal(gt_agent_sem_slot_give(&semaphores[0], &owner), 0);
}

static void test_another_may_give_it_who_never_had_it(void **state)
{
    (void)state;
    gt_agent_sem_slot_take(&semaphores[0], &owner, 100);
    assert_int_equal(gt_agent_sem_slot_give(&semaphores[0], &other), 0);
    assert_int_equal(gt_agent_sem_slot_give(&semaphores[0], &owner), 100);
}

static void test_who_takes_it_last_has_it(void **state)
{
    (void)state;
    gt_agent_sem_slot_take(&semaphores[0], &owner, 100);
    gt_agent_sem_slot_take(&semaphores[0], &other, 200);
    assert_int_equal(gt_agent_sem_slot_give(&semaphores[0], &owner), 0);
    assert_int_equal(gt_agent_sem_slot_give(&semaphores[0], &other), 200);
}

static void test_waiters_are_counted(void **state)
{
    (void)state;
    gt_agent_sem_slot_wait(&semaphores[0]);
    gt_agent_sem_slot_wait(&semaphores[0]);
    assert_int_equal(gt_agent_sem_slot_waiting(&semaphores[0]), 2);
    gt_agent_sem_slot_wait_ended(&semaphores[0]);
    assert_int_equal(gt_agent_sem_slot_waiting(&semaphores[0]), 1);
}

static void test_after_a_fork_nobody_waits_or_has_one(void **state)
{
    (void)state;
    gt_agent_sem_slot_take(&semaphores[0], &owner, 100);
    gt_agent_sem_slot_wait(&semaphores[0]);
    gt_agent_sem_slots_reset();
    gt_agent_sem_slot_wait_ended(&semaphores[0]); /* the forking thread's own wait */
    assert_int_equal(gt_agent_sem_slot_waiting(&semaphores[0]), 0);
    assert_int_equal(gt_agent_sem_slot_give(&semaphores[0], &owner), 0);
}

static void test_two_of_one_slot_forget_but_never_mix(void **state)
{
    const char *first = (const char *)0x10000, *second = first;

    (void)state;
    do
        second += 16;
    while (gt_agent_sem_slot_of(second) != gt_agent_sem_slot_of(first));
    gt_agent_sem_slot_take(first, &owner, 100);
    gt_agent_sem_slot_take(second, &owner, 200);
    assert_int_equal(gt_agent_sem_slot_give(first, &owner), 0);
    assert_int_equal(gt_agent_sem_slot_give(second, &owner), 200);
}

/* --- the records --- */

static size_t recorded; /* records of earlier tests */

static const struct gt_wire_record *records(void)
{
    const char *slot = gt_agent_self->log.streams[GT_WIRE_STREAM_GIL].slot;

    return (
        const struct gt_wire_record
            *)(const void *)(slot +
                             ((const struct gt_wire_chunk *)(const void *)slot)->data_offset);
}

static size_t count(void)
{
    return (size_t)((const struct gt_wire_record *)(void *)gt_agent_self->log
                        .streams[GT_WIRE_STREAM_GIL]
                        .next -
                    records());
}

static int begin(void **state)
{
    struct gt_agent_thread *self;

    (void)state;
    dir = gt_fs_private_dir(NULL);
    if (!dir || setenv(GT_AGENT_ENV_DIR, dir, 1))
        return -1;
    gt_agent_begin();
    self = gt_agent_enter(); /* its log begins */
    if (!self)
        return -1;
    gt_agent_leave(self);
    return 0;
}

static int end(void **state)
{
    (void)state;
    gt_fs_remove_tree(dir, NULL);
    free(dir);
    return 0;
}

static int begin_test(void **state)
{
    recorded = count();
    return empty(state);
}

/* Longer than the short times of semaphores.h, whatever the rate of the clock. */
static void pass_time(void)
{
    const struct timespec nap = {0, 2000000};

    nanosleep(&nap, NULL);
}

/* The records since the test began are one, which tells of the first semaphore, and before it,
 * where it is wanted, how long ago it began: some milliseconds. */
static void assert_recorded(enum gt_wire_kind kind, bool since)
{
    const struct gt_wire_record *at = records() + recorded;

    assert_int_equal(count() - recorded, since ? 2 : 1);
    if (since) {
        assert_int_equal(GT_WIRE_KIND(at->word), GT_WIRE_SINCE);
        assert_true((at->word & GT_WIRE_VALUE_MASK) > gt_agent_short_ticks());
        assert_int_equal(at[0].ticks, at[1].ticks);
        at++;
    }
    assert_int_equal(GT_WIRE_KIND(at->word), kind);
    assert_int_equal(at->word & GT_WIRE_VALUE_MASK, (uintptr_t)&semaphores[0]);
}

static void test_a_lock_had_for_a_moment_is_not_recorded(void **state)
{
    (void)state;
    gt_agent_short.ticks = UINT64_MAX / 2;
    gt_agent_sem_taken(&semaphores[0]);
    gt_agent_sem_posts(&semaphores[0]);
    assert_int_equal(count(), recorded);
}

static void test_a_lock_had_for_long_is_recorded_as_it_is_given(void **state)
{
    (void)state;
    gt_agent_short.ticks = 50000;
    gt_agent_sem_taken(&semaphores[0]);
    pass_time();
    gt_agent_sem_posts(&semaphores[0]);
    assert_recorded(GT_WIRE_SEM_POST, true);
}

static void test_a_lock_given_while_somebody_waits_is_recorded(void **state)
{
    (void)state;
    gt_agent_sem_wait_begins(&semaphores[0], false); /* as another thread does */
    gt_agent_sem_posts(&semaphores[0]);
    recorded++; /* that it waits */
    assert_recorded(GT_WIRE_SEM_POST, false);
}

static void test_a_wait_is_recorded_with_its_begin(void **state)
{
    uint64_t began_ticks = gt_agent_sem_wait_begins(&semaphores[0], false);

    (void)state;
    gt_agent_short.ticks = 50000;
    pass_time();
    gt_agent_sem_wait_ended(&semaphores[0], began_ticks, false, true);
    recorded++;
    assert_recorded(GT_WIRE_SEM_TAKEN, true);
    assert_int_equal(gt_agent_sem_slot_waiting(&semaphores[0]), 0);
    assert_true(gt_agent_sem_slot_give(&semaphores[0], gt_agent_self) > began_ticks);
}

static void test_a_wait_in_vain_takes_nothing(void **state)
{
    uint64_t began_ticks = gt_agent_sem_wait_begins(&semaphores[0], false);

    (void)state;
    gt_agent_short.ticks = 50000;
    pass_time();
    gt_agent_sem_wait_ended(&semaphores[0], began_ticks, false, false);
    recorded++;
    assert_recorded(GT_WIRE_SEM_GAVE_UP, true);
    assert_int_equal(gt_agent_sem_slot_give(&semaphores[0], gt_agent_self), 0);
}

/* A thread parks: two words before its semaphore, on its own stack, say for what. */
static void test_parking_tells_the_lock(void **state)
{
    uint8_t bits = 3; /* locked, and somebody waits; of a SimpleQueue: 1 */
    struct {
        uintptr_t argument, lock;
        sem_t semaphore;
    } parked = {1, (uintptr_t)&bits, {{0}}};
    const struct gt_wire_record *at = records() + recorded;

    (void)state;
    gt_agent_sem_wait_begins(&parked.semaphore, true);
    bits = 1;
    gt_agent_sem_wait_begins(&parked.semaphore, true);
    parked.argument = 0;
    gt_agent_sem_wait_begins(&parked.semaphore, true);
    parked.argument = 1;
    parked.lock = 0; /* it is no parking lot's */
    gt_agent_sem_wait_begins(&parked.semaphore, true);
    assert_int_equal(count() - recorded, 8);
    assert_true(at[0].word == GT_WIRE_WORD(GT_WIRE_PARKED, (uintptr_t)&bits));
    assert_true(at[1].word == GT_WIRE_WORD(GT_WIRE_SEM_WAITS, (uintptr_t)&parked.semaphore));
    for (size_t i = 2; i < 8; i += 2)
        assert_int_equal(GT_WIRE_KIND(at[i].word), GT_WIRE_PARKED_FOR_EVENT);
}

static void test_only_what_is_on_the_own_stack_is_parking(void **state)
{
    const sem_t *heap = malloc(sizeof(*heap));
    sem_t near;

    (void)state;
    assert_true(gt_agent_sem_is_parking(&near, __builtin_frame_address(0)) ||
                (const char *)&near < (const char *)__builtin_frame_address(0));
    assert_true(gt_agent_sem_is_parking((const sem_t *)0x7f0000000100, (void *)0x7f0000000000));
    assert_false(
        gt_agent_sem_is_parking((const sem_t *)0x7f0000000000, (void *)0x7f0000000100));
    assert_false(gt_agent_sem_is_parking(heap, __builtin_frame_address(0)));
    free((void *)heap);
}

static void test_a_wait_names_who_has_the_lock(void **state)
{
    const struct gt_wire_record *at = records() + recorded;

    (void)state;
    gt_agent_sem_taken(&semaphores[0]);
    gt_agent_sem_wait_begins(&semaphores[0], false);
    assert_int_equal(count() - recorded, 2);
    assert_true(at[0].word == GT_WIRE_WORD(GT_WIRE_OWNER, (uint32_t)gt_agent_self->listed.tid));
    gt_agent_mutex_wait_begins(&semaphores[0], 4711);
    assert_true(at[2].word == GT_WIRE_WORD(GT_WIRE_OWNER, 4711));
    assert_int_equal(GT_WIRE_KIND(at[3].word), GT_WIRE_NATIVE);
    assert_int_equal(GT_WIRE_KIND(at[4].word), GT_WIRE_SEM_WAITS);
}

static void test_a_new_one_in_the_place_of_one_that_was_waited_for_is_told(void **state)
{
    (void)state;
    gt_agent_sem_made(&semaphores[0]);
    assert_int_equal(count(), recorded);
    gt_agent_sem_wait_begins(&semaphores[0], false);
    recorded = count();
    gt_agent_sem_made(&semaphores[0]);
    gt_agent_sem_made(&semaphores[0]);
    assert_recorded(GT_WIRE_SEM_NEW, false);
}

static void test_locks_inside_of_the_agent_are_no_loss(void **state)
{
    struct gt_agent_thread *self = gt_agent_enter();

    (void)state;
    assert_non_null(self);
    gt_agent_sem_taken(&semaphores[0]);
    gt_agent_sem_wait_begins(&semaphores[1], false);
    gt_agent_sem_posts(&semaphores[1]);
    gt_agent_leave(self);
    assert_int_equal(count(), recorded);
    assert_int_equal(self->log.header->dropped, 0);
}

int main(void)
{
    const struct CMUnitTest table[] = {
        cmocka_unit_test_setup(test_who_took_one_gives_it, empty),
        cmocka_unit_test_setup(test_another_may_give_it_who_never_had_it, empty),
        cmocka_unit_test_setup(test_who_takes_it_last_has_it, empty),
        cmocka_unit_test_setup(test_waiters_are_counted, empty),
        cmocka_unit_test_setup(test_after_a_fork_nobody_waits_or_has_one, empty),
        cmocka_unit_test_setup(test_two_of_one_slot_forget_but_never_mix, empty),
    };
    const struct CMUnitTest log[] = {
        cmocka_unit_test_setup(test_a_lock_had_for_a_moment_is_not_recorded, begin_test),
        cmocka_unit_test_setup(test_a_lock_had_for_long_is_recorded_as_it_is_given, begin_test),
        cmocka_unit_test_setup(test_a_lock_given_while_somebody_waits_is_recorded, begin_test),
        cmocka_unit_test_setup(test_a_wait_is_recorded_with_its_begin, begin_test),
        cmocka_unit_test_setup(test_a_wait_in_vain_takes_nothing, begin_test),
        cmocka_unit_test_setup(test_parking_tells_the_lock, begin_test),
        cmocka_unit_test_setup(test_a_wait_names_who_has_the_lock, begin_test),
        cmocka_unit_test_setup(test_a_new_one_in_the_place_of_one_that_was_waited_for_is_told,
                               begin_test),
        cmocka_unit_test(test_only_what_is_on_the_own_stack_is_parking),
        cmocka_unit_test_setup(test_locks_inside_of_the_agent_are_no_loss, begin_test),
    };
    int failed = cmocka_run_group_tests_name("table", table, NULL, NULL);

    return failed + cmocka_run_group_tests_name("log", log, begin, end);
}
