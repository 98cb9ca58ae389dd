/* SPDX-License-Identifier: MIT */
/* lib/ingest/semaphores: which calls that probes see are for locks of CPython's. */
#include "ingest/semaphores.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { PID = 10, CHILD = 20 };

static const uint64_t PYTHON = 0x400000, QUEUE = 0x7f0000010000, LIBC = 0x7f0000020000,
                      SEMAPHORE = 0xf2dd60, OTHER_SEMAPHORE = 0xf2dd80;

static struct gt_semaphores semaphores;
static struct gt_event copy;

static int filter(const struct gt_event *event, const struct gt_event **out)
{
    *out = event;
    return gt_semaphores_filter(&semaphores, out, &copy);
}

static void maps(int32_t pid, uint64_t address, uint16_t pages, const char *path)
{
    const struct gt_event event = {.kind = GT_EVENT_MMAP,
                                   .pid = pid,
                                   .tid = pid,
                                   .mapping = {.address = address,
                                               .pages = pages,
                                               .path = path,
                                               .path_length = (uint16_t)strlen(path)}};
    const struct gt_event *out;

    assert_int_equal(filter(&event, &out), 1);
    assert_ptr_equal(out, &event); /* as it is */
}

static void lives(enum gt_event_kind kind, int32_t pid, int32_t tid, int32_t creator)
{
    const struct gt_event event = {
        .kind = kind, .pid = pid, .tid = tid, .creator = {creator, creator}};
    const struct gt_event *out;

    assert_int_equal(filter(&event, &out), 1);
}

static int waits(int32_t pid, uint64_t semaphore, enum gt_wait_for what, uint64_t caller,
                 uint64_t word)
{
    uint64_t callers[GT_CALLERS] = {caller, 0x31, [9] = word};
    const struct gt_event event = {
        .kind = GT_EVENT_SEM_WAITS,
        .pid = pid,
        .tid = pid,
        .sync = {.object = semaphore, .left = what, .callers = callers, .lock = 0x9000}};
    const struct gt_event *out;
    int rc = filter(&event, &out);

    if (rc > 0)
        assert_int_equal(out->sync.since_ns, GT_NOT_SEEN);
    return rc;
}

static int of(enum gt_event_kind kind, uint64_t semaphore)
{
    const struct gt_event event = {
        .kind = kind, .pid = PID, .tid = PID, .sync = {.object = semaphore}};
    const struct gt_event *out;

    return filter(&event, &out);
}

static int setup(void **state)
{
    (void)state;
    gt_semaphores_init(&semaphores, "/opt/app/embedding");
    maps(PID, PYTHON, 100, "/usr/bin/python3.11");
    maps(PID, LIBC, 100, "/usr/lib/libc.so.6");
    maps(PID, QUEUE, 2,
         "/usr/lib/python3.11/lib-dynload/_queue.cpython-311-x86_64-linux-gnu.so");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gt_semaphores_release(&semaphores);
    return 0;
}

static void the_interpreter_waits_for_locks(void **state)
{
    (void)state;
    assert_int_equal(waits(PID, SEMAPHORE, GT_WAIT_FOR_SEMAPHORE, PYTHON + 0x100, 0), 1);
    assert_int_equal(waits(PID, SEMAPHORE, GT_WAIT_FOR_MUTEX, PYTHON + 0x100, 0), 1);
    /* Other libraries do not, nor do processes that are not known. */
    assert_int_equal(waits(PID, SEMAPHORE, GT_WAIT_FOR_SEMAPHORE, LIBC + 0x100, 0), 0);
    assert_int_equal(waits(PID, SEMAPHORE, GT_WAIT_FOR_MUTEX, LIBC + 0x100, 0), 0);
    assert_int_equal(waits(PID, SEMAPHORE, GT_WAIT_FOR_SEMAPHORE, PYTHON + 100 * 4096, 0), 0);
    assert_int_equal(waits(PID, SEMAPHORE, GT_WAIT_FOR_SEMAPHORE, 0, 0), 0);
    assert_int_equal(waits(CHILD, SEMAPHORE, GT_WAIT_FOR_SEMAPHORE, PYTHON + 0x100, 0), 0);
    /* A program of another name that the interpreter is in. */
    maps(CHILD, 0x500000, 100, "/opt/app/embedding");
    assert_int_equal(waits(CHILD, SEMAPHORE, GT_WAIT_FOR_SEMAPHORE, 0x500100, 0), 1);
    assert_true(semaphores.hits == 8);
}

static void who_waits_for_a_simple_queue_waits_for_no_lock(void **state)
{
    (void)state;
    assert_int_equal(waits(PID, SEMAPHORE, GT_WAIT_FOR_SEMAPHORE, PYTHON + 1, QUEUE + 0x1fff),
                     0);
    assert_int_equal(waits(PID, SEMAPHORE, GT_WAIT_FOR_SEMAPHORE, PYTHON + 1, QUEUE + 0x2000),
                     1);
    /* Where it parks, what lies on the stack says nothing. */
    assert_int_equal(waits(PID, SEMAPHORE, GT_WAIT_FOR_MUTEX, PYTHON + 1, QUEUE + 0x100), 1);
}

static void processes_keep_what_they_map(void **state)
{
    (void)state;
    lives(GT_EVENT_FORK, PID, PID + 1, PID); /* a thread */
    lives(GT_EVENT_FORK, CHILD, CHILD, PID);
    assert_int_equal(waits(CHILD, SEMAPHORE, GT_WAIT_FOR_SEMAPHORE, PYTHON + 1, 0), 1);
    maps(CHILD, PYTHON, 100, "/usr/lib/other.so"); /* over it */
    assert_int_equal(waits(CHILD, SEMAPHORE, GT_WAIT_FOR_SEMAPHORE, PYTHON + 1, 0), 0);
    assert_int_equal(waits(PID, SEMAPHORE, GT_WAIT_FOR_SEMAPHORE, PYTHON + 1, 0), 1);
    lives(GT_EVENT_EXEC, PID, PID, 0);
    assert_int_equal(waits(PID, SEMAPHORE, GT_WAIT_FOR_SEMAPHORE, PYTHON + 1, 0), 0);
}

static void that_one_is_made_matters_where_one_was_waited_for(void **state)
{
    (void)state;
    assert_int_equal(of(GT_EVENT_SEM_NEW, SEMAPHORE), 0);
    assert_int_equal(of(GT_EVENT_SEM_POST, SEMAPHORE), 1);
    assert_int_equal(of(GT_EVENT_SEM_NEW, SEMAPHORE), 0);
    assert_int_equal(waits(PID, SEMAPHORE, GT_WAIT_FOR_SEMAPHORE, PYTHON + 1, 0), 1);
    assert_int_equal(of(GT_EVENT_SEM_RETURN, SEMAPHORE), 1);
    assert_int_equal(of(GT_EVENT_SEM_NEW, OTHER_SEMAPHORE), 0);
    assert_int_equal(of(GT_EVENT_SEM_NEW, SEMAPHORE), 1);
    assert_int_equal(of(GT_EVENT_SEM_NEW, SEMAPHORE), 0);
    /* On its own stack a thread makes one for each time that it parks. */
    assert_int_equal(waits(PID, SEMAPHORE, GT_WAIT_FOR_MUTEX, PYTHON + 1, 0), 1);
    assert_int_equal(of(GT_EVENT_SEM_NEW, SEMAPHORE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_interpreter_waits_for_locks, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_for_a_simple_queue_waits_for_no_lock, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(processes_keep_what_they_map, setup, teardown),
        cmocka_unit_test_setup_teardown(that_one_is_made_matters_where_one_was_waited_for,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
