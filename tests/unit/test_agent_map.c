/* SPDX-License-Identifier: MIT */
/* The agent's map that many threads read while one adds. */
#include "agent/process.h"
#include "agent/map.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PID = 4711, MANY = 20000 };

static struct gt_agent_map map;
static char values[MANY + 1];

static int setup(void **state)
{
    (void)state;
    memset(&map, 0, sizeof(map));
    gt_agent.pid = PID;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(map.now);
    return 0;
}

static void test_of_an_empty_map_nothing_is_found(void **state)
{
    (void)state;
    assert_null(gt_agent_map_get(&map, 1));
}

static void test_what_was_added_is_found(void **state)
{
    (void)state;
    assert_true(gt_agent_map_add(&map, 1, &values[1]));
    assert_true(gt_agent_map_add(&map, UINT64_MAX, &values[2]));
    assert_ptr_equal(gt_agent_map_get(&map, 1), &values[1]);
    assert_ptr_equal(gt_agent_map_get(&map, UINT64_MAX), &values[2]);
    assert_null(gt_agent_map_get(&map, 2));
}

static void test_the_first_value_of_a_key_stays(void **state)
{
    (void)state;
    assert_true(gt_agent_map_add(&map, 7, &values[1]));
    assert_true(gt_agent_map_add(&map, 7, &values[2]));
    assert_ptr_equal(gt_agent_map_get(&map, 7), &values[1]);
    assert_int_equal(map.now->count, 1);
}

/* Keys that begin their search at the same place are told apart, also around the end. */
static void test_keys_of_one_place_are_told_apart(void **state)
{
    uint64_t keys[8];
    size_t found = 0;

    (void)state;
    for (uint64_t key = 1; found < 8; key++)
        if ((gt_agent_map_place(key) & 1023) == 1022)
            keys[found++] = key;
    for (size_t i = 0; i < found; i++)
        assert_true(gt_agent_map_add(&map, keys[i], &values[i]));
    assert_int_equal(map.now->capacity, 1024);
    for (size_t i = 0; i < found; i++)
        assert_ptr_equal(gt_agent_map_get(&map, keys[i]), &values[i]);
}

static void test_all_is_found_as_the_map_grows(void **state)
{
    (void)state;
    for (size_t i = 1; i <= MANY; i++) {
        struct gt_agent_slots *before = map.now;

        assert_true(gt_agent_map_add(&map, i, &values[i]));
        if (before != map.now)
            free(before); /* the agent does not: others may be reading it */
    }
    for (size_t i = 1; i <= MANY; i++)
        assert_ptr_equal(gt_agent_map_get(&map, i), &values[i]);
    assert_int_equal(map.now->count, MANY);
    assert_true(map.now->count * 2 <= map.now->capacity);
    assert_null(gt_agent_map_get(&map, MANY + 1));
}

/* What was there before a map grew stays valid for who is reading it. */
static void test_a_reader_goes_on_in_a_table_that_was_outgrown(void **state)
{
    struct gt_agent_map reader = {0};

    (void)state;
    for (size_t i = 1; !reader.now || map.now == reader.now; i++) {
        assert_true(gt_agent_map_add(&map, i, &values[i]));
        reader.now = reader.now ? reader.now : map.now;
    }
    assert_true(reader.now->count < map.now->count);
    for (size_t i = 1; i <= reader.now->count; i++)
        assert_ptr_equal(gt_agent_map_get(&reader, i), &values[i]);
    free(reader.now);
}

static void test_nobody_waits_for_another_who_adds(void **state)
{
    (void)state;
    assert_true(gt_agent_map_add(&map, 1, &values[1]));
    map.adding = PID; /* another thread of this process */
    assert_false(gt_agent_map_add(&map, 2, &values[2]));
    assert_null(gt_agent_map_get(&map, 2));
    assert_ptr_equal(gt_agent_map_get(&map, 1), &values[1]);
}

static void test_who_was_lost_in_a_fork_adds_no_more(void **state)
{
    (void)state;
    map.adding = PID - 1; /* a thread of the parent, which the child does not have */
    assert_true(gt_agent_map_add(&map, 2, &values[2]));
    assert_ptr_equal(gt_agent_map_get(&map, 2), &values[2]);
    assert_int_equal(map.adding, 0);
}

/* One thread adds while others read: a key that was found once is found with its value from
 * then on. */
struct reading {
    bool stop;
    int begun; /* readers that have found the first key */
};

static void *read_all(void *context)
{
    struct reading *reading = context;
    size_t wrong = 0, seen = 0;

    while (!__atomic_load_n(&reading->stop, __ATOMIC_ACQUIRE)) {
        bool first = seen == 0;

        for (size_t i = 1; i <= seen; i++)
            wrong += gt_agent_map_get(&map, i) != &values[i];
        while (seen < MANY && gt_agent_map_get(&map, seen + 1))
            seen++;
        if (first && seen)
            __atomic_add_fetch(&reading->begun, 1, __ATOMIC_RELEASE);
    }
    return (void *)(uintptr_t)wrong;
}

static void test_readers_find_what_was_added_before(void **state)
{
    enum { READERS = 3, KEYS = 2000 };
    struct gt_agent_slots *outgrown[8] = {NULL};
    pthread_t readers[READERS];
    struct reading reading = {0};
    size_t count = 0;
    void *wrong;

    (void)state;
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_all, &reading), 0);
    for (size_t i = 1; i <= KEYS; i++) {
        struct gt_agent_slots *before = map.now;

        assert_true(gt_agent_map_add(&map, i, &values[i]));
        if (before && before != map.now)
            outgrown[count++] = before;
        while (i == 1 && __atomic_load_n(&reading.begun, __ATOMIC_ACQUIRE) < READERS)
            sched_yield();
    }
    __atomic_store_n(&reading.stop, true, __ATOMIC_RELEASE);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i], &wrong), 0);
        assert_null(wrong);
    }
    assert_true(count >= 2);
    while (count--)
        free(outgrown[count]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_of_an_empty_map_nothing_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_added_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_first_value_of_a_key_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_of_one_place_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_is_found_as_the_map_grows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_reader_goes_on_in_a_table_that_was_outgrown,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_waits_for_another_who_adds, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_who_was_lost_in_a_fork_adds_no_more, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_readers_find_what_was_added_before, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
