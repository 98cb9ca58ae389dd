/* The agent's map that many threads read while one adds. */
#include "agent/process.h"
#include "agent/table.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PID = 4711, MANY = 20000 };

static struct gt_agent_table table;
static char values[MANY + 1];

static int setup(void **state)
{
    (void)state;
    memset(&table, 0, sizeof(table));
    gt_agent.pid = PID;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(table.now);
    return 0;
}

static void test_of_an_empty_table_nothing_is_found(void **state)
{
    (void)state;
    assert_null(gt_agent_table_get(&table, 1));
}

static void test_what_was_added_is_found(void **state)
{
    (void)state;
    assert_true(gt_agent_table_add(&table, 1, &values[1]));
    assert_true(gt_agent_table_add(&table, UINT64_MAX, &values[2]));
    assert_ptr_equal(gt_agent_table_get(&table, 1), &values[1]);
    assert_ptr_equal(gt_agent_table_get(&table, UINT64_MAX), &values[2]);
    assert_null(gt_agent_table_get(&table, 2));
}

static void test_the_first_value_of_a_key_stays(void **state)
{
    (void)state;
    assert_true(gt_agent_table_add(&table, 7, &values[1]));
    assert_true(gt_agent_table_add(&table, 7, &values[2]));
    assert_ptr_equal(gt_agent_table_get(&table, 7), &values[1]);
    assert_int_equal(table.now->count, 1);
}

/* Keys that begin their search at the same place are told apart, also around the end. */
static void test_keys_of_one_place_are_told_apart(void **state)
{
    const uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t keys[8];
    size_t found = 0;

    (void)state;
    for (uint64_t key = 1; found < 8; key++)
        if ((key * hash >> 20 & 1023) == 1022)
            keys[found++] = key;
    for (size_t i = 0; i < found; i++)
        assert_true(gt_agent_table_add(&table, keys[i], &values[i]));
    for (size_t i = 0; i < found; i++)
        assert_ptr_equal(gt_agent_table_get(&table, keys[i]), &values[i]);
}

static void test_all_is_found_as_the_table_grows(void **state)
{
    (void)state;
    for (size_t i = 1; i <= MANY; i++) {
        struct gt_agent_slots *before = table.now;

        assert_true(gt_agent_table_add(&table, i, &values[i]));
        if (before != table.now)
            free(before); /* the agent does not: others may be reading it */
    }
    for (size_t i = 1; i <= MANY; i++)
        assert_ptr_equal(gt_agent_table_get(&table, i), &values[i]);
    assert_int_equal(table.now->count, MANY);
    assert_true(table.now->count * 2 <= table.now->capacity);
    assert_null(gt_agent_table_get(&table, MANY + 1));
}

/* What was there before a table grew stays valid for who is reading it. */
static void test_a_reader_goes_on_in_a_table_that_was_outgrown(void **state)
{
    struct gt_agent_table reader = {0};

    (void)state;
    for (size_t i = 1; !reader.now || table.now == reader.now; i++) {
        assert_true(gt_agent_table_add(&table, i, &values[i]));
        reader.now = reader.now ? reader.now : table.now;
    }
    assert_true(reader.now->count < table.now->count);
    for (size_t i = 1; i <= reader.now->count; i++)
        assert_ptr_equal(gt_agent_table_get(&reader, i), &values[i]);
    free(reader.now);
}

static void test_nobody_waits_for_another_who_adds(void **state)
{
    (void)state;
    assert_true(gt_agent_table_add(&table, 1, &values[1]));
    table.adding = PID; /* another thread of this process */
    assert_false(gt_agent_table_add(&table, 2, &values[2]));
    assert_null(gt_agent_table_get(&table, 2));
    assert_ptr_equal(gt_agent_table_get(&table, 1), &values[1]);
}

static void test_who_was_lost_in_a_fork_adds_no_more(void **state)
{
    (void)state;
    table.adding = PID - 1; /* a thread of the parent, which the child does not have */
    assert_true(gt_agent_table_add(&table, 2, &values[2]));
    assert_ptr_equal(gt_agent_table_get(&table, 2), &values[2]);
    assert_int_equal(table.adding, 0);
}

/* One thread adds while others read: a key that was found once is found with its value from
 * then on. */
static void *read_all(void *stop)
{
    size_t wrong = 0, seen = 0;

    while (!__atomic_load_n((bool *)stop, __ATOMIC_ACQUIRE)) {
        for (size_t i = 1; i <= seen; i++)
            wrong += gt_agent_table_get(&table, i) != &values[i];
        while (seen < MANY && gt_agent_table_get(&table, seen + 1))
            seen++;
    }
    return (void *)(uintptr_t)wrong;
}

static void test_readers_find_what_was_added_before(void **state)
{
    enum { READERS = 3, KEYS = 2000 };
    struct gt_agent_slots *outgrown[8] = {NULL};
    pthread_t readers[READERS];
    bool stop = false;
    size_t count = 0;
    void *wrong;

    (void)state;
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_all, &stop), 0);
    for (size_t i = 1; i <= KEYS; i++) {
        struct gt_agent_slots *before = table.now;

        assert_true(gt_agent_table_add(&table, i, &values[i]));
        if (before && before != table.now)
            outgrown[count++] = before;
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
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
        cmocka_unit_test_setup_teardown(test_of_an_empty_table_nothing_is_found, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_was_added_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_first_value_of_a_key_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_of_one_place_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_is_found_as_the_table_grows, setup, teardown),
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
