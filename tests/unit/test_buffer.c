/* SPDX-License-Identifier: MIT */
/* lib/launch/buffer: how large perf's buffers are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "launch/buffer.h"

#include <string.h>
#include <unistd.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static struct gt_error err;

static struct gt_caps root(void)
{
    return (struct gt_caps){.ipc_lock = true,
                            .perf_event_paranoid = 2,
                            .mlock_kb = 516,
                            .memlock_bytes = 8 * MIB,
                            .available_bytes = 16 * GIB,
                            .cpu_count = 2};
}

static struct gt_caps user(uint64_t memlock_bytes)
{
    struct gt_caps caps = root();

    caps.ipc_lock = false;
    caps.memlock_bytes = memlock_bytes;
    return caps;
}

/* UINT64_MAX: it was refused. */
static uint64_t choose(const struct gt_caps *caps, uint64_t asked, bool heavy)
{
    const struct gt_buffer_request request = {.bytes = asked, .heavy = heavy, .recorders = 1};
    uint64_t bytes;

    return gt_buffer_choose(&request, caps, &bytes, &err) < 0 ? UINT64_MAX : bytes;
}

static void test_by_what_is_recorded(void **state)
{
    struct gt_caps caps = root();

    (void)state;
    assert_true(choose(&caps, 0, true) == 64 * MIB);
    assert_true(choose(&caps, 0, false) == 16 * MIB);
}

static void test_cpus_and_recorders_share(void **state)
{
    struct gt_buffer_request request = {.heavy = true, .recorders = 1};
    struct gt_caps caps = root();
    uint64_t bytes;

    (void)state;
    caps.cpu_count = 64; /* 512 MiB for all */
    assert_true(choose(&caps, 0, true) == 8 * MIB);
    request.recorders = 2;
    assert_int_equal(gt_buffer_choose(&request, &caps, &bytes, &err), 0);
    assert_true(bytes == 4 * MIB);
    caps.cpu_count = 4096;
    assert_true(choose(&caps, 0, true) == 0); /* perf's own */
}

static void test_little_memory_is_not_taken(void **state)
{
    struct gt_caps caps = root();

    (void)state;
    caps.available_bytes = 256 * MIB; /* an eighth for two buffers */
    assert_true(choose(&caps, 0, true) == 16 * MIB);
    caps.available_bytes = 0;
    assert_true(choose(&caps, 0, true) == 0);
}

static void test_a_user_has_what_may_be_locked(void **state)
{
    struct gt_caps caps = user(8 * MIB);

    (void)state;
    /* Two of 4 MiB and a page each would not fit. */
    assert_true(choose(&caps, 0, true) == 2 * MIB);
    caps = user(8 * MIB + 2 * (uint64_t)sysconf(_SC_PAGESIZE));
    assert_true(choose(&caps, 0, true) == 4 * MIB);
    caps = user(UINT64_MAX);
    assert_true(choose(&caps, 0, true) == 64 * MIB);
    caps = user(64 * KIB);
    assert_true(choose(&caps, 0, true) == 0);
    caps = user(0);
    assert_true(choose(&caps, 0, true) == 0);
    caps.perf_event_paranoid = -1; /* --setup */
    assert_true(choose(&caps, 0, true) == 64 * MIB);
}

static void test_root_without_the_right_to_lock_is_a_user(void **state)
{
    struct gt_caps caps = user(64 * KIB);

    (void)state;
    caps.sys_admin = caps.perfmon = true; /* in a container */
    assert_true(choose(&caps, 0, true) == 0);
}

static void test_what_is_asked_for(void **state)
{
    struct gt_caps caps = root();

    (void)state;
    assert_true(choose(&caps, 256 * MIB, false) == 256 * MIB);
    assert_true(choose(&caps, 100 * MIB, false) == 128 * MIB);
    assert_true(choose(&caps, 1, false) == (uint64_t)sysconf(_SC_PAGESIZE));
    assert_true(choose(&caps, 4 * GIB, false) == 4 * GIB);
    assert_true(choose(&caps, 4 * GIB + 1, false) == UINT64_MAX);
    assert_non_null(strstr(err.message, "4096M"));
    assert_true(choose(&caps, UINT64_C(1) << 40, false) == UINT64_MAX);
    caps = user(8 * MIB);
    assert_true(choose(&caps, 2 * MIB, false) == 2 * MIB);
    assert_true(choose(&caps, 4 * MIB, false) == UINT64_MAX);
    assert_non_null(strstr(err.message, "ulimit -l"));
    assert_non_null(strstr(err.message, "--buffer 4M"));
    caps = user(0);
    assert_true(choose(&caps, 512 * KIB, false) == 512 * KIB); /* as perf would */
    assert_true(choose(&caps, 1 * MIB, false) == UINT64_MAX);
    assert_non_null(strstr(err.message, "512K"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_what_is_recorded),
        cmocka_unit_test(test_cpus_and_recorders_share),
        cmocka_unit_test(test_little_memory_is_not_taken),
        cmocka_unit_test(test_a_user_has_what_may_be_locked),
        cmocka_unit_test(test_root_without_the_right_to_lock_is_a_user),
        cmocka_unit_test(test_what_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
